"""Orders: which file an action names, and what is left of VMs that are done."""

import base64
from pathlib import Path

import pytest

from tests.core.vm.builders import event_of, moment, vm
from tests.engine.world import World
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
