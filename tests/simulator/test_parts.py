"""The simulated world keeps its own rules: time, files, hosts, chance."""

import asyncio

import pytest

from trifid.simulator.broken import Broken
from trifid.simulator.clock import Clock
from trifid.simulator.faults import Dice
from trifid.simulator.files import Files, Missing
from trifid.simulator.hosts import Domain, Hosts, SimulatedHost
from trifid.simulator.loop import VirtualLoop

VM, HERE = 7, "/datastores/0/7"


def loop_on(clock: Clock, delay_s: float = 0.0) -> VirtualLoop:
    return VirtualLoop(clock, lambda: delay_s, lambda context: pytest.fail(str(context)))


def test_a_task_sleeps_without_waiting() -> None:
    clock = Clock()
    loop = loop_on(clock)
    task = loop.create_task(asyncio.sleep(3600.0, "awake"))
    loop.settle()
    assert (task.done(), loop.next_s) == (False, 3600.0)
    clock.now_s = loop.next_s
    loop.settle()
    assert task.result() == "awake"


def test_an_executor_takes_virtual_time_and_other_things_happen_meanwhile() -> None:
    clock, happened = Clock(), []
    loop = loop_on(clock, 0.5)

    async def write() -> None:
        await asyncio.to_thread(happened.append, "written")
        happened.append("told")

    loop.create_task(write())
    loop.call_later(0.2, happened.append, "meanwhile")
    loop.settle()
    while loop.next_s < float("inf"):
        clock.now_s = loop.next_s
        loop.settle()
    assert happened == ["meanwhile", "written", "told"]


def test_nothing_of_a_buried_loop_runs_again() -> None:
    clock, happened = Clock(), []
    loop = loop_on(clock)
    loop.call_soon(happened.append, "never")
    loop.bury()
    loop.settle()
    loop.call_soon(happened.append, "nor this")
    assert (happened, loop.is_due) == ([], False)


def world(shared: str = "") -> tuple[Clock, Files, Hosts]:
    clock = Clock()
    files = Files(clock, shared)
    hosts = Hosts(clock, files)
    for name in ("a", "b"):
        hosts.by_name[name] = SimulatedHost(name, 800, 1 << 20)
    return clock, files, hosts


def running(files: Files, hosts: Hosts) -> Domain:
    files.make("a", f"{HERE}/disk.0", VM)
    domain = Domain(VM, HERE, {"0"}, set())
    hosts.start(hosts.by_name["a"], domain)
    return domain


def test_the_only_copy_of_a_disk_that_was_used_may_not_go() -> None:
    _, files, hosts = world()
    running(files, hosts)
    with pytest.raises(Broken, match="the only copy of a disk is gone"):
        files.remove("a", HERE)


def test_it_may_when_somebody_asked_for_its_end() -> None:
    clock, files, hosts = world()
    running(files, hosts)
    clock.now_s = 5.0
    files.asked_s[(VM, "disk.0")] = 5.0
    files.remove("a", HERE)
    assert files.directories == {}


def test_an_older_copy_does_not_stand_for_the_newest() -> None:
    _, files, hosts = world()
    running(files, hosts)
    hosts.end(hosts.by_name["a"], VM)
    files.copy(("a", HERE), ("b", HERE))
    files.remove("a", HERE)
    hosts.start(hosts.by_name["b"], Domain(VM, HERE, {"0"}, set()))
    files.copy(("b", HERE), ("a", HERE))
    hosts.end(hosts.by_name["b"], VM)
    with pytest.raises(Broken, match="the only copy of a disk is gone"):
        files.remove("b", HERE)


def test_what_is_shared_is_one_copy_under_many_names() -> None:
    _, files, hosts = world(shared="/datastores")
    running(files, hosts)
    files.move(("a", HERE), ("b", HERE))
    assert files.has("a", f"{HERE}/disk.0") and files.has("b", f"{HERE}/disk.0")
    with pytest.raises(Missing):
        files.move(("a", "/datastores/0/8"), ("a", "/elsewhere/8"))


def test_a_domain_may_not_run_twice() -> None:
    _, files, hosts = world(shared="/datastores")
    running(files, hosts)
    with pytest.raises(Broken, match="is started on b and is on a"):
        hosts.start(hosts.by_name["b"], Domain(VM, HERE, {"0"}, set()))


def test_memory_is_not_restored_over_disks_that_changed_since() -> None:
    _, files, hosts = world()
    running(files, hosts)
    host = hosts.by_name["a"]
    hosts.save(host, VM, f"{HERE}/checkpoint.0")
    memory = files.of("a", HERE)["checkpoint.0"]
    hosts.start(host, Domain(VM, HERE, {"0"}, set()), memory)
    hosts.end(host, VM)
    with pytest.raises(Broken, match="over disk 0, which changed after it was saved"):
        hosts.start(host, Domain(VM, HERE, {"0"}, set()), memory)


def test_disks_in_use_may_not_be_taken_away() -> None:
    _, files, hosts = world()
    running(files, hosts)
    for path in (HERE, f"{HERE}/disk.0"):
        with pytest.raises(Broken, match="is taken away while its domain"):
            hosts.refuse_in_use("a", path)
    hosts.refuse_in_use("b", HERE)
    hosts.refuse_in_use("a", f"{HERE}/disk.1")


def test_a_step_that_is_out_of_date_is_refused_and_the_same_one_is_not() -> None:
    _, _, hosts = world()
    assert hosts.check_fence("vmm", VM, 5) == hosts.check_fence("vmm", VM, 5) == ""
    assert "step 4 is out of date" in hosts.check_fence("vmm", VM, 4)


def test_only_chosen_faults_strike_and_each_is_counted() -> None:
    dice = Dice(1, {"late"})
    assert not any(dice.strikes("kill", 1.0) for _ in range(50))
    hits = sum(dice.strikes("late", 1.0) for _ in range(50))
    assert hits > 0 and dice.struck == {"late": hits}
    dice.stop()
    assert not dice.strikes("late", 1.0)
