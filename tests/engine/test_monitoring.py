"""Monitoring: what information drivers say, what their silence says, and what is not believed."""

import asyncio
import base64

import pytest
from msgspec.structs import replace

from tests.core.vm.builders import stay, vm
from tests.engine.world import World, host
from trifid.core.host import HostState
from trifid.core.image.datastore import Space
from trifid.core.template.model import Template
from trifid.core.template.scanner import parse
from trifid.core.vm.states import VmState as S
from trifid.engine.monitoring import AHEAD_MAX_S, Monitoring
from trifid.wire.lines import Message, pack, parse_to_driver, unpack

INTERVAL_S, LOST_AFTER_S = 30, 90


class Watching:
    """A world with monitoring."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.clock, self.im = world.clock, world.im
        self.steady_s = 0.0
        self.monitoring = Monitoring(
            world.turns, world.drivers, world.clock, INTERVAL_S, LOST_AFTER_S, lambda: self.steady_s, "/ds"
        )

    async def says(self, word: str, text: str = "", host_id: int = 3, status: str = "SUCCESS", at: int | None = None):
        """The driver says something of a host, now unless `at` tells otherwise."""
        payload = pack(text) if text else "-"
        self.monitoring.said(
            self.im, Message(word, status, host_id, payload, int(self.clock.now if at is None else at))
        )
        await self.world.settle()

    async def sees(self, *vms: str, sync: bool = False, at: int | None = None, host_id: int = 3):
        """A state report of VMs, each as `ID STATE`."""
        lines = [f'VM = [ ID="{line.split()[0]}", STATE="{line.split()[1]}", DEPLOY_ID="one-x" ]' for line in vms]
        if sync:
            lines = ["SYNC_STATE=yes", *lines]
        await self.says("STATE_VM", "\n".join(lines), at=at, host_id=host_id)

    async def pass_by(self, seconds: float) -> None:
        self.clock.pass_by(seconds)
        self.steady_s += seconds
        self.monitoring.check_silence()
        await self.world.settle()

    def host(self, host_id: int = 3):
        return self.world.memory.hosts[host_id]

    def vm(self):
        return self.world.memory.vms[42]


@pytest.fixture
async def watching():
    world = World()
    yield Watching(world)
    await world.turns.close()


async def running(watching, state: S = S.RUNNING, **more) -> None:
    """A host and a VM on it, ten seconds ago."""
    await watching.world.put(host(), vm(state, **more))
    watching.im.take()
    watching.clock.now += 10


# -- hosts ---------------------------------------------------------------------------------------------


async def test_a_new_host_is_monitored_with_its_name_and_the_period(watching):
    await watching.world.put(host(state=HostState.INIT, template=Template((("RACK", "r1"), ("ERROR", "old")))))
    (line,) = watching.im.sent
    message = parse_to_driver(line)
    assert (message.type, message.oid) == ("START_MONITOR", 3)
    text = unpack(message.payload)
    for part in ('NAME="host3"', 'PERIOD_S="30"', 'DATASTORE_LOCATION="/ds"', 'RACK="r1"'):
        assert part in text
    assert "ERROR" not in text


async def test_a_host_is_in_use_when_its_capacity_was_told(watching):
    await watching.world.put(host(state=HostState.INIT))
    await watching.says("SYSTEM_HOST", 'TOTALCPU=800\nTOTALMEMORY=16000000\nHYPERVISOR="kvm"')
    await watching.says("MONITOR_HOST", "FREECPU=700\nUSEDCPU=100\nFREEMEMORY=15000000\nUSEDMEMORY=1000000\nNETRX=5")
    seen = watching.host()
    assert (seen.state, seen.total_cpu_percent, seen.total_memory_kib) == (HostState.MONITORED, 800, 16000000)
    assert seen.template.single("HYPERVISOR") == "kvm"
    observed = watching.monitoring.hosts[3]
    assert (observed.free_cpu_percent, observed.used_memory_kib, observed.more) == (700, 1000000, {"NETRX": "5"})


async def test_the_room_for_datastores_is_known_as_long_as_the_host_tells_it(watching):
    await watching.world.put(host())
    await watching.says("MONITOR_HOST", "DS_LOCATION_TOTAL_MB=900\nDS_LOCATION_USED_MB=300\nDS_LOCATION_FREE_MB=500")
    observed = watching.monitoring.hosts[3]
    assert observed.disk == Space(900, 300, 500, watching.clock.now)
    assert observed.more == {}
    await watching.says("MONITOR_HOST", "DS_LOCATION_TOTAL_MB=900\nDS_LOCATION_FREE_MB=lots")
    assert watching.monitoring.hosts[3].disk == Space()


async def test_figures_that_stay_the_same_are_not_written_again(watching):
    await watching.world.put(host())
    await watching.says("SYSTEM_HOST", "TOTALCPU=800")
    writes = len(watching.world.store.commits)
    await watching.says("SYSTEM_HOST", "TOTALCPU=800")
    await watching.says("MONITOR_HOST", "FREECPU=1")
    assert len(watching.world.store.commits) == writes


async def test_capacity_that_changes_is_told_to_those_who_watch(watching):
    await watching.world.put(host())
    await watching.says("SYSTEM_HOST", "TOTALCPU=800")
    assert [e.what for e in watching.world.store.journal_of("HOST", 3, 9)] == ["capacity"]


async def test_a_host_whose_monitoring_fails_is_in_error_with_the_reason_and_its_vms_unknown(watching):
    await running(watching)
    await watching.says("MONITOR_HOST", "ssh: no route to host", status="FAILURE")
    assert watching.host().state is HostState.ERROR
    assert watching.host().template.single("ERROR") == "ssh: no route to host"
    assert watching.vm().state is S.UNKNOWN
    await watching.says("MONITOR_HOST", "FREECPU=1")
    assert (watching.host().state, watching.host().template.single("ERROR")) == (HostState.MONITORED, "")
    watching.clock.now += 10
    await watching.sees("42 RUNNING")
    assert watching.vm().state is S.RUNNING


async def test_a_silent_host_is_in_error_after_the_limit_and_once(watching):
    await running(watching)
    await watching.says("BEACON_HOST")
    await watching.pass_by(LOST_AFTER_S)
    assert watching.host().state is HostState.MONITORED
    await watching.pass_by(1)
    assert watching.host().state is HostState.ERROR
    assert watching.host().template.single("ERROR") == "no monitoring for more than 90 s"
    assert watching.vm().state is S.UNKNOWN
    writes = len(watching.world.store.commits)
    for _ in range(5):
        await watching.pass_by(20)
    assert len(watching.world.store.commits) == writes


async def test_a_host_that_was_never_heard_of_since_the_start_is_lost_too(watching):
    await watching.world.put(host())
    again = Watching(World(store=watching.world.store))

    async def no_more(_seconds):
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await again.monitoring.watch_for_silence(no_more)
    again.im.take()
    await again.pass_by(LOST_AFTER_S + 1)
    assert again.host().state is HostState.ERROR
    await again.world.turns.close()


async def test_a_disabled_host_stays_disabled_whatever_is_seen(watching):
    await watching.world.put(host(state=HostState.DISABLED))
    await watching.says("MONITOR_HOST", "gone", status="FAILURE")
    assert (watching.host().state, watching.host().template.single("ERROR")) == (HostState.DISABLED, "gone")
    await watching.says("MONITOR_HOST", "FREECPU=1")
    assert (watching.host().state, watching.host().template.single("ERROR")) == (HostState.DISABLED, "")


async def test_an_offline_host_is_not_listened_to_and_its_driver_is_told(watching):
    await watching.world.put(host())
    watching.im.take()
    await watching.world.put(host(state=HostState.OFFLINE))
    assert [parse_to_driver(line).type for line in watching.im.sent] == ["STOP_MONITOR"]
    await watching.says("MONITOR_HOST", "late", status="FAILURE")
    await watching.says("MONITOR_HOST", "FREECPU=1")
    await watching.pass_by(1000)
    assert watching.host().state is HostState.OFFLINE
    assert watching.monitoring.hosts == {}


async def test_nothing_is_kept_of_hosts_and_vms_that_are_gone(watching):
    await running(watching)
    await watching.says("MONITOR_HOST", "FREECPU=1")
    await watching.sees("42 RUNNING")
    await watching.world.turns.ask(lambda draft: [draft.delete("hosts", 3), draft.delete("vms", 42)])
    assert watching.monitoring.is_empty


async def test_a_driver_that_comes_up_is_asked_for_all_its_hosts(watching):
    watching.im.is_ready = False
    await watching.world.put(host(3), host(4), host(5, state=HostState.OFFLINE))
    assert watching.im.sent == []
    watching.im.is_ready = True
    watching.monitoring.ready(watching.im)
    assert [parse_to_driver(line).oid for line in watching.im.sent] == [3, 4]


async def test_a_driver_that_does_not_start_puts_its_hosts_in_error_one_that_died_does_not(watching):
    await watching.world.put(host())
    watching.im.is_ready = False
    watching.monitoring.down(watching.im, "it ended")
    await watching.world.settle()
    assert watching.host().state is HostState.MONITORED
    watching.im.starts_failed = 2
    watching.monitoring.down(watching.im, "it ended")
    await watching.world.settle()
    assert watching.host().state is HostState.ERROR
    assert watching.host().template.single("ERROR") == "im driver dummy is down: it ended"


async def test_a_host_of_a_driver_that_is_not_configured_is_in_error(watching):
    other = host()
    await watching.world.put(type(other)(3, "host3", HostState.INIT, "xen", "xen"))
    await watching.world.settle()
    assert watching.host().state is HostState.ERROR
    assert "im driver xen is not configured" in watching.host().template.single("ERROR")


@pytest.mark.parametrize("payload", ["!!!", "eJw=", pack("A = [")])
async def test_garbage_is_ignored(watching, payload, caplog):
    await watching.world.put(host())
    watching.monitoring.said(watching.im, Message("MONITOR_HOST", "SUCCESS", 3, payload, 1000))
    await watching.world.settle()
    assert watching.monitoring.hosts == {}
    assert "cannot be read, ignored" in caplog.text


async def test_messages_that_overtook_each_other_are_taken_in_the_order_of_their_times(watching):
    await watching.world.put(host())
    watching.clock.now += 10
    await watching.says("MONITOR_HOST", "FREECPU=2", at=1010)
    await watching.says("MONITOR_HOST", "FREECPU=1", at=1005)
    assert watching.monitoring.hosts[3].free_cpu_percent == 2


@pytest.mark.parametrize("figure", ["1e30", "-1", "inf", "nan", "1e400", "many", str(2**63)])
async def test_a_figure_that_cannot_be_is_not_believed_and_harms_nobody(watching, figure):
    await watching.world.put(host())
    await watching.says("SYSTEM_HOST", "TOTALCPU=800\nTOTALMEMORY=1000")
    await watching.says("SYSTEM_HOST", f'TOTALCPU="{figure}"\nTOTALMEMORY="{figure}"')
    await watching.says("MONITOR_HOST", f'FREECPU="{figure}"\nFREEMEMORY="{figure}"')
    assert (watching.host().total_cpu_percent, watching.host().total_memory_kib) == (800, 1000)
    assert watching.monitoring.hosts[3].free_memory_kib == 0
    assert not watching.world.turns.failed.done()


# -- hosts that change ---------------------------------------------------------------------------------


def starts(watching) -> list[Template]:
    """What drivers were told to watch since the last look."""
    messages = [parse_to_driver(line) for line in watching.im.sent]
    watching.im.take()
    assert {message.type for message in messages} <= {"START_MONITOR"}
    return [parse(unpack(message.payload)) for message in messages]


async def changed(watching, **more) -> None:
    await watching.world.put(replace(watching.host(), **more))


async def test_a_renamed_host_is_watched_by_its_new_name(watching):
    await running(watching)
    await changed(watching, name="elsewhere")
    (told,) = starts(watching)
    assert told.vector("HOST") == {"ID": "3", "NAME": "elsewhere"}


async def test_what_was_seen_under_the_old_name_of_a_host_is_dropped(watching):
    await running(watching)
    await changed(watching, name="elsewhere")
    watching.clock.now += 2
    await watching.sees(sync=True, at=1010)
    await watching.says("MONITOR_HOST", "no such host", status="FAILURE", at=1009)
    assert (watching.vm().state, watching.host().state) == (S.RUNNING, HostState.MONITORED)
    await watching.sees(sync=True, at=1011)
    assert watching.vm().state is S.POWEROFF


async def test_attributes_that_people_change_reach_the_driver(watching):
    await running(watching)
    await changed(watching, template=Template((("RACK", "r2"),)))
    (told,) = starts(watching)
    assert told.single("RACK") == "r2"
    await watching.sees("42 POWEROFF")
    assert watching.vm().state is S.POWEROFF, "the machine is the same, what is seen of it counts at once"


async def test_what_probes_say_and_a_change_of_state_do_not_start_monitoring_again(watching):
    await running(watching)
    await watching.says("SYSTEM_HOST", "TOTALCPU=800\nHYPERVISOR=kvm")
    await watching.says("SYSTEM_HOST", "TOTALCPU=400\nHYPERVISOR=qemu")
    await watching.says("MONITOR_HOST", "no route", status="FAILURE")
    await watching.says("MONITOR_HOST", "FREECPU=1")
    await changed(watching, state=HostState.DISABLED)
    await changed(watching, template=watching.host().template.without("HYPERVISOR"))
    assert starts(watching) == []


async def test_a_host_that_gets_another_driver_is_given_up_by_the_first(watching):
    await running(watching)
    await changed(watching, im="xen")
    assert [parse_to_driver(line).type for line in watching.im.sent] == ["STOP_MONITOR"]
    await watching.world.settle()
    assert "im driver xen is not configured" in watching.host().template.single("ERROR")


# -- clocks --------------------------------------------------------------------------------------------


async def test_one_message_from_the_future_makes_nobody_deaf(watching):
    await running(watching)
    await watching.says("MONITOR_HOST", "FREECPU=1", at=9_000_000_000)
    await watching.says("MONITOR_HOST", "FREECPU=2")
    assert watching.monitoring.hosts[3].free_cpu_percent == 1
    watching.clock.now += AHEAD_MAX_S
    await watching.says("MONITOR_HOST", "FREECPU=3")
    assert watching.monitoring.hosts[3].free_cpu_percent == 3


async def test_reports_count_when_the_clock_went_back(watching):
    await running(watching)
    await watching.sees("42 RUNNING")
    watching.clock.now -= 600
    await watching.sees(sync=True)
    assert watching.vm().state is S.RUNNING, "in the second of the jump nobody knows what is older"
    watching.clock.now += 1
    await watching.sees(sync=True)
    assert watching.vm().state is S.POWEROFF


async def test_a_renamed_host_is_heard_when_the_clock_went_back(watching):
    await running(watching)
    await changed(watching, name="elsewhere")
    watching.clock.now -= 600
    watching.monitoring.check_silence()
    watching.clock.now += 1
    await watching.says("MONITOR_HOST", "FREECPU=7")
    assert watching.monitoring.hosts[3].free_cpu_percent == 7


async def test_silence_is_noticed_though_the_clock_went_back(watching):
    await running(watching)
    await watching.says("BEACON_HOST")
    watching.clock.now -= 600
    await watching.pass_by(LOST_AFTER_S + 1)
    assert watching.host().state is HostState.ERROR


async def test_a_clock_that_goes_ahead_is_no_silence(watching):
    await running(watching)
    watching.clock.now += 3600
    await watching.pass_by(1)
    assert watching.host().state is HostState.MONITORED


# -- VMs -----------------------------------------------------------------------------------------------


async def test_a_vm_seen_off_is_powered_off(watching):
    await running(watching)
    await watching.sees("42 POWEROFF")
    assert watching.vm().state is S.POWEROFF


async def test_a_vm_seen_paused_is_paused_with_the_reason_and_that_is_told_once(watching):
    await running(watching)
    report = 'VM=[ID="42", STATE="SUSPENDED", REASON="a disk is full"]'
    await watching.says("STATE_VM", report)
    assert watching.vm().state is S.PAUSED
    assert watching.vm().user_template.single("ERROR") == "a disk is full"
    writes = len(watching.world.store.commits)
    await watching.says("STATE_VM", report)
    assert len(watching.world.store.commits) == writes


async def test_a_paused_vm_that_a_full_report_leaves_out_is_off(watching):
    await running(watching, S.PAUSED)
    await watching.sees(sync=True)
    assert watching.vm().state is S.POWEROFF


async def test_a_vm_seen_running_while_it_boots_runs_and_has_its_name(watching):
    await running(watching, S.BOOT)
    await watching.sees("42 RUNNING")
    assert (watching.vm().state, watching.vm().deploy_id) == (S.RUNNING, "one-x")


async def test_a_vm_that_a_full_report_leaves_out_is_off(watching):
    await running(watching)
    await watching.sees("7 RUNNING")
    assert watching.vm().state is S.RUNNING
    await watching.sees(sync=True)
    assert watching.vm().state is S.POWEROFF


async def test_a_full_report_does_not_concern_a_vm_that_is_just_being_started(watching):
    await running(watching, S.BOOT)
    await watching.sees(sync=True)
    assert watching.vm().state is S.BOOT


async def test_a_report_from_before_the_last_move_is_ignored(watching):
    await running(watching)
    await watching.sees("42 POWEROFF", at=1000)
    await watching.sees(sync=True, at=1000)
    assert watching.vm().state is S.RUNNING


async def test_a_change_that_moves_nothing_makes_no_report_too_old(watching):
    await running(watching)
    await watching.world.put(replace(watching.vm(), name="renamed"))
    await watching.sees(sync=True)
    assert watching.vm().state is S.POWEROFF


async def test_nor_does_one_after_a_restart_of_the_engine(watching):
    await running(watching)
    again = Watching(World(store=watching.world.store))
    again.clock.now += 10
    await again.world.put(replace(again.vm(), name="renamed"))
    await again.sees(sync=True)
    assert again.vm().state is S.POWEROFF
    await again.world.turns.close()


async def test_a_report_from_before_the_engine_started_is_ignored(watching):
    await running(watching)
    again = Watching(World(store=watching.world.store))
    again.clock.now = 1000
    await again.sees("42 POWEROFF", at=999)
    assert again.vm().state is S.RUNNING
    await again.sees("42 POWEROFF", at=1000)
    assert again.vm().state is S.POWEROFF
    await again.world.turns.close()


async def test_a_report_of_another_host_is_ignored(watching):
    await running(watching)
    await watching.world.put(host(4))
    watching.clock.now += 10
    await watching.sees("42 POWEROFF", host_id=4)
    assert watching.vm().state is S.RUNNING


async def test_what_is_seen_of_a_vm_that_a_driver_may_still_move_is_not_believed(watching):
    await running(watching, S.UNKNOWN)
    watching.monitoring.is_undecided = lambda vm_id: vm_id == 42
    await watching.sees("42 RUNNING")
    assert watching.vm().state is S.UNKNOWN
    watching.monitoring.is_undecided = lambda vm_id: False
    await watching.sees("42 RUNNING")
    assert watching.vm().state is S.RUNNING


async def test_that_a_running_vm_runs_is_no_news(watching):
    await running(watching)
    writes = len(watching.world.store.commits)
    await watching.sees("42 RUNNING")
    assert len(watching.world.store.commits) == writes


@pytest.mark.parametrize(("host_id", "state"), [(3, S.RUNNING), (4, S.RUNNING)])
async def test_a_vm_lost_between_two_hosts_is_found_on_either(watching, host_id, state):
    await watching.world.put(host(4))
    await running(watching, S.UNKNOWN_MIGRATE)
    await watching.sees(sync=True, host_id=3)
    await watching.sees(sync=True, host_id=4)
    assert watching.vm().state is S.UNKNOWN_MIGRATE
    watching.clock.now += 10
    await watching.sees("42 RUNNING", host_id=host_id)
    assert (watching.vm().state, watching.vm().current.host_id) == (state, host_id)
    assert watching.world.memory.vms_on == {host_id: {42}}


async def test_figures_of_a_vm_are_kept_while_it_is_there(watching):
    await running(watching)
    figures = base64.b64encode(b'CPU="12.5"\nMEMORY="1024"').decode()
    await watching.says("MONITOR_VM", f'VM = [ ID="42", MONITOR="{figures}" ]')
    assert watching.monitoring.vms[42].values == {"CPU": "12.5", "MEMORY": "1024"}
    await watching.says("MONITOR_VM", 'VM = [ ID="42", MONITOR="%%%" ]\nVM = [ ID="x", MONITOR="" ]')
    assert watching.monitoring.vms[42].values == {"CPU": "12.5", "MEMORY": "1024"}


async def test_a_vm_that_never_had_a_host_cannot_be_seen(watching):
    await watching.world.put(host(), vm(S.PENDING))
    watching.clock.now += 10
    await watching.sees("42 RUNNING")
    assert watching.vm().state is S.PENDING


async def test_only_vms_that_are_there_now_become_unknown_with_their_host(watching):
    await running(watching, S.POWEROFF)
    await watching.world.put(vm(S.RUNNING, id=43, history=(stay(0, host_id=3),)))
    await watching.says("MONITOR_HOST", "gone", status="FAILURE")
    assert watching.vm().state is S.POWEROFF
    assert watching.world.memory.vms[43].state is S.UNKNOWN


async def test_how_a_host_is_switched_off_is_not_for_its_probes_to_say(watching: Watching) -> None:
    fence = {"METHOD": "redfish", "ADDRESS": "10.0.9.3", "SECRET": "node3"}
    await watching.world.put(host(template=Template((("FENCE", fence), ("FAILOVER", "NO")))))
    evil = 'FENCE=[METHOD="redfish",ADDRESS="evil",SECRET="node3",TLS="NO",INSECURE="YES"] FAILOVER=YES MODEL="x"'
    await watching.says("SYSTEM_HOST", evil, 3)
    template = watching.world.memory.hosts[3].template
    assert template.single("MODEL") == "x"
    assert template.vectors("FENCE") == [fence]
    assert template.single("FAILOVER") == "NO"
