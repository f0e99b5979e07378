"""Orders: which file an action names, and what is left of VMs that are done."""

import base64
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.core.vm.builders import event_of, moment, vm
from tests.engine.world import World
from trifid.core.template.model import template
from trifid.core.vm import events
from trifid.core.vm.record import VM, Action
from trifid.core.vm.states import VmState as S
from trifid.core.vm.step import step
from trifid.engine.orders import Orders
from trifid.store.interface import Batch
from trifid.wire import action_data


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    """Orders of a home."""
    return Orders(tmp_path, tmp_path / "datastores", "front", lambda vm: f"<VM><ID>{vm.id}</ID></VM>")


def after(start: VM, *kinds: type[events.Event]) -> tuple[VM, Action | None]:
    """Return the VM and its action after events; a migration leads to host 9."""
    now, action = start, None
    for kind in kinds:
        place = {"host_id": 9, "hostname": "host9", "cluster_id": 0, "vmm": "dummy", "tm": "dummy", "datastore_id": 0}
        event = kind(**place) if issubclass(kind, events.Deploy) else event_of(kind, now.step)
        outcome = step(now, event, moment())
        assert not outcome.ignored, outcome.ignored
        now, action = outcome.vm, outcome.action
    return now, action


def checkpoint(orders: Orders, vm_and_action: tuple[VM, Action | None], verb: str) -> tuple[str, str]:
    """Return host and checkpoint file that the order of an action names."""
    now, action = vm_and_action
    assert action is not None and action.verb == verb
    data = action_data.parse(orders.render(now, action).payload)
    return data.host, Path(data.checkpoint_file).name


MOVED = (events.MigrateSave, events.Done, events.Done)
"""Saved, moved, about to be restored."""


def test_a_move_restores_what_it_saved(orders: Orders) -> None:
    running = vm(S.RUNNING)
    saved = checkpoint(orders, after(running, events.MigrateSave), "SAVE")
    restored = checkpoint(orders, after(running, *MOVED), "RESTORE")
    again = checkpoint(orders, after(running, *MOVED, events.Failed, events.Retry), "RESTORE")
    assert saved == ("host3", "checkpoint.0")
    assert restored == again == ("host9", "checkpoint.0")


def test_the_next_move_names_another_file(orders: Orders) -> None:
    moved, _ = after(vm(S.RUNNING), *MOVED, events.Done)
    assert checkpoint(orders, after(moved, events.MigrateSave), "SAVE") == ("host9", "checkpoint.1")
    assert checkpoint(orders, after(moved, *MOVED), "RESTORE") == ("host9", "checkpoint.1")


def test_a_move_that_failed_is_not_met_by_the_next_one(orders: Orders) -> None:
    stayed, _ = after(vm(S.RUNNING), events.MigrateSave, events.Failed, events.Found)
    assert stayed.state is S.RUNNING
    assert checkpoint(orders, after(stayed, events.MigrateSave), "SAVE") == ("host3", "checkpoint.2")
    assert checkpoint(orders, after(stayed, *MOVED), "RESTORE") == ("host9", "checkpoint.2")


def test_what_was_suspended_is_restored_from_where_it_was_saved_however_many_stays_ago(orders: Orders) -> None:
    suspended, _ = after(vm(S.RUNNING), events.Suspend, events.Done)
    assert checkpoint(orders, after(suspended, events.Resume), "RESTORE") == ("host3", "checkpoint.0")
    stopped, _ = after(suspended, events.Stop, events.Absent, events.Done)
    assert stopped.state is S.STOPPED
    restored = checkpoint(orders, after(stopped, events.Deploy, events.Done), "RESTORE")
    assert restored == ("host9", "checkpoint.0")
    back, _ = after(stopped, events.Deploy, events.Done, events.Done)
    assert checkpoint(orders, after(back, events.Suspend), "SAVE") == ("host9", "checkpoint.2")


def test_what_an_older_engine_saved_was_saved_in_the_stay_before(orders: Orders) -> None:
    moving = replace(vm(S.BOOT_MIGRATE), saved_seq=-1)
    action = Action(42, 7, "vmm", "RESTORE")
    assert checkpoint(orders, (moving, action), "RESTORE") == ("host4", "checkpoint.0")


# -- scripts of transfers ------------------------------------------------------------------------------


