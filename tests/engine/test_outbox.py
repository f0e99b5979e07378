"""The outbox: what leaves when, whose answer counts, and what happens when drivers die or are silent."""

import asyncio

import pytest

from tests.core.vm.builders import ALICE, event_of, vm
from tests.engine.world import FakeOrders, World, answer
from trifid.core.vm import events
from trifid.core.vm.record import Action, HistoryRecord
from trifid.core.vm.states import VmState as S
from trifid.engine.delivery import CANCEL_GRACE_S, SENDINGS_MAX
from trifid.engine.life import happen
from trifid.engine.outbox import Outbox
from trifid.errors import Refused
from trifid.wire.lines import LINE_BYTES_MAX

PLACE = {"host_id": 3, "hostname": "host3", "cluster_id": 0, "vmm": "dummy", "tm": "dummy", "datastore_id": 0}
TIMEOUT_S = 600.0


class Play:
    """A world with an outbox and VM 42."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.orders = FakeOrders()
        self.outbox = Outbox(world.turns, world.drivers, self.orders, call_later=world.clock.call_later)
        self.vmm, self.tm, self.clock = world.vmm, world.tm, world.clock

    async def begin(self, state: S = S.PENDING, **more: object) -> None:
        await self.world.put(vm(state, **more))

    async def happens(self, *kinds: type[events.Event], vm_id: int = 42, **fields: object) -> None:
        """Let it happen, all in one command."""

        def command(draft):
            for kind in kinds:
                made = kind(**PLACE) if issubclass(kind, events.Deploy) else event_of(kind, draft.vm(vm_id).step)
                happen(draft, draft.vm(vm_id), made)

        await self.world.turns.ask(command)
        await self.world.settle()

    async def says(self, driver, word: str, status: str = "SUCCESS", payload: str = "-", vm_id: int = 42) -> None:
        self.outbox.said(driver, answer(word, vm_id, status, payload))
        await self.world.settle()

    async def dies(self, driver, restarts: bool = True) -> None:
        driver.is_ready, driver.trouble = False, "it died"
        self.outbox.down(driver, "it died")
        await self.world.settle()
        if restarts:
            driver.is_ready, driver.trouble, driver.starts_failed = True, "", 0
            self.outbox.ready(driver)
            await self.world.settle()

    async def pass_by(self, seconds: float) -> None:
        self.clock.pass_by(seconds)
        await self.world.settle()

    @property
    def state(self) -> S:
        return self.world.memory.vms[42].state

    @property
    def error(self) -> str:
        return self.world.memory.vms[42].user_template.single("ERROR")

    def holds_nothing(self) -> bool:
        """Whether nothing is kept of what is over."""
        return self.outbox.is_idle and self.clock.waiting() == 0


@pytest.fixture
async def play():
    world = World(timeout_s=TIMEOUT_S)
    yield Play(world)
    world.store.may_write.set()
    await world.turns.close()


async def test_a_whole_life(play):
    await play.begin()
    await play.happens(events.Deploy)
    assert play.tm.take() == ["TRANSFER 42"]
    await play.says(play.tm, "TRANSFER")
    assert play.vmm.take() == ["DEPLOY 42"]
    await play.says(play.vmm, "DEPLOY", payload="one-42")
    assert play.state is S.RUNNING
    await play.happens(events.Terminate)
    await play.says(play.vmm, "SHUTDOWN")
    await play.says(play.tm, "TRANSFER")
    assert play.world.memory.vms == {}
    assert play.world.memory.actions == {}
    assert play.holds_nothing()


async def test_an_action_leaves_only_when_its_commit_is_durable(play):
    await play.begin()
    play.world.store.writing.clear()
    play.world.store.may_write.clear()
    deployed = asyncio.create_task(play.happens(events.Deploy))
    assert await asyncio.to_thread(play.world.store.writing.wait, 10)
    assert play.tm.take() == []
    play.world.store.may_write.set()
    await deployed
    assert play.tm.take() == ["TRANSFER 42"]


async def test_a_refused_command_sends_nothing(play):
    await play.begin()

    def command(draft):
        happen(draft, draft.vm(42), events.Deploy(**PLACE))
        raise Refused("no")

    with pytest.raises(Refused):
        await play.world.turns.ask(command)
    await play.world.settle()
    assert play.tm.take() == []


async def test_of_two_steps_in_one_turn_only_the_last_action_is_sent(play):
    await play.begin(S.RUNNING)
    await play.happens(events.Terminate, events.TerminateHard)
    assert play.vmm.take() == ["CANCEL 42"]


async def test_an_action_that_is_over_in_the_same_turn_is_never_sent(play):
    await play.begin(S.RUNNING)
    await play.happens(events.Poweroff, events.SeenOff)
    assert play.vmm.take() == []
    assert play.world.memory.actions == {}


async def test_what_a_driver_says_of_a_failure_reaches_the_owner(play):
    await play.begin(S.BOOT)
    await play.happens(events.Retry)
    await play.says(play.vmm, "DEPLOY", "FAILURE", "bridge br0 does not exist")
    assert (play.state, play.error) == (S.BOOT_FAILURE, "bridge br0 does not exist")
    await play.happens(events.Retry)
    await play.says(play.vmm, "DEPLOY", "FAILURE", "-")
    assert play.error == "the driver gave no reason"


@pytest.mark.parametrize(
    ("payload", "state"),
    [("STATE=a USEDCPU=3", S.RUNNING), ("STATE=p", S.RUNNING), ("STATE=d", S.POWEROFF), ("-", S.POWEROFF)],
)
async def test_a_look_finds_the_vm_or_not(play, payload, state):
    await play.begin(S.SHUTDOWN)
    await play.happens(events.Failed)
    await play.says(play.vmm, "POLL", payload=payload)
    assert play.state is state


# -- one action under way ------------------------------------------------------------------------------


async def test_a_newer_action_waits_until_the_cancelled_one_is_answered(play):
    await play.begin(S.PROLOG)
    await play.happens(events.Retry)
    await play.happens(events.Delete)
    assert play.tm.take() == ["TRANSFER 42", "DRIVER_CANCEL 42"]
    await play.says(play.tm, "TRANSFER", "FAILURE", "cancelled by the engine")
    assert play.state is S.CLEANUP_DELETE_FILES
    assert play.tm.take() == ["TRANSFER 42"]
    await play.says(play.tm, "TRANSFER")
    assert play.world.memory.vms == {}
    assert play.holds_nothing()


async def test_a_cancelled_action_that_succeeded_nevertheless_is_not_taken_for_the_newer_one(play):
    await play.begin(S.PROLOG)
    await play.happens(events.Retry)
    await play.happens(events.Delete)
    await play.says(play.tm, "TRANSFER")
    assert play.state is S.CLEANUP_DELETE_FILES
    assert play.tm.take()[-1] == "TRANSFER 42"


async def test_a_driver_that_never_answers_what_was_cancelled_is_not_waited_for_long(play):
    play.tm.answers_all = False
    await play.begin(S.PROLOG)
    await play.happens(events.Retry)
    await play.happens(events.Delete)
    play.tm.take()
    await play.pass_by(CANCEL_GRACE_S)
    assert play.tm.take() == ["TRANSFER 42"]
    await play.says(play.tm, "TRANSFER")
    assert play.world.memory.vms == {}
    assert play.holds_nothing()


async def test_a_driver_that_answers_all_is_waited_for_until_the_newer_actions_own_time_is_over(play):
    await play.begin(S.BOOT)
    await play.happens(events.Retry)
    await play.happens(events.Delete)
    await play.pass_by(TIMEOUT_S - 1)
    assert play.vmm.take() == ["DEPLOY 42", "DRIVER_CANCEL 42"]
    assert play.state is S.CLEANUP_DELETE
    await play.pass_by(1)
    assert play.state is S.CLEANUP_DELETE_FAILURE
    assert play.error == "vmm driver dummy was still busy with DEPLOY after 600 s"
    await play.says(play.vmm, "DEPLOY")
    assert (play.state, play.vmm.take()) == (S.CLEANUP_DELETE_FAILURE, [])
    assert play.holds_nothing()


async def test_a_hypervisor_waits_for_a_transfer_that_is_no_longer_wanted(play):
    await play.begin()
    await play.happens(events.Deploy)
    assert play.tm.take() == ["TRANSFER 42"]
    await asks_hypervisor(play)
    assert (play.tm.take(), play.vmm.take()) == (["DRIVER_CANCEL 42"], [])
    await play.says(play.tm, "TRANSFER")
    assert play.vmm.take() == ["DEPLOY 42"]


async def test_what_waits_for_another_driver_is_sent_when_that_dies(play):
    await play.begin()
    await play.happens(events.Deploy)
    await asks_hypervisor(play)
    assert play.vmm.take() == []
    await play.dies(play.tm, restarts=False)
    assert play.vmm.take() == ["DEPLOY 42"]


async def asks_hypervisor(play):
    """Let the VM go on to its boot, though the transfer is not answered: somebody declared it done."""
    await play.happens(events.Done)


async def test_a_vm_is_undecided_while_a_hypervisor_works_at_what_is_not_wanted_of_it(play):
    await play.begin(S.RUNNING)
    await play.happens(events.Terminate)
    assert not play.outbox.is_undecided(42)
    await play.happens(events.TerminateHard)
    assert play.outbox.is_undecided(42)
    await play.says(play.vmm, "SHUTDOWN", "FAILURE", "cancelled by the engine")
    assert not play.outbox.is_undecided(42)


async def test_of_many_that_wait_only_the_newest_is_sent(play):
    await play.begin(S.RUNNING)
    await play.happens(events.Terminate)
    await play.happens(events.TerminateHard)
    await play.happens(events.Delete)
    assert play.vmm.take() == ["SHUTDOWN 42", "DRIVER_CANCEL 42"]
    await play.says(play.vmm, "SHUTDOWN", "FAILURE", "cancelled by the engine")
    assert play.vmm.take() == ["CANCEL 42"]
    await play.says(play.vmm, "CANCEL")
    assert play.state is S.CLEANUP_DELETE_FILES


async def test_what_waited_in_vain_is_not_sent(play):
    await play.begin(S.RUNNING)
    await play.happens(events.Poweroff)
    await play.happens(events.PoweroffHard)
    await play.happens(events.SeenOff)
    play.vmm.take()
    await play.says(play.vmm, "SHUTDOWN", "FAILURE", "cancelled by the engine")
    assert (play.state, play.vmm.take()) == (S.POWEROFF, [])
    assert play.holds_nothing()


async def test_a_late_answer_to_an_older_step_changes_nothing(play):
    await play.begin(S.BOOT)
    await play.happens(events.Retry)
    await play.happens(events.SeenRunning)
    await play.says(play.vmm, "DEPLOY", "FAILURE", "too late")
    assert (play.state, play.error) == (S.RUNNING, "")


async def test_answers_that_nobody_asked_for_change_nothing(play, caplog):
    await play.begin(S.BOOT)
    await play.says(play.vmm, "DEPLOY")
    await play.says(play.vmm, "DEPLOY", vm_id=43)
    await play.happens(events.Retry)
    await play.says(play.vmm, "SHUTDOWN")
    await play.says(play.tm, "DEPLOY")
    assert play.state is S.BOOT
    assert caplog.text.count("answered what was not asked") == 4


async def test_an_answer_counts_once(play):
    await play.begin(S.BOOT)
    await play.happens(events.Retry)
    await play.says(play.vmm, "DEPLOY")
    await play.happens(events.Reboot)
    await play.says(play.vmm, "DEPLOY", "FAILURE", "twice")
    assert (play.state, play.error) == (S.RUNNING, "")


async def test_vms_do_not_wait_for_each_other(play):
    await play.begin(S.BOOT)
    await play.world.put(vm(S.BOOT, id=43))
    await play.happens(events.Retry)
    await play.happens(events.Retry, vm_id=43)
    assert play.vmm.take() == ["DEPLOY 42", "DEPLOY 43"]


# -- time-outs -----------------------------------------------------------------------------------------


async def test_an_action_without_an_answer_fails_and_is_cancelled(play):
    await play.begin(S.BOOT)
    await play.happens(events.Retry)
    play.vmm.answers_all = False
    await play.pass_by(TIMEOUT_S - 1)
    assert play.state is S.BOOT
    await play.pass_by(1)
    assert (play.state, play.error) == (S.BOOT_FAILURE, "vmm driver dummy did not answer DEPLOY within 600 s")
    assert play.vmm.take() == ["DEPLOY 42", "DRIVER_CANCEL 42"]
    await play.pass_by(CANCEL_GRACE_S)
    assert play.holds_nothing()


async def test_the_late_answer_of_a_timed_out_action_is_not_the_retrys(play):
    await play.begin(S.BOOT)
    await play.happens(events.Retry)
    await play.pass_by(TIMEOUT_S)
    await play.happens(events.Retry)
    await play.says(play.vmm, "DEPLOY", "FAILURE", "cancelled by the engine")
    assert play.state is S.BOOT
    assert play.vmm.take() == ["DEPLOY 42", "DRIVER_CANCEL 42", "DEPLOY 42"]
    await play.says(play.vmm, "DEPLOY")
    assert play.state is S.RUNNING


async def test_an_answer_in_time_stops_the_clock(play):
    await play.begin(S.BOOT)
    await play.happens(events.Retry)
    await play.says(play.vmm, "DEPLOY")
    await play.pass_by(2 * TIMEOUT_S)
    assert (play.state, play.vmm.take()) == (S.RUNNING, ["DEPLOY 42"])


async def test_without_a_timeout_an_action_may_take_for_ever():
    world = World()
    play = Play(world)
    await play.begin(S.BOOT)
    await play.happens(events.Retry)
    await play.pass_by(1e9)
    assert play.state is S.BOOT
    await world.turns.close()


# -- drivers that die ----------------------------------------------------------------------------------


async def test_an_action_is_sent_again_when_its_driver_comes_back(play):
    await play.begin(S.BOOT)
    await play.happens(events.Retry)
    play.vmm.take()
    await play.dies(play.vmm)
    assert play.vmm.take() == ["DEPLOY 42"]
    await play.says(play.vmm, "DEPLOY")
    assert play.state is S.RUNNING
    assert play.holds_nothing()


async def test_what_comes_while_a_driver_starts_again_waits_for_it(play):
    await play.begin(S.BOOT)
    await play.dies(play.vmm, restarts=False)
    await play.happens(events.Retry)
    assert play.state is S.BOOT
    play.vmm.is_ready = True
    play.outbox.ready(play.vmm)
    assert play.vmm.take() == ["DEPLOY 42"]


async def test_the_newest_action_is_the_one_sent_again(play):
    await play.begin(S.RUNNING)
    await play.happens(events.Terminate)
    await play.happens(events.TerminateHard)
    play.vmm.take()
    await play.dies(play.vmm)
    assert play.vmm.take() == ["CANCEL 42"]
    await play.says(play.vmm, "CANCEL")
    assert play.state is S.EPILOG


async def test_a_driver_that_keeps_dying_over_an_action_fails_it(play):
    await play.begin(S.BOOT)
    await play.happens(events.Retry)
    for n in range(SENDINGS_MAX):
        assert (play.state, play.vmm.take()) == (S.BOOT, ["DEPLOY 42"]), n
        await play.dies(play.vmm)
    assert play.vmm.take() == []
    assert (play.state, play.error) == (
        S.BOOT_FAILURE,
        "vmm driver dummy died 3 times over this action, see its log",
    )
    await play.happens(events.Retry)
    assert play.vmm.take() == ["DEPLOY 42"]
    await play.says(play.vmm, "DEPLOY")
    assert play.holds_nothing()


async def test_the_death_of_one_driver_does_not_concern_anothers_actions(play):
    await play.begin(S.BOOT)
    await play.happens(events.Retry)
    play.vmm.take()
    await play.dies(play.tm)
    assert (play.vmm.take(), play.tm.take()) == ([], [])
    await play.says(play.vmm, "DEPLOY")
    assert play.state is S.RUNNING


async def test_a_driver_that_does_not_start_fails_what_it_has_and_what_comes(play):
    await play.begin(S.BOOT)
    await play.happens(events.Retry)
    play.vmm.starts_failed = 2
    await play.dies(play.vmm, restarts=False)
    assert (play.state, play.error) == (S.BOOT_FAILURE, "vmm driver dummy is down: it died")
    await play.happens(events.Retry)
    assert (play.state, play.error) == (S.BOOT_FAILURE, "vmm driver dummy is down: it died")


async def test_a_driver_that_is_not_configured_fails_the_action_and_names_those_that_are(play):
    record = HistoryRecord(0, 3, "host3", 0, vmm="xen", tm="dummy", datastore_id=0, stime=100)
    await play.begin(S.BOOT, history=(record,))
    await play.happens(events.Retry)
    assert play.state is S.BOOT_FAILURE
    assert play.error == "vmm driver xen is not configured (configured: dummy), see trifid.toml"


@pytest.mark.parametrize(
    ("trouble", "text"),
    [
        (OSError(28, "No space left on device", "transfer.0.prolog"), "cannot write transfer.0.prolog: No space left"),
        (KeyError("bug"), "internal error (KeyError), see the engine's log"),
    ],
    ids=["disk-full", "bug"],
)
async def test_an_action_that_cannot_be_rendered_fails_alone(play, trouble, text):
    await play.begin(S.PROLOG)
    play.orders.trouble = trouble
    await play.happens(events.Retry)
    assert play.state is S.PROLOG_FAILURE
    assert play.error.startswith(text)


async def test_a_request_that_no_line_can_hold_fails_and_says_how_long_it_would_be(play):
    await play.begin(S.BOOT)
    play.orders.more = "x" * LINE_BYTES_MAX
    await play.happens(events.Retry)
    assert (play.state, play.vmm.take()) == (S.BOOT_FAILURE, [])
    assert "the DEPLOY request would be a line of 167" in play.error
    assert "make the template smaller" in play.error
    play.orders.more = ""
    await play.happens(events.Retry)
    assert (play.state, play.vmm.take()) == (S.BOOT, ["DEPLOY 42"])


async def test_after_a_restart_of_the_engine_everything_open_is_sent_again(play):
    await play.begin(S.BOOT)
    await play.happens(events.Retry)
    await play.world.put(vm(S.RUNNING, id=43))
    again = Play(World(store=play.world.store))
    again.outbox.ready(again.vmm)
    assert again.vmm.take() == ["DEPLOY 42"]
    assert again.world.memory.actions == {42: Action(42, 8, "vmm", "DEPLOY")}
    await again.says(again.vmm, "DEPLOY")
    assert again.state is S.RUNNING
    await again.world.turns.close()


async def test_the_engine_itself_is_the_author_of_what_drivers_cause(play):
    await play.begin(S.BOOT)
    await play.happens(events.Retry)
    await play.says(play.vmm, "DEPLOY", "FAILURE", "no")
    (*_, entry) = play.world.store.journal_of("VM", 42, 10)
    assert (entry.old, entry.new, entry.text, entry.uid) == ("BOOT", "BOOT_FAILURE", "no", -1)
    assert entry.uid != ALICE.uid


# -- how far it is -------------------------------------------------------------------------------------


async def moving(play):
    await play.begin(S.MIGRATE_COPY_PREPARE)
    await play.happens(events.MigrateCancel)
    await play.says(play.tm, "TRANSFER")
    await play.happens(events.MigrateCopy)
    await play.says(play.tm, "TRANSFER")
    assert play.vmm.take() == ["MIGRATECOPY 42"]


async def test_what_a_driver_says_of_a_migration_is_kept_while_it_lasts(play):
    await moving(play)
    await play.says(play.vmm, "PROGRESS", payload="PERCENT=43 LEFT_MIB=120 lower=1 BAD=x TOO_LONG=1234567890123")
    assert play.outbox.progress == {42: {"PERCENT": "43", "LEFT_MIB": "120"}}
    await play.says(play.vmm, "PROGRESS", payload=" ".join(f"{chr(65 + n)}={n}" for n in range(20)))
    assert len(play.outbox.progress[42]) == 16
    await play.says(play.vmm, "MIGRATECOPY", payload="one-42")
    assert play.outbox.progress == {}
    assert play.state is S.RUNNING


async def test_a_driver_that_says_how_far_it_is_is_given_its_time_anew(play):
    await moving(play)
    for _ in range(3):
        await play.pass_by(TIMEOUT_S - 1)
        await play.says(play.vmm, "PROGRESS", payload="PERCENT=1")
    assert play.state is S.MIGRATE_COPY
    await play.pass_by(TIMEOUT_S)
    assert play.state is S.MIGRATE_COPY_LOCATE


async def test_a_migration_that_is_taken_back_ends_before_the_hosts_are_asked(play):
    await moving(play)
    await play.happens(events.MigrateCancel)
    assert play.vmm.take() == ["DRIVER_CANCEL 42"]
    await play.says(play.vmm, "PROGRESS", payload="PERCENT=44")
    assert play.outbox.progress == {}
    await play.says(play.vmm, "MIGRATECOPY", "FAILURE", "cancelled by the engine")
    assert play.vmm.take() == ["POLL 42"]
    await play.says(play.vmm, "POLL", payload="STATE=d")
    await play.says(play.vmm, "POLL", payload="STATE=a")
    await play.says(play.tm, "TRANSFER")
    assert play.state is S.RUNNING
    assert play.error == ""


async def test_a_guest_that_ended_on_its_way_is_off_where_it_was(play):
    await moving(play)
    await play.says(play.vmm, "MIGRATECOPY", payload="STATE=d")
    await play.says(play.tm, "TRANSFER")
    vm = play.world.memory.vms[42]
    assert (vm.state, vm.current.host_id) == (S.POWEROFF, vm.history[-3].host_id)
