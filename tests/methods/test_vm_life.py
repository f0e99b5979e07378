"""The actions of a VM's life: which request each call is, in which states, and for whom."""

import pytest
from msgspec.structs import replace

from tests.methods.world import ADMIN, ALICE, BOB, HOST_ID, STAY, VM_ID, VM_OF_ALICE, Refusal
from trifid.core.access import Permissions
from trifid.core.host import Host, HostState
from trifid.core.template.model import template
from trifid.core.vm.record import VM, Needs
from trifid.core.vm.states import VmState

OTHER_ID = 8
AWAY = replace(STAY, etime=200, retime=200)


@pytest.fixture
async def hosts(world):
    """The world with a second host, where there is room for 8 cores."""
    await world.put(Host(OTHER_ID, "node2", HostState.MONITORED, "dummy", "dummy", total_cpu_percent=800))
    await world.change("hosts", HOST_ID, total_memory_kib=1 << 20)
    await world.change("hosts", OTHER_ID, total_memory_kib=1 << 20)
    return world


async def in_state(world, state: VmState, **more) -> None:
    await world.put(replace(VM_OF_ALICE, state=state, **more))


def vm(world) -> VM:
    return world.memory.vms[VM_ID]


@pytest.mark.parametrize(
    ("word", "start", "end"),
    [
        ("suspend", VmState.RUNNING, VmState.SAVE_SUSPEND),
        ("stop", VmState.RUNNING, VmState.SAVE_STOP),
        ("undeploy", VmState.RUNNING, VmState.SHUTDOWN_UNDEPLOY),
        ("undeploy-hard", VmState.RUNNING, VmState.SHUTDOWN_UNDEPLOY),
        ("resume", VmState.STOPPED, VmState.PENDING_STOPPED),
        ("resume", VmState.UNDEPLOYED, VmState.PENDING_UNDEPLOYED),
        ("restart", VmState.UNKNOWN, VmState.BOOT_UNKNOWN),
        ("boot", VmState.UNKNOWN, VmState.BOOT_UNKNOWN),
        ("reset", VmState.RUNNING, VmState.RUNNING),
        ("shutdown-hard", VmState.RUNNING, VmState.SHUTDOWN_HARD),
    ],
)
async def test_an_action_of_the_owner_begins(hosts, word, start, end):
    await in_state(hosts, start)
    assert await hosts.ask(ALICE, "one.vm.action", word, VM_ID) == VM_ID
    assert vm(hosts).state is end


async def test_an_action_in_the_wrong_state_names_both(hosts):
    await in_state(hosts, VmState.STOPPED, history=(AWAY,))
    with pytest.raises(Refusal) as refusal:
        await hosts.ask(ALICE, "one.vm.action", "suspend", VM_ID)
    assert refusal.value.code == 0x0800
    text = '[one.vm.action] Error performing action "suspend": This action is not available for state STOPPED'
    assert refusal.value.text.startswith(text) and "RUNNING" in refusal.value.text


@pytest.mark.parametrize("state", [VmState.POWEROFF, VmState.SUSPENDED])
async def test_resume_looks_whether_the_host_still_has_room(hosts, state):
    await in_state(hosts, state, history=(AWAY,), needs=Needs(900, 64))
    with pytest.raises(Refusal, match="Not enough CPU capacity"):
        await hosts.ask(ALICE, "one.vm.action", "resume", VM_ID)
    await in_state(hosts, state, history=(AWAY,), needs=Needs(800, 64))
    await hosts.ask(ALICE, "one.vm.action", "resume", VM_ID)


@pytest.mark.parametrize(("method", "arguments"), [("action", ("resubmit", VM_ID)), ("recover", (VM_ID, 4))])
async def test_deleting_and_beginning_again_is_for_administrators_of_the_vm(hosts, method, arguments):
    assert await hosts.code(ALICE, f"one.vm.{method}", *arguments) == 0x0200
    await hosts.ask(ADMIN, f"one.vm.{method}", *arguments)
    assert vm(hosts).state is VmState.CLEANUP_RESUBMIT


async def test_a_recovery_that_there_is_not_is_told_with_those_there_are(hosts):
    with pytest.raises(Refusal, match=r"Wrong recovery operation code 6, supported are .*4 delete-recreate"):
        await hosts.ask(ADMIN, "one.vm.recover", VM_ID, 6)