def script(orders: Orders, now: VM, verb: str) -> list[str]:
    order = orders.render(now, Action(42, 7, "tm", verb))
    assert order.word == "TRANSFER"
    return Path(order.payload).read_text().splitlines()


def test_a_script_begins_with_its_step_and_lies_with_the_files_of_the_vm(orders: Orders, tmp_path: Path) -> None:
    assert script(orders, vm(S.RUNNING, stays=2), "delete_both") == [
        "# trifid step 7",
        "# trifid disk 1 raw",
        f"DELETE dummy host4:{tmp_path}/datastores/0/42 42 0",
        f"DELETE dummy host3:{tmp_path}/datastores/0/42 42 0",
    ]
    assert names(tmp_path / "vms" / "42") == ["transfer.1.delete_both"]


def test_a_script_tells_where_files_lie_that_any_user_may_name(tmp_path: Path) -> None:
    orders = Orders(tmp_path, tmp_path / "datastores", "front", lambda vm: "<VM/>", ["/srv/pub/"])
    assert script(orders, vm(S.RUNNING), "delete")[1:3] == ["# trifid disk 1 raw", "# trifid within /srv/pub"]


def test_a_script_that_is_written_again_replaces_the_one_before(orders: Orders, tmp_path: Path) -> None:
    written = [orders.render(vm(S.RUNNING), Action(42, step, "tm", "delete")).payload for step in (7, 9)]
    assert len(set(written)) == 1
    assert Path(written[0]).read_text().startswith("# trifid step 9\n")
    assert names(tmp_path / "vms" / "42") == ["transfer.0.delete"]


@pytest.mark.parametrize(("verb", "state"), [("prolog", S.PROLOG), ("resume", S.PROLOG_UNDEPLOY)])
def test_whoever_makes_a_context_finds_its_contents_which_only_the_engine_reads(
    orders: Orders, tmp_path: Path, verb: str, state: S
) -> None:
    told = template(CONTEXT={"DISK_ID": "0", "PASSWORD": "secret"})
    lines = script(orders, vm(state, stays=2, template=told), verb)
    context = tmp_path / "vms" / "42" / "context.sh"
    assert f"CONTEXT dummy {context} host4:{tmp_path}/datastores/0/42/disk.0 42 0" in lines
    assert "PASSWORD='secret'" in context.read_text()
    assert context.stat().st_mode & 0o777 == 0o600


# -- what is left on the front-end ---------------------------------------------------------------------


def files_of(home: Path, name: str) -> Path:
    """Make the files of a VM on the front-end, a saved disk among them."""
    files = home / "vms" / name
    files.mkdir(parents=True)
    for file in ("context.sh", "transfer.0.prolog", "fence.vmm-dummy", "disk.1"):
        (files / file).write_text("secret")
    return files


def names(files: Path) -> list[str]:
    return sorted(path.name for path in files.iterdir())


def test_what_a_crash_left_of_vms_that_are_done_is_removed_at_the_start(orders: Orders, tmp_path: Path) -> None:
    done, alive, foreign = (files_of(tmp_path, name) for name in ("41", "42", "mine"))
    (tmp_path / "vms" / "40").mkdir()
    orders.tidy({42})
    assert names(done) == ["disk.1"]
    assert len(names(alive)) == len(names(foreign)) == 4
    assert not (tmp_path / "vms" / "40").exists()


def test_without_any_vm_there_is_nothing_to_tidy(orders: Orders, tmp_path: Path) -> None:
    orders.tidy(())
    assert list(tmp_path.iterdir()) == []


async def test_files_for_drivers_go_with_their_vm(orders: Orders, tmp_path: Path) -> None:
    world = World()
    world.turns.after_commit.append(orders.committed)
    files = files_of(tmp_path, "42")
    await world.put(vm(S.RUNNING))
    assert len(names(files)) == 4
    await world.put(vm(S.DONE))
    assert names(files) == ["disk.1"]
    await world.turns.close()
    orders.committed(Batch(vms={42: None}))
    assert names(files) == ["disk.1"]


def test_the_document_of_the_vm_goes_with_every_request(orders: Orders) -> None:
    order = orders.render(vm(S.BOOT), Action(42, 7, "vmm", "DEPLOY"))
    assert order.word == "DEPLOY"
    assert "<VM><ID>42</ID></VM>" in base64.b64decode(order.payload).decode()
