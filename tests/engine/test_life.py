"""What a VM's step leaves in the journal."""

import pytest

from tests.core.vm.builders import ALICE, TEMPLATE, event_of, stay, vm
from tests.engine.fake_store import FakeStore
from trifid.core.network.address import parse_mac
from trifid.core.network.record import Lease
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


def held_after(machine, *kinds) -> list[str]:
    """Return the last bytes of the MACs that the VM holds after events, having held those of all its NICs."""
    draft = Draft(Memory(FakeStore().load()), 1000)
    draft.put(machine)
    for index, nic in enumerate(machine.template.vectors("NIC")):
        draft.put(Lease(int(nic["NETWORK_ID"]), 0, index, machine.id, parse_mac(nic["MAC"])))
    draft.put(Lease(2, 0, 9, machine.id + 1, parse_mac("02:00:0a:00:00:09")))
    for kind in kinds:
        machine = happen(draft, machine, event_of(kind, machine.step), Moment(1000, ALICE))
    assert [lease.index for lease in draft.leases_of(machine.id + 1)] == [9]
    return sorted(f"{lease.mac & 255}" for lease in draft.leases_of(machine.id))


def test_the_address_of_a_detached_nic_goes_back_and_the_others_stay():
    assert held_after(vm(S.RUNNING), events.DetachNic) == ["1", "2"]
    assert held_after(vm(S.RUNNING), events.DetachNic, events.Done) == ["1"]
    assert held_after(vm(S.POWEROFF), events.DetachNic) == ["1", "2"]
    assert held_after(vm(S.POWEROFF), events.DetachNic, events.Absent) == ["1"]


def test_the_address_of_a_nic_that_the_domain_holds_stays():
    assert held_after(vm(S.RUNNING), events.DetachNic, events.Failed) == ["1", "2"]
    for answer in (events.Found, events.Failed):  # somebody started it by hand, or nobody knows
        assert held_after(vm(S.POWEROFF), events.DetachNic, answer) == ["1", "2"]


def test_the_address_of_a_nic_that_was_not_attached_goes_back_once_the_driver_says_that_it_is_off():
    assert held_after(vm(S.HOTPLUG_NIC), events.Done) == ["1", "2", "3"]
    assert held_after(vm(S.HOTPLUG_NIC), events.Failed) == ["1", "2", "3"]
    assert held_after(vm(S.HOTPLUG_NIC), events.Failed, events.Done) == ["1", "2"]
    assert held_after(vm(S.HOTPLUG_NIC), events.Failed, events.Failed) == ["1", "2", "3"]


def test_a_finished_vm_gives_all_its_addresses_back():
    assert held_after(vm(S.RUNNING), events.Delete, events.Done) == ["1", "2"]
    assert held_after(vm(S.RUNNING), events.Delete, events.Done, events.Done) == []
    assert held_after(vm(S.HOTPLUG_NIC), events.DeleteDb) == []


def test_a_recreated_vm_keeps_its_addresses():
    assert held_after(vm(S.RUNNING), events.DeleteRecreate, events.Done, events.Done) == ["1", "2"]
    assert held_after(vm(S.HOTPLUG_NIC_DETACH), events.DeleteRecreate, events.Done, events.Done) == ["1", "2"]


def test_an_address_that_two_nics_have_stays_with_the_other():
    first = TEMPLATE.vectors("NIC")[0]
    twice = vm(S.POWEROFF, template=TEMPLATE.without("NIC").having(("NIC", first), ("NIC", {**first, "NIC_ID": "1"})))
    draft = Draft(Memory(FakeStore().load()), 1000)
    draft.put(twice)
    draft.put(Lease(2, 0, 0, twice.id, parse_mac(first["MAC"])))
    happen(draft, twice, event_of(events.DetachNic), Moment(1000, ALICE))
    assert len(draft.leases_of(twice.id)) == 1