@pytest.mark.parametrize(
    ("state", "live", "kind", "word"),
    [
        (VmState.RUNNING, True, 0, "MIGRATE"),
        (VmState.RUNNING, False, 0, "SAVE_MIGRATE"),
        (VmState.RUNNING, False, 1, "SAVE_MIGRATE"),
        (VmState.RUNNING, False, 2, "SAVE_MIGRATE"),
        (VmState.POWEROFF, False, 0, "PROLOG_MIGRATE_POWEROFF"),
        (VmState.POWEROFF, True, 0, "PROLOG_MIGRATE_POWEROFF"),
        (VmState.POWEROFF, False, 1, "PROLOG_MIGRATE_POWEROFF"),
        (VmState.SUSPENDED, True, 0, "PROLOG_MIGRATE_SUSPEND"),
        (VmState.UNKNOWN, True, 0, "PROLOG_MIGRATE_UNKNOWN"),
    ],
)
async def test_a_migration_is_cold_unless_the_vm_runs(hosts, state, live, kind, word):
    history = (STAY,) if state in (VmState.RUNNING, VmState.UNKNOWN) else (AWAY,)
    await in_state(hosts, state, history=history)
    await hosts.ask(ADMIN, "one.vm.migrate", VM_ID, OTHER_ID, live, False, -1, kind)
    assert vm(hosts).state.printable == word
    assert vm(hosts).current.host_id == OTHER_ID


async def test_the_type_of_a_migration_tells_how_it_is_switched_off(hosts):
    for kind, verb in ((1, "SHUTDOWN"), (2, "CANCEL")):
        await in_state(hosts, VmState.RUNNING)
        await hosts.ask(ADMIN, "one.vm.migrate", VM_ID, OTHER_ID, False, False, -1, kind)
        assert hosts.memory.actions[VM_ID].verb == verb
    with pytest.raises(Refusal, match="Wrong migration type 3"):
        await hosts.ask(ADMIN, "one.vm.migrate", VM_ID, OTHER_ID, False, False, -1, 3)


async def test_a_guest_that_does_not_shut_down_for_its_migration_is_switched_off(hosts):
    await hosts.ask(ADMIN, "one.vm.migrate", VM_ID, OTHER_ID, False, False, -1, 1)
    with pytest.raises(Refusal, match="on its way to host node2"):
        await hosts.ask(ADMIN, "one.vm.migrate", VM_ID, HOST_ID, False, False, -1, 2)
    await hosts.ask(ADMIN, "one.vm.migrate", VM_ID, OTHER_ID, False, True, -1, 2)
    assert (vm(hosts).state, hosts.memory.actions[VM_ID].verb) == (VmState.SAVE_MIGRATE_OFF, "CANCEL")
    assert len(vm(hosts).history) == 2


WITH_DEVICE = template(PCI=[{"VENDOR": "10de"}])


async def give_devices(hosts):
    """Give both hosts a device, and the VM the one of its host."""
    device = template(PCI=[{"TYPE": "10de:1eb8:0302", "ADDRESS": "0000:3b:00.0"}])
    for host_id in (HOST_ID, OTHER_ID):
        await hosts.change("hosts", host_id, template=device)
    stay = replace(STAY, devices=("0000:3b:00.0",))
    await in_state(hosts, VmState.RUNNING, template=WITH_DEVICE, history=(stay,))


@pytest.mark.parametrize(("live", "how"), [(True, "live"), (False, "saved and restored")])
async def test_a_running_vm_with_devices_moves_neither_live_nor_saved(hosts, live, how):
    await give_devices(hosts)
    with pytest.raises(Refusal, match=f"is RUNNING and cannot move {how}: the state of its PCI devices"):
        await hosts.ask(ADMIN, "one.vm.migrate", VM_ID, OTHER_ID, live)
    await hosts.change("vms", VM_ID, resched=True)
    with pytest.raises(Refusal, match=r"move it switched off and on \(type 1\)"):
        await hosts.ask(ADMIN, "trifid.vm.place", VM_ID, OTHER_ID)
    assert vm(hosts).state is VmState.RUNNING


async def test_switched_off_and_on_it_gets_a_device_there(hosts):
    await give_devices(hosts)
    await hosts.ask(ADMIN, "one.vm.migrate", VM_ID, OTHER_ID, False, False, -1, 1)
    assert vm(hosts).current.devices == ("0000:3b:00.0",)
    await hosts.put(replace(vm(hosts), id=9, state=VmState.PENDING, history=()))
    for method in ("one.vm.deploy", "trifid.vm.place"):
        with pytest.raises(Refusal, match=rf"Unavailable PCI device. Host node2 .* VM {VM_ID} has 0000:3b:00.0"):
            await hosts.ask(ADMIN, method, 9, OTHER_ID)


async def test_a_vm_is_not_migrated_to_where_it_is(hosts):
    with pytest.raises(Refusal, match=r"already on host node1 \[3\]"):
        await hosts.ask(ADMIN, "one.vm.migrate", VM_ID, HOST_ID, False)


