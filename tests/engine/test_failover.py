"""Failover at work: when hosts are fenced, what their driver is asked, and what its answers prove."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.core.vm.builders import vm
from tests.engine.test_monitoring import Watching
from tests.engine.world import FakeDriver, World, answer, host
from trifid.core.cluster import Cluster
from trifid.core.host import HostState
from trifid.core.host_failure.judge import Judgement
from trifid.core.template.model import Template
from trifid.core.vm.states import VmState as S
from trifid.engine.config import FailoverSettings
from trifid.engine.drivers import DriverSet
from trifid.engine.failover.failover import AGAIN_S, RELEASE_EVERY_S, RENEWED_EVERY_S, Failover
from trifid.engine.failover.heartbeats import Heartbeats
from trifid.engine.queries import Queries
from trifid.errors import Refused
from trifid.wire.fence_action import parse
from trifid.wire.lines import parse_to_driver

FENCE = Template((("FENCE", {"METHOD": "ipmi", "ADDRESS": "10.0.0.3"}),))
AFTER_S = 60


class Site:
    """Hosts 3 to 6, each with a VM of ten times its number, and a fence driver."""

    def __init__(self, **settings: object) -> None:
        self.world = World()
        self.fence = FakeDriver("fence", "power")
        self.drivers = DriverSet({(d.family, d.name): d for d in (*self.world.drivers.each(), self.fence)})
        self.world.drivers = self.drivers
        self.watching = Watching(self.world)
        self.queries = Queries(self.drivers, call_later=self.world.clock.call_later)
        self.settings = FailoverSettings(**{"enabled": True, "after_s": AFTER_S, "hosts_max": 2, **settings})
        self.beats = Heartbeats(dict, lambda: self.watching.steady_s)
        self.failover = self._failover()

    def _failover(self) -> Failover:
        monotonic = lambda: self.watching.steady_s  # noqa: E731
        monitoring = self.watching.monitoring
        return Failover(self.world.turns, monitoring, self.queries, self.settings, self.beats, monotonic)

    def restart(self) -> None:
        """What is kept in memory only is gone."""
        self.failover.close()
        self.failover = self._failover()

    async def begin(self, hosts: tuple[int, ...] = (3, 4, 5, 6), template: Template = FENCE) -> "Site":
        for number in hosts:
            machine = vm(S.RUNNING, id=10 * number)
            history = tuple(replace(stay, host_id=number) for stay in machine.history)
            await self.world.put(host(number, template=template), replace(machine, history=history))
            await self.heard(number)
        return self

    async def heard(self, *numbers: int) -> None:
        for number in numbers:
            await self.watching.says("MONITOR_HOST", "FREECPU=1", number)

    async def pass_by(self, seconds: float, alive: tuple[int, ...] = ()) -> None:
        """Let time pass in small steps, with some hosts reporting."""
        while seconds > 0:
            step_s = min(seconds, 5.0)
            await self.watching.pass_by(step_s)
            await self.heard(*alive)
            await self.look()
            seconds -= step_s

    async def lease_runs_out(self) -> None:
        """Host 3, whose VM has a disk in datastore 0, renews its lease there for a while, then not any more."""
        disk = Template((("DISK", {"DISK_ID": "0", "TYPE": "SWAP"}),))
        await self.world.put(replace(self.world.memory.vms[30], template=disk))
        for beat in range(4):
            self.beats.saw({(n, "datastore 0"): f"7 {beat} lease=30" for n in (3, 4)})
            await self.pass_by(5, alive=(3, 4, 5, 6))
        for beat in range(4, 40):
            self.beats.saw({(3, "datastore 0"): "7 3 lease=30", (4, "datastore 0"): f"7 {beat} lease=30"})
            await self.pass_by(5, alive=(4, 5, 6))

    async def look_later(self, passed_s: float) -> None:
        """Look as the engine does after a while."""
        self.failover.look_after(passed_s)
        await self.settle()

    async def look(self) -> None:
        self.failover.look()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(3):
            await self.world.settle()
            await asyncio.sleep(0)

    def asked(self) -> list[str]:
        words = [parse_to_driver(line).type for line in self.fence.sent]
        return [word for word in words if word != "DRIVER_CANCEL"]

    async def says(self, payload: str, status: str = "SUCCESS") -> None:
        """The fence driver answers what it was asked last."""
        last = parse_to_driver(self.fence.sent[-1])
        self.queries.said(self.fence, answer(last.type, last.oid, status, payload))
        for _ in range(4):
            await self.world.settle()
            await asyncio.sleep(0)

    def state(self, number: int) -> S:
        return self.world.memory.vms[10 * number].state

    def fenced(self, number: int):
        return self.world.memory.hosts[number].fence


@pytest.fixture
async def site():
    made = await Site().begin()
    yield made
    made.failover.close()
    await made.world.turns.close()


async def test_a_silent_host_is_ordered_off_and_looked_at_and_then_its_vms_go_on(site: Site) -> None:
    await site.pass_by(AFTER_S + 15, alive=(4, 5, 6))
    assert site.asked() == ["FENCE"]
    await site.says("STATE=off METHOD=ipmi")
    assert site.asked() == ["FENCE", "STATUS"]
    assert site.state(3) is S.UNKNOWN
    await site.says("STATE=off METHOD=ipmi")
    assert site.state(3) is S.PENDING_UNDEPLOYED
    assert site.fenced(3).proof == "its power was seen off by ipmi"
    assert site.state(4) is S.RUNNING


async def test_an_order_that_was_carried_out_is_no_proof_while_the_power_is_seen_on(site: Site) -> None:
    await site.pass_by(AFTER_S + 15, alive=(4, 5, 6))
    await site.says("STATE=off METHOD=ipmi")
    await site.says("STATE=on METHOD=ipmi")
    assert site.state(3) is S.UNKNOWN
    assert "its power is not seen off" in site.fenced(3).trouble


async def test_a_driver_that_fails_is_asked_again_later_and_nothing_moves(site: Site) -> None:
    await site.pass_by(AFTER_S + 15, alive=(4, 5, 6))
    await site.says("ipmi: no answer", "FAILURE")
    assert site.fenced(3).trouble == "ipmi: no answer"
    assert site.state(3) is S.UNKNOWN
    await site.pass_by(AGAIN_S - 10, alive=(4, 5, 6))
    assert site.asked() == ["FENCE"]
    await site.pass_by(20, alive=(4, 5, 6))
    assert site.asked() == ["FENCE", "FENCE"]


async def test_hosts_that_report_are_left_alone(site: Site) -> None:
    await site.pass_by(5 * AFTER_S, alive=(3, 4, 5, 6))
    assert site.asked() == []
    assert all(site.fenced(number) is None for number in (3, 4, 5, 6))


async def test_a_cut_off_host_whose_heartbeat_goes_on_is_not_fenced(site: Site) -> None:
    for beat in range(30):
        site.beats.saw({(3, "datastore 0"): f"1 {beat}"})
        await site.pass_by(5, alive=(4, 5, 6))
    assert site.failover.judgement(site.world.memory.hosts[3]) is Judgement.CUT_OFF
    assert site.asked() == []
    assert site.state(3) is S.UNKNOWN
    for _ in range((AFTER_S + 15) // 5):
        site.beats.saw({(3, "datastore 0"): "1 29"})
        await site.pass_by(5, alive=(4, 5, 6))
    assert site.asked() == ["FENCE"]


async def test_when_all_fall_silent_nobody_is_fenced_though_one_falls_silent_first(site: Site) -> None:
    await site.pass_by(25, alive=(4, 5, 6))
    await site.pass_by(AFTER_S * 3)
    assert site.asked() == []
    assert "front-end" in site.failover.why_not[3]


async def test_what_was_asked_is_not_ordered_when_others_fall_silent_too(site: Site) -> None:
    await site.pass_by(AFTER_S + 15, alive=(4, 5, 6))
    await site.says("ipmi: no answer", "FAILURE")
    await site.pass_by(3 * AGAIN_S)
    assert site.asked() == ["FENCE"]


async def test_a_host_that_is_heard_of_before_it_was_seen_off_is_used_again(site: Site) -> None:
    await site.pass_by(AFTER_S + 15, alive=(4, 5, 6))
    await site.says("STATE=off")
    await site.heard(3)
    assert site.fenced(3) is None
    assert site.world.memory.hosts[3].state is HostState.MONITORED
    await site.says("STATE=off")
    assert site.fenced(3) is None
    assert site.state(3) is S.UNKNOWN


async def test_a_host_that_was_seen_off_stays_fenced_though_it_is_heard_of_again(site: Site) -> None:
    await site.pass_by(AFTER_S + 15, alive=(4, 5, 6))
    await site.says("STATE=off")
    await site.says("STATE=off")
    await site.heard(3)
    assert site.fenced(3).is_confirmed
    assert not site.world.memory.hosts[3].takes_vms


async def test_after_a_restart_a_host_is_fenced_only_once_it_is_silent_again(site: Site) -> None:
    await site.pass_by(AFTER_S + 15, alive=(4, 5, 6))
    site.restart()
    site.watching.monitoring.start(site.world.memory.hosts[3])
    await site.pass_by(AFTER_S / 2, alive=(4, 5, 6))
    assert site.asked() == ["FENCE"]
    await site.pass_by(AFTER_S, alive=(4, 5, 6))
    assert site.asked() == ["FENCE", "FENCE"]


async def test_a_vm_that_came_to_rest_after_the_proof_needs_another_one(site: Site) -> None:
    machine = site.world.memory.vms[30]
    await site.world.put(replace(machine, state=S.BOOT))
    await site.pass_by(AFTER_S + 15, alive=(4, 5, 6))
    await site.says("STATE=off")
    await site.says("STATE=off")
    assert site.state(3) is S.BOOT
    await site.world.put(replace(machine, state=S.BOOT_FAILURE))
    await site.pass_by(RENEWED_EVERY_S + 5, alive=(4, 5, 6))
    assert site.asked() == ["FENCE", "STATUS", "STATUS"]
    assert site.state(3) is S.BOOT_FAILURE
    await site.says("STATE=off")
    assert site.state(3) is S.PENDING_UNDEPLOYED


async def test_the_rest_of_many_vms_follows_by_and_by_and_survives_a_restart() -> None:
    site = await Site(restarts_at_once=1).begin()
    for number in (31, 32):
        await site.world.put(replace(site.world.memory.vms[30], id=number))
    await site.pass_by(AFTER_S + 15, alive=(4, 5, 6))
    await site.says("STATE=off")
    await site.says("STATE=off")
    assert len(site.fenced(3).released) == 1
    site.restart()
    await site.pass_by(RELEASE_EVERY_S + 5, alive=(4, 5, 6))
    assert len(site.fenced(3).released) >= 2
    await site.pass_by(RELEASE_EVERY_S * 3, alive=(4, 5, 6))
    assert sorted(site.fenced(3).released) == [30, 31, 32]


async def test_a_host_that_shows_life_after_its_proof_has_no_more_vms_taken() -> None:
    site = await Site(restarts_at_once=1).begin()
    await site.world.put(replace(site.world.memory.vms[30], id=31))
    await site.pass_by(AFTER_S + 15, alive=(4, 5, 6))
    await site.says("STATE=off")
    await site.says("STATE=off")
    await site.pass_by(RELEASE_EVERY_S * 4, alive=(3, 4, 5, 6))
    assert len(site.fenced(3).released) == 1


async def test_a_proof_that_signs_of_life_contradict_is_none_though_they_cease_again() -> None:
    site = await Site(restarts_at_once=1).begin()
    await site.world.put(replace(site.world.memory.vms[30], id=31))
    await site.pass_by(AFTER_S + 15, alive=(4, 5, 6))
    await site.says("STATE=off")
    await site.says("STATE=off")
    await site.pass_by(5, alive=(3, 4, 5, 6))
    await site.pass_by(AFTER_S + 15, alive=(4, 5, 6))
    assert len(site.fenced(3).released) == 1
    assert "it shows signs of life" in site.fenced(3).trouble
    assert site.asked() == ["FENCE", "STATUS", "STATUS"]
    await site.says("STATE=off")
    await site.pass_by(RELEASE_EVERY_S * 2, alive=(4, 5, 6))
    assert sorted(site.fenced(3).released) == [30, 31]


async def test_a_host_that_is_heard_of_when_its_controller_says_off_is_not_off(site: Site) -> None:
    await site.pass_by(AFTER_S + 15, alive=(4, 5, 6))
    await site.says("STATE=off")
    await site.watching.says("MONITOR_VM", "", 3)
    await site.says("STATE=off")
    assert site.state(3) is S.UNKNOWN
    assert "it shows signs of life" in site.fenced(3).trouble


async def test_a_proof_that_was_sought_by_a_way_that_is_another_one_now_is_none(site: Site) -> None:
    await site.pass_by(AFTER_S + 15, alive=(4, 5, 6))
    await site.says("STATE=off")
    now = site.world.memory.hosts[3]
    other = now.template.replacing("FENCE", {"METHOD": "ipmi", "ADDRESS": "10.0.0.33"})
    await site.world.put(replace(now, template=other))
    await site.says("STATE=off")
    assert site.state(3) is S.UNKNOWN
    assert "another machine" in site.fenced(3).trouble


async def test_a_heartbeat_that_nobody_can_read_is_not_taken_for_silence(site: Site) -> None:
    for beat in range(4):
        site.beats.saw({(n, "datastore 0"): f"7 {beat}" for n in (3, 4)})
        await site.pass_by(5, alive=(3, 4, 5, 6))
    await site.pass_by(5 * AFTER_S, alive=(4, 5, 6))
    assert site.failover.judgement(site.world.memory.hosts[3]) is Judgement.UNSURE
    for beat in range(4, 30):
        site.beats.saw({(3, "datastore 0"): "7 3", (4, "datastore 0"): f"7 {beat}"})
        await site.pass_by(5, alive=(4, 5, 6))
    assert site.failover.judgement(site.world.memory.hosts[3]) is Judgement.SILENT


async def test_a_host_that_is_not_fenced_by_itself_any_more_keeps_no_lease() -> None:
    site = await Site(heartbeat_s=5, lease_s=30).begin()
    site.beats.places = lambda: {"datastore 0": Path("/ds/0")}
    for number in (3, 5):
        machine = site.world.memory.hosts[number]
        await site.world.put(replace(machine, template=machine.template.having(("FAILOVER", "NO"))))
    site.beats.saw({(3, "datastore 0"): "7 1 lease=30"})
    await site.pass_by(5, alive=(3, 4, 5, 6))
    kept = [parse(parse_to_driver(line).payload) for line in site.fence.sent]
    assert {one.host_id: one.lease_s for one in kept} == {3: 0, 4: 30, 6: 30}


@pytest.mark.parametrize("hypervisor", ["xen", "lxc"])
async def test_a_lease_proves_nothing_where_the_keeper_does_not_know_the_guests(hypervisor: str) -> None:
    site = await Site(heartbeat_s=5, lease_s=30).begin(template=Template((("HYPERVISOR", hypervisor),)))
    await site.lease_runs_out()
    assert site.state(3) is S.UNKNOWN


@pytest.mark.parametrize(
    ("engine", "cluster", "own", "is_wanted"),
    [
        (False, "", "", False),
        (True, "", "", True),
        (True, "NO", "", False),
        (False, "YES", "", True),
        (True, "YES", "NO", False),
        (False, "NO", "yes", True),
    ],
)
async def test_who_is_fenced_by_itself_is_said_by_the_host_the_cluster_or_the_settings(
    engine: bool, cluster: str, own: str, is_wanted: bool
) -> None:
    site = Site(enabled=engine)
    of_host = FENCE.having(("FAILOVER", own)) if own else FENCE
    await site.world.put(Cluster(0, "default", Template((("FAILOVER", cluster),)) if cluster else Template()))
    await site.begin(template=of_host)
    await site.pass_by(AFTER_S + 15, alive=(4, 5, 6))
    assert site.asked() == (["FENCE"] if is_wanted else [])


async def test_a_host_that_nothing_can_switch_off_waits_for_somebodys_word() -> None:
    site = await Site().begin(template=Template())
    await site.pass_by(AFTER_S + 15, alive=(4, 5, 6))
    assert site.asked() == []
    assert 'say "onehost fenced 3"' in site.fenced(3).trouble
    site.failover.refuse_word(site.world.memory.hosts[3])
    with pytest.raises(Refused, match="shows signs of life"):
        site.failover.refuse_word(site.world.memory.hosts[4])


async def test_a_vm_that_its_fenced_host_is_seen_to_have_is_not_started_elsewhere(site: Site) -> None:
    await site.pass_by(AFTER_S + 15, alive=(4, 5, 6))
    await site.says("STATE=off")
    await site.says("STATE=off")
    assert site.state(3) is S.PENDING_UNDEPLOYED
    await site.pass_by(5, alive=(4, 5, 6))
    await site.watching.sees("30 RUNNING", sync=True, host_id=3)
    await site.look()
    assert site.state(3) is S.HOLD_UNDEPLOYED
    assert "it would run twice" in site.world.memory.vms[30].user_template.single("ERROR")


async def test_a_lease_that_is_over_proves_it_where_no_power_can_be_seen() -> None:
    site = await Site(heartbeat_s=5, lease_s=30).begin(template=Template())
    await site.lease_runs_out()
    assert site.state(3) is S.PENDING_UNDEPLOYED
    assert "lease on datastore 0" in site.fenced(3).proof


async def test_an_engine_that_stood_still_fences_nobody_whom_it_could_not_hear(site: Site) -> None:
    await site.watching.pass_by(AFTER_S + 15)
    await site.heard(4, 5, 6)
    await site.look_later(AFTER_S + 15)
    await site.look_later(5.0)
    assert site.asked() == []
    await site.watching.pass_by(AFTER_S)
    await site.heard(4, 5, 6)
    await site.look_later(5.0)
    await site.look_later(5.0)
    assert site.asked() == ["FENCE"]


async def test_a_host_that_was_deleted_is_told_to_keep_no_lease_any_more() -> None:
    site = await Site(heartbeat_s=5, lease_s=30).begin()
    site.failover.leave(site.world.memory.hosts[3])
    await site.look()
    assert site.asked()[:1] == ["LEAVE"]
    assert parse(parse_to_driver(site.fence.sent[0]).payload).host == site.world.memory.hosts[3].name


async def test_where_no_host_keeps_a_heartbeat_none_is_told_to_cease(site: Site) -> None:
    site.failover.leave(site.world.memory.hosts[3])
    await site.look()
    assert site.asked() == []
