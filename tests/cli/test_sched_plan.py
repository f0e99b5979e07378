"""`trifid sched plan` and `spare`: what is told, and what is done with --apply."""

import json

import pytest

from tests.cli.moving import BOOT, MIGRATE, POWEROFF, RUNNING, Vm, World
from trifid.cli.engine import main


@pytest.fixture
def world():
    """Four VMs on the first one of three hosts."""
    return World(*(Vm(0) for _ in range(4)))


def plan(world, *words):
    return world.run(main, "sched", "plan", *words)


def test_a_plan_is_a_table_in_order_with_cost_gain_and_a_picture_of_the_hosts(world):
    result = plan(world, "--goal", "balance")
    assert result.exit_code == 0
    assert result.stdout == (
        "Goal balance: 2 migrations, 1G to be copied, about 10 s\n"
        "Fullest host: 100% before, 50% after\n"
        "Hosts in use: 1 before, 3 after\n"
        "\n"
        "WAVE  VM  NAME  FROM   TO      MEM\n"
        "   1   0  vm0   host0  host1  512M\n"
        "   2   1  vm1   host0  host2  512M\n"
        "\n"
        "HOST   BEFORE                          AFTER\n"
        "host0  ########################  100%  ############............   50%\n"
        "host1  ........................    0%  ######..................   25%\n"
        "host2  ........................    0%  ######..................   25%\n"
    )
    assert world.calls == []


def test_the_same_as_json(world):
    answer = json.loads(plan(world, "--goal", "balance", "--json").stdout)
    assert answer["steps"][0] == {"wave": 1, "vm": 0, "from": 0, "to": 1, "stops_over": False}
    assert answer["cost"] == {"migrations": 2, "memory_gib": 1.0, "duration_s": 10.2}
    assert (answer["before"], answer["after"]) == (
        {"utilisation": 1.0, "hosts_used": 1},
        {"utilisation": 0.5, "hosts_used": 3},
    )
    assert answer["hosts"][1] == {"host": 1, "name": "host1", "before": 0.0, "after": 0.25}


def test_nothing_to_do_is_said(world):
    assert plan(world, "--goal", "consolidate").stdout == (
        "Goal consolidate: nothing to do that is worth a migration.\n"
    )


def test_the_goal_must_be_named(world):
    assert "Missing option '--goal'" in plan(world).stderr


def test_migrations_are_limited(world):
    answer = json.loads(plan(world, "--goal", "balance", "--max-migrations", "1", "--json").stdout)
    assert len(answer["steps"]) == 1


def test_hosts_of_another_cluster_are_left_alone(world):
    world.hosts[2]["cluster_id"] = 100
    answer = json.loads(plan(world, "--goal", "balance", "--cluster", "c0", "--json").stdout)
    assert [host["host"] for host in answer["hosts"]] == [0, 1]
    assert {step["to"] for step in answer["steps"]} == {1}


@pytest.mark.parametrize(
    "vm",
    [
        Vm(0, state=POWEROFF),
        Vm(0, state=BOOT),
        Vm(0, tm="ssh"),
        Vm(0, requirement="ID = 0"),
        Vm(0, requirement="RUNNING_VMS &lt; 9"),
        Vm(0, requirement="NAME ="),
    ],
)
def test_what_cannot_move_is_not_planned_to(vm):
    world = World(vm, *(Vm(0) for _ in range(3)))
    answer = json.loads(plan(world, "--goal", "balance", "--json").stdout)
    assert answer["steps"]
    assert 0 not in {step["vm"] for step in answer["steps"]}


def test_room_that_is_kept_for_a_vm_that_comes_or_goes_is_not_given_away(world):
    moving = Vm(2, cpu=3, state=MIGRATE)
    moving.source_id = 1
    world.vms[9] = moving
    answer = json.loads(plan(world, "--goal", "balance", "--json").stdout)
    assert [host["before"] for host in answer["hosts"]] == [1.0, 0.75, 0.75]
    assert answer["steps"] == []


def test_a_plan_is_carried_out_wave_by_wave_live_and_with_the_room_checked(world):
    result = plan(world, "--goal", "balance", "--apply")
    assert result.exit_code == 0, result.stderr
    assert world.calls == [("migrate", 0, 1, True, True), ("migrate", 1, 2, True, True)]
    assert [vm.host_id for vm in world.vms.values()] == [1, 2, 0, 0]
    assert result.stderr == (
        "wave 1, 1 of 2: VM 0 from host0 to host1\nwave 2, 2 of 2: VM 1 from host0 to host2\ndone: 2 of 2 migrations\n"
    )
    assert "nothing to do" in plan(world, "--goal", "balance").stdout


def stopped(world, why):
    result = plan(world, "--goal", "balance", "--apply", "--timeout", "60")
    assert result.exit_code == 1
    assert f"Error: stopped after {why}\n" in result.stderr
    assert '"trifid sched plan" makes a new plan' in result.stderr


def test_it_stops_when_a_migration_is_refused(world):
    world.refused.add(1)
    stopped(world, "1 of 2 migrations: [one.vm.migrate] host 2 has no room")


def test_it_stops_when_a_migration_fails(world):
    world.broken.add(0)
    stopped(world, "0 of 2 migrations: VM 0 is RUNNING on host 0 after its migration to host 1")
    assert len(world.calls) == 1


def test_it_stops_when_a_migration_does_not_end(world):
    world.stuck.add(0)
    stopped(world, "0 of 2 migrations: VM 0 is still moving after 60 s")


def test_it_stops_when_a_vm_is_not_any_more_what_it_was(world):
    world.later.append(lambda: setattr(world.vms[1], "state", POWEROFF))
    stopped(world, "1 of 2 migrations: VM 1 is POWEROFF on host 0, it should run on host 0 by now")


def test_it_stops_when_a_vm_is_gone(world):
    world.later.append(lambda: world.vms.pop(1))
    stopped(world, "1 of 2 migrations: VM 1 is gone, it should run on host 0 by now")


def test_any_host_can_be_lost():
    result = World(Vm(0), Vm(1)).run(main, "sched", "spare")
    assert result.exit_code == 0
    assert result.stdout == ("Any one of the 2 hosts in use can be lost: its VMs can be started on the others.\n")


def test_one_host_in_use_and_none_are_told_in_their_own_words():
    assert World(Vm(0)).run(main, "sched", "spare").stdout.startswith("The one host in use can be lost: ")
    assert World().run(main, "sched", "spare").stdout == "No host is in use: nothing can be lost.\n"


def test_a_host_that_cannot_be_lost_is_named_with_its_vms_and_what_is_missing():
    world = World(Vm(0, cpu=3), Vm(1, cpu=3, memory_mib=3584), Vm(2, cpu=3, state=RUNNING), Vm(0, requirement="ID = 0"))
    result = world.run(main, "sched", "spare")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[:3] == [
        "Host host0 cannot be lost: 2 of its 2 VMs could not be started again",
        "  VM 0 vm0: 2 cores missing on host1, the nearest",
        "  VM 3 vm3: it may be on no other host",
    ]
    answer = json.loads(world.run(main, "sched", "spare", "--json").stdout)
    assert answer[0]["stranded"][0] == {
        "vm": 0,
        "nearest_host": 1,
        "cpu_percent_missing": 200,
        "memory_mib_missing": 0,
    }


def test_a_vm_that_cannot_move_live_can_still_be_started_elsewhere():
    assert World(Vm(0, tm="ssh"), Vm(1, state=BOOT)).run(main, "sched", "spare").exit_code == 0
