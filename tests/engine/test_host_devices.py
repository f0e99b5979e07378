"""Which PCI devices a VM has, from its placement to its end."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.vm.builders import ALICE, event_of, stay, vm
from tests.engine.fake_store import FakeStore
from trifid.core.host import Host, HostState
from trifid.core.template.model import template
from trifid.core.vm import events
from trifid.core.vm.effects import Moment
from trifid.core.vm.host_devices import held_by, with_devices
from trifid.core.vm.states import VmState as S
from trifid.engine.life import happen
from trifid.engine.memory import Memory
from trifid.engine.transaction import Draft
from trifid.errors import Refused

FIRST, SECOND = "0000:01:00.0", "0000:02:00.0"
DEVICES = [{"TYPE": "10de:1eb8:0302", "ADDRESS": address} for address in (FIRST, SECOND)]
ONE = template(PCI=[{"VENDOR": "10de"}])


class Hosts:
    """Hosts 1 and 2, each with two devices, and VMs that want some."""

    def __init__(self):
        self.draft = Draft(Memory(FakeStore().load()), 1000)
        for host_id in (1, 2):
            host = Host(
                host_id, f"node{host_id}", HostState.MONITORED, "dummy", "dummy", template=template(PCI=DEVICES)
            )
            self.draft.put(host)

    def vm(self, vm_id, wishes=ONE, state=S.PENDING, **more):
        self.draft.put(vm(state, id=vm_id, template=wishes, **more))
        return vm_id

    def happens(self, vm_id, kind, host_id=None, **more):
        """Let events happen to a VM; return the devices of its newest stay."""
        machine = self.draft.vm(vm_id)
        event = replace(event_of(kind, machine.step), **more)
        if host_id is not None:
            event = replace(event, host_id=host_id)
        after = happen(self.draft, machine, event, Moment(1000, ALICE))
        return after.current.devices if after.history else ()

    def runs(self, vm_id, host_id=1):
        devices = self.happens(vm_id, events.Deploy, host_id)
        self.happens(vm_id, events.Done)
        self.happens(vm_id, events.Done)
        assert self.draft.vm(vm_id).state is S.RUNNING
        return devices


@pytest.fixture
def hosts():
    return Hosts()


def test_each_vm_gets_a_device_of_its_own(hosts):
    assert [hosts.runs(hosts.vm(number)) for number in (7, 8)] == [(FIRST,), (SECOND,)]
    assert hosts.draft.devices_on(1) == {FIRST: 7, SECOND: 8}
    assert hosts.draft.devices_on(2) == {}


def test_a_host_without_a_free_one_takes_no_vm_and_nothing_of_it_is_kept(hosts):
    for number in (7, 8):
        hosts.runs(hosts.vm(number))
    hosts.vm(9)
    with pytest.raises(Refused, match=f"Unavailable PCI device. Host node1 .* VM 7 has {FIRST}, VM 8 has {SECOND}"):
        hosts.happens(9, events.Deploy, 1)
    assert hosts.draft.vm(9).state is S.PENDING
    assert hosts.runs(9, 2) == (FIRST,)


def test_a_device_comes_back_when_the_vm_is_off_and_it_gets_another_when_it_resumes(hosts):
    hosts.runs(hosts.vm(7))
    hosts.happens(7, events.Poweroff)
    hosts.happens(7, events.Done)
    assert hosts.draft.devices_on(1) == {}
    assert hosts.runs(hosts.vm(8)) == (FIRST,)
    assert hosts.happens(7, events.Resume) == (SECOND,)


def test_a_vm_that_resumes_has_its_old_device_when_that_is_free(hosts):
    hosts.runs(hosts.vm(8))
    assert hosts.runs(hosts.vm(7)) == (SECOND,)
    for number in (7, 8):
        hosts.happens(number, events.Poweroff)
        hosts.happens(number, events.Done)
    assert hosts.happens(7, events.Resume) == (SECOND,)


def test_a_vm_that_is_off_does_not_resume_where_all_are_taken(hosts):
    hosts.runs(hosts.vm(7))
    hosts.happens(7, events.Poweroff)
    hosts.happens(7, events.Done)
    for number in (8, 9):
        hosts.runs(hosts.vm(number))
    with pytest.raises(Refused, match="Unavailable PCI device"):
        hosts.happens(7, events.Resume)


def test_a_move_takes_a_device_there_and_gives_the_one_here_back_when_the_vm_has_left(hosts):
    hosts.runs(hosts.vm(8), 2)
    hosts.runs(hosts.vm(7))
    assert hosts.happens(7, events.MigrateOff, 2) == (SECOND,)
    assert hosts.draft.devices_on(1) == {FIRST: 7}
    hosts.happens(7, events.Done)
    assert hosts.draft.devices_on(1) == {}
    assert hosts.draft.devices_on(2) == {FIRST: 8, SECOND: 7}


def test_a_move_that_failed_leaves_the_vm_the_device_that_it_has(hosts):
    hosts.runs(hosts.vm(8), 2)
    hosts.runs(hosts.vm(7))
    assert hosts.happens(7, events.MigrateLive, 2) == (SECOND,)
    hosts.happens(7, events.Failed)
    hosts.happens(7, events.Absent)
    assert hosts.happens(7, events.Found) == (FIRST,)
    assert hosts.draft.vm(7).state is S.RUNNING
    assert (hosts.draft.devices_on(1), hosts.draft.devices_on(2)) == ({FIRST: 7}, {FIRST: 8})


def test_a_vm_that_was_changed_while_it_runs_keeps_its_device(hosts):
    hosts.runs(hosts.vm(7))
    hosts.happens(7, events.Resize)
    hosts.happens(7, events.Done)
    assert hosts.draft.vm(7).current.seq == 1
    assert hosts.draft.devices_on(1) == {FIRST: 7}


def test_one_that_is_seen_to_run_has_its_device_again_unless_another_has_it(hosts):
    hosts.runs(hosts.vm(7))
    hosts.happens(7, events.SeenOff)
    assert hosts.happens(7, events.SeenRunning) == (FIRST,)
    hosts.happens(7, events.SeenOff)
    assert hosts.runs(hosts.vm(8)) == (FIRST,)
    assert hosts.happens(7, events.SeenRunning) == ("",)
    assert hosts.draft.devices_on(1) == {FIRST: 8}


KINDS = [
    *(events.Deploy, events.MigrateOff, events.MigrateSave, events.MigrateLive, events.Resume, events.Poweroff),
    *(events.Suspend, events.Stop, events.Undeploy, events.SeenOff, events.SeenRunning, events.DeleteRecreate),
    *(events.Abandon, events.Found, events.Absent, events.Failed),
]
OFTEN = [events.Deploy, events.SeenOff, events.SeenRunning] * 3
HAPPENINGS = st.tuples(st.integers(0, 3), st.sampled_from([*KINDS, *[events.Done] * 8, *OFTEN]), st.integers(1, 2))


@given(st.lists(HAPPENINGS, min_size=30, max_size=60))
@settings(max_examples=200, deadline=None)
def test_whatever_happens_no_device_is_given_to_two_vms(happenings):
    hosts = Hosts()
    wishes = [{"VENDOR": "10de"}, {"SHORT_ADDRESS": "01:00.0"}, {"VENDOR": "10de"}, {"DEVICE": "1eb8"}]
    for number, wish in enumerate(wishes):
        hosts.vm(number, template(PCI=[wish]))
    for number in (0, 1):
        hosts.runs(number, 1 + number)
    for number, kind, host_id in happenings:
        with contextlib.suppress(Refused):
            hosts.happens(number, kind, host_id if issubclass(kind, events.Deploy) else None)
        held = [place for vm_id in range(4) for place in held_by(hosts.draft.vm(vm_id))]
        assert len(set(held)) == len(held), f"after {kind.__name__} of {number}: {held}"


def test_a_finished_vm_has_none(hosts):
    hosts.runs(hosts.vm(7))
    hosts.happens(7, events.DeleteDb)
    assert hosts.draft.devices_on(1) == {}


def test_a_device_that_a_vm_of_an_older_engine_names_is_its_own(hosts):
    named = template(PCI=[{"ADDRESS": FIRST}])
    hosts.vm(7, named, S.RUNNING, history=(stay(0, host_id=1),))
    assert hosts.draft.devices_on(1) == {FIRST: 7}
    assert hosts.runs(hosts.vm(8)) == (SECOND,)


def told(hosts, vm_id):
    return with_devices(hosts.draft.vm(vm_id)).vectors("PCI")


def test_documents_tell_the_device_while_the_vm_has_it_and_the_wish_otherwise(hosts):
    hosts.vm(7)
    assert told(hosts, 7) == [{"PCI_ID": "0", "VENDOR": "10de"}]
    hosts.runs(7)
    parts = {"DOMAIN": "0000", "BUS": "01", "SLOT": "00", "FUNCTION": "0", "SHORT_ADDRESS": "01:00.0"}
    assert told(hosts, 7) == [{"PCI_ID": "0", "VENDOR": "10de", "ADDRESS": FIRST, **parts}]
    hosts.happens(7, events.Poweroff)
    hosts.happens(7, events.Done)
    assert told(hosts, 7) == [{"PCI_ID": "0", "VENDOR": "10de"}]


def test_a_device_that_another_vm_has_by_now_is_not_told_to_drivers_though_it_was_named(hosts):
    hosts.runs(hosts.vm(7, template(PCI=[{"SHORT_ADDRESS": "01:00.0"}])))
    hosts.happens(7, events.Poweroff)
    hosts.happens(7, events.Done)
    hosts.runs(hosts.vm(8))
    hosts.happens(7, events.SeenRunning)
    assert told(hosts, 7) == [{"PCI_ID": "0"}]
