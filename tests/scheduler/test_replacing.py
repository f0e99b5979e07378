"""Re-placement by the scheduler: what is asked of the engine, and when."""

import math

import pytest

from tests.scheduler.builders import Engine, history_xml, vm_xml
from trifid.client.errors import ApiError
from trifid.placement.settings import Replacement as Settings
from trifid.scheduler.look import Looks
from trifid.scheduler.replacement import Replacement
from trifid.scheduler.replacing import Replacing


class Moving(Engine):
    """Moves VMs at once, except those that `stay`."""

    def __init__(self) -> None:
        super().__init__()
        self.at: dict[int, int] = {}
        self.stay: set[int] = set()

    def carry(self, at: dict[int, int]) -> None:
        self.at = dict(at)
        for host_id in (0, 1):
            vms = tuple(vm_id for vm_id, on in self.at.items() if on == host_id)
            self.hosts[host_id] = {"vms": vms, "cpu_used": 100 * len(vms), "memory_used_mib": 512 * len(vms)}
        self.running = {
            vm_id: vm_xml(vm_id, state=3, lcm_state=3, history=history_xml(on)) for vm_id, on in self.at.items()
        }

    def one_vm_migrate(self, vm_id, host_id, live, enforce):
        if vm_id in self.stay:
            raise ApiError("[one.vm.migrate] VM is busy", 0x800, vm_id)
        self.carry(self.at | {vm_id: host_id})
        return vm_id

    def one_vmgrouppool_info(self, *_):
        return "<VM_GROUP_POOL></VM_GROUP_POOL>"


@pytest.fixture
def engine():
    engine = Moving()
    engine.carry({1: 0, 2: 0, 3: 0, 4: 0})
    return engine


def replacing(engine, mode="apply", quiet_s=0.0):
    policy = Replacement(Settings(mode=mode, hold_s=0))
    clock = engine.clock
    return Replacing(engine, Looks(engine), policy, quiet_s=quiet_s, clock=clock, now=clock)


def test_vms_are_moved_live_and_with_their_room_checked_until_the_plan_is_done(engine):
    it = replacing(engine)
    for _ in range(5):
        it.round()
    assert engine.called("one.vm.migrate") == [[1, 1, True, True], [2, 1, True, True]]
    assert sorted(engine.at.values()) == [0, 0, 1, 1]


def test_a_refused_migration_ends_the_plan_and_the_next_one_is_made_an_interval_later(engine):
    engine.stay = {1}
    it = replacing(engine)
    it.round()
    it.round()
    assert len(engine.called("one.vm.migrate")) == 1
    assert it.next_at() == 600
    engine.now, engine.stay = 600, set()
    it.round()
    assert len(engine.called("one.vm.migrate")) == 2


def test_nothing_is_moved_while_it_is_off_or_only_shown(engine):
    for mode in ("off", "show"):
        replacing(engine, mode).round()
    assert engine.called("one.vm.migrate") == []


def test_nothing_is_planned_before_the_hosts_were_seen_for_a_while(engine):
    it = replacing(engine, quiet_s=30)
    it.round()
    assert (engine.calls, it.next_at()) == ([], 30)
    engine.now = 30
    it.round()
    assert len(engine.called("one.vm.migrate")) == 1


def test_when_it_is_late_nobody_is_woken_again_and_again(engine):
    it = replacing(engine)
    engine.now = 700
    assert it.next_at() == math.inf
