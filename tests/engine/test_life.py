"""What a VM's step leaves in the journal."""

import pytest

from tests.core.vm.builders import ALICE, event_of, stay, vm
from tests.engine.fake_store import FakeStore
from trifid.core.vm import events
from trifid.core.vm.effects import Moment
from trifid.core.vm.states import VmState as S
from trifid.engine.life import happen
from trifid.engine.memory import Memory
from trifid.engine.transaction import Draft


def told(machine, kind) -> tuple[str, str, str]:
    """Return (state before, state after, text) of what the journal says after an event."""
    draft = Draft(Memory(FakeStore().load()), 1000)
    draft.put(machine)
    happen(draft, machine, event_of(kind, machine.step), Moment(1000, ALICE))
    (entry,) = draft.batch.journal
    return entry.old, entry.new, entry.text


@pytest.mark.parametrize(
    ("kind", "word"), [(events.Reboot, "reboot"), (events.RebootHard, "reboot-hard"), (events.Resched, "resched")]
)
def test_a_request_that_changes_no_state_is_told_by_its_word(kind, word):
    assert told(vm(S.RUNNING, history=(stay(0),)), kind) == ("RUNNING", "RUNNING", word)


def test_a_request_that_changes_the_state_is_told_by_the_states():
    assert told(vm(S.PENDING, history=()), events.Hold) == ("PENDING", "HOLD", "")


def test_a_failure_is_told_with_its_reason():
    machine = vm(S.PROLOG, history=(stay(0),))
    old, new, text = told(machine, events.Failed)
    assert (old, new) == ("PROLOG", "PROLOG_FAILURE")
    assert text == event_of(events.Failed, machine.step).why != ""