class TestLock:
    """Locks stop everybody, administrators too."""

    @pytest.mark.parametrize(
        ("level", "manage", "admin"), [(1, 0x0200, 0x0200), (2, 0x0200, 0x0200), (3, 0, 0x0200), (4, 0x0200, 0x0200)]
    )
    async def test_a_level_forbids_what_it_says(self, hosts, level, manage, admin):
        assert await hosts.ask(ALICE, "one.vm.lock", VM_ID, level, False) == VM_ID
        assert await hosts.code(ALICE, "one.vm.rename", VM_ID, "x") == manage
        assert await hosts.code(ADMIN, "one.vm.action", "resched", VM_ID) == admin
        assert await hosts.code(ALICE, "one.vm.info", VM_ID) == 0

    async def test_the_administrator_is_told_why_and_others_what_they_know(self, hosts):
        await hosts.ask(ALICE, "one.vm.lock", VM_ID, 4)
        with pytest.raises(Refusal) as refusal:
            await hosts.ask(ADMIN, "one.vm.action", "poweroff", VM_ID)
        assert refusal.value.text == f"[one.vm.action] User [0] : VM is locked. [{VM_ID}]."
        with pytest.raises(Refusal, match=r"User \[10\] : Not authorized to perform MANAGE VM \[5\]"):
            await hosts.ask(ALICE, "one.vm.action", "poweroff", VM_ID)

    async def test_it_is_shown_in_documents(self, hosts):
        await hosts.ask(ALICE, "one.vm.lock", VM_ID, 4)
        document = await hosts.ask(ALICE, "one.vm.info", VM_ID)
        assert "</DEPLOY_ID><LOCK><LOCKED>1</LOCKED><OWNER>10</OWNER><TIME>1000</TIME><REQ_ID>" in document
        pool = await hosts.ask(ALICE, "one.vmpool.info", -2, -1, -1, -1)
        assert "</DEPLOY_ID><LOCK><LOCKED>1</LOCKED></LOCK><TEMPLATE>" in pool
        await hosts.ask(ALICE, "one.vm.unlock", VM_ID)
        assert "<LOCK>" not in await hosts.ask(ALICE, "one.vm.info", VM_ID)

    async def test_it_is_taken_away_by_whoever_put_it_there_or_an_administrator(self, hosts):
        await hosts.change("vms", VM_ID, permissions=Permissions(0o606))
        await hosts.ask(ALICE, "one.vm.lock", VM_ID, 1)
        assert await hosts.code(BOB, "one.vm.unlock", VM_ID) == 0x0800
        assert await hosts.code(BOB, "one.vm.lock", VM_ID, 3) == 0x0800
        assert await hosts.code(ADMIN, "one.vm.unlock", VM_ID) == 0
        assert await hosts.code(ALICE, "one.vm.unlock", VM_ID) == 0

    async def test_testing_refuses_what_is_locked_already(self, hosts):
        await hosts.ask(ALICE, "one.vm.lock", VM_ID, 2, True)
        assert await hosts.code(ALICE, "one.vm.lock", VM_ID, 1, True) == 0x0800
        assert await hosts.code(ALICE, "one.vm.lock", VM_ID, 1, False) == 0
        with pytest.raises(Refusal, match="Wrong lock level specified"):
            await hosts.ask(ALICE, "one.vm.lock", VM_ID, 9)


@pytest.mark.parametrize(
    ("state", "disk", "is_refused"),
    [
        (VmState.EPILOG_FAILURE, {"SAVE": "YES"}, True),
        (VmState.EPILOG_FAILURE, {"SAVE": "NO"}, False),
        (VmState.EPILOG_FAILURE, {"SAVE": "YES", "PERSISTENT": "YES"}, False),
        (VmState.PROLOG_FAILURE, {"SAVE": "YES"}, False),
    ],
)
async def test_a_hard_end_does_not_delete_what_shall_be_kept(hosts, state, disk, is_refused):
    """A persistent image that is used in place is not lost with its link; what was copied may be the only copy."""
    one = {"DISK_ID": "0", "TYPE": "DISK", "SOURCE": "/srv/a", "CLONE": "YES", **disk}
    machine = hosts.memory.vms[VM_ID]
    await hosts.change("vms", VM_ID, state=state, template=machine.template.replacing("DISK", one))
    if is_refused:
        with pytest.raises(Refusal, match='DISK 0, which shall be kept: "recover --retry"'):
            await hosts.ask(ADMIN, "one.vm.action", "terminate-hard", VM_ID)
        assert hosts.memory.vms[VM_ID].state is state
    else:
        await hosts.ask(ADMIN, "one.vm.action", "terminate-hard", VM_ID)
        assert hosts.memory.vms[VM_ID].state is VmState.CLEANUP_DELETE_FILES
