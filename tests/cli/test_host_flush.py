"""`onehost flush` and `maintenance`."""

import json

import pytest

from tests.cli.moving import BOOT, MIGRATE, POWEROFF, RUNNING, SUSPENDED, UNKNOWN, Vm, World
from trifid.cli.host import main
from trifid.client import ApiError, EngineUnreachable


def test_a_flush_disables_the_host_and_marks_what_runs_there():
    world = World(Vm(0), Vm(1), Vm(0))
    result = world.run(main, "flush", "0")
    assert result.exit_code == 0
    assert world.calls == [("status", 0, 1), ("resched", 0), ("resched", 2)]
    assert result.stdout == "Host host0 is disabled, 2 VMs to be moved\n"


def test_a_vm_that_is_marked_already_is_not_marked_again():
    world = World(Vm(0))
    world.vms[0].is_marked = True
    assert world.run(main, "flush", "host0").stdout == "Host host0 is disabled, 1 VM to be moved\n"
    assert world.calls == [("status", 0, 1)]


def test_what_is_off_stays_and_is_told():
    world = World(Vm(0, state=POWEROFF), Vm(0, state=SUSPENDED))
    result = world.run(main, "maintenance", "0")
    assert result.exit_code == 0
    assert "VM 0 stays: it is POWEROFF\nVM 1 stays: it is SUSPENDED\n" in result.stdout
    assert result.stdout.endswith("Host host0 is empty: nothing runs there\n")


@pytest.mark.parametrize("words", [("maintenance", "0"), ("flush", "0", "--wait")])
def test_maintenance_returns_when_nothing_runs_there_any_more(words):
    world = World(Vm(0), Vm(0))
    world.chosen = {0: 1, 1: 2}
    result = world.run(main, *words)
    assert result.exit_code == 0, result.stderr
    assert "VM 0 is MIGRATE, to host host1\n" in result.stderr
    assert "VM 1 runs on host host2\n" in result.stderr
    assert result.stdout.endswith("Host host0 is empty: nothing runs there\n")
    assert {vm.host_id for vm in world.vms.values()} == {1, 2}


def test_why_a_vm_cannot_leave_is_told_and_at_the_end_it_is_an_error():
    world = World(Vm(0), Vm(0))
    world.chosen = {0: 1}
    result = world.run(main, "maintenance", "0", "--timeout", "60")
    assert result.exit_code == 255
    assert "VM 1 waits: No host has room\n" in result.stderr
    assert "Error: VM 1 is still RUNNING on host host0 after 60 s: No host has room\n" in result.stderr
    assert '"onevm unresched 1"' in result.stderr
    assert "is empty" not in result.stdout


def test_a_vm_that_comes_to_run_meanwhile_is_moved_too():
    world = World(Vm(0, state=BOOT))
    world.chosen = {0: 1}
    world.later.append(lambda: setattr(world.vms[0], "state", RUNNING))
    result = world.run(main, "maintenance", "0")
    assert result.exit_code == 0, result.stderr
    assert "VM 0 is BOOT: it can be moved once it is RUNNING\n" in result.stdout
    assert ("resched", 0) in world.calls
    assert world.vms[0].host_id == 1


def test_a_migration_that_fails_is_told_with_its_error_and_does_not_keep_it_waiting():
    world = World(Vm(0))
    world.chosen, world.broken = {0: 1}, {0}
    result = world.run(main, "maintenance", "0")
    assert result.exit_code == 255
    assert "Error: VM 0 runs on host host0, not marked any more: no route to host\n" in result.stderr
    assert world.now < 60


def test_a_vm_that_needs_help_is_told_and_not_waited_for():
    world = World(Vm(0, state=UNKNOWN), Vm(0))
    world.chosen = {1: 1}
    result = world.run(main, "maintenance", "0")
    assert result.exit_code == 255
    assert result.stderr.count("VM 0 is UNKNOWN and cannot be moved") == 1
    assert "VM 1 runs on host host1\n" in result.stderr


def test_a_vm_that_the_engine_does_not_let_be_marked_is_told_and_not_waited_for():
    world = World(Vm(0))
    world.refused.add(0)
    result = world.run(main, "maintenance", "0")
    assert result.exit_code == 255
    assert "VM 0 is locked" in result.stderr


def test_a_vm_that_is_deleted_meanwhile_is_not_waited_for():
    world = World(Vm(0))
    world.later.append(lambda: world.vms.pop(0))
    assert world.run(main, "maintenance", "0").exit_code == 0


def test_a_vm_that_is_on_its_way_to_the_host_is_waited_for_and_moved():
    coming = Vm(0, state=MIGRATE)
    coming.source_id = 2
    world = World(coming)
    world.chosen = {0: 1}
    assert world.run(main, "maintenance", "0").exit_code == 0
    assert world.vms[0].host_id == 1


def test_without_a_journal_it_looks_again_and_again():
    world = World(Vm(0))

    def no_journal(after, wait_s, limit):
        raise ApiError("not for you", 0x0200)

    world.trifid_event_list = no_journal
    result = world.run(main, "maintenance", "0", "--timeout", "5")
    assert result.exit_code == 255
    assert "VM 0 is still RUNNING on host host0 after 5 s" in result.stderr


@pytest.mark.parametrize("method", ["trifid_event_list", "one_vmpool_info"])
def test_an_engine_that_is_restarted_meanwhile_is_waited_for(method):
    world = World(Vm(0))
    world.chosen = {0: 1}
    working = getattr(world, method)
    calls = []

    def away(*args):
        calls.append(world.now)
        if 1 < len(calls) < 4:
            raise EngineUnreachable("no engine answers")
        return working(*args)

    setattr(world, method, away)
    result = world.run(main, "maintenance", "0", "--timeout", "60")
    assert result.exit_code == 0, result.stderr
    assert world.vms[0].host_id == 1


def test_an_engine_that_does_not_come_back_is_not_waited_for_longer_than_was_asked():
    world = World(Vm(0))
    working = world.trifid_event_list

    def gone(*_):
        raise EngineUnreachable("no engine answers")

    def away(after, wait_s, limit):
        if after >= 0:
            world.one_vmpool_info = world.trifid_event_list = gone
            gone()
        return working(after, wait_s, limit)

    world.trifid_event_list = away
    result = world.run(main, "maintenance", "0", "--timeout", "60")
    assert result.exit_code == 255
    assert "no engine answers" in result.stderr
    assert 60 <= world.now < 70


@pytest.mark.parametrize("word", ["flush", "maintenance"])
def test_where_vms_would_go_is_told_without_moving_any(word):
    world = World(Vm(0), Vm(0))
    asked = []

    def tried(batch):
        asked.append(json.loads(batch))
        fits = {"what": "VM 0", "fits": True, "host": "host1", "change": "", "why": "", "notes": []}
        return json.dumps({"results": [fits], "fitting": 1, "asked": 1, "not_asked": ["a program"]})

    world.trifid_placement_dry_run = tried
    result = world.run(main, word, "0", "--dry-run")
    assert result.exit_code == 0
    assert asked == [{"vms": [{"action": "flush", "host": 0}]}]
    assert "1 of 1 would fit; nothing was changed" in result.stdout
    assert "Not asked: a program of your own" in result.stdout
    assert world.calls == []
