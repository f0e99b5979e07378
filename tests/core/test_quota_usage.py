"""What users and groups have: recomputed from scratch, and brought up to date change by change."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.quota_changes import COMMANDS, STAY, carry_out, usage_of, vms
from tests.core.vm.builders import vm
from tests.engine.fake_store import FakeStore
from trifid.core.image.record import Image, ImageType
from trifid.core.quota_usage import RUNNING, figures_of_image, figures_of_vm, recomputed, takes_the_same
from trifid.core.template.model import template
from trifid.core.vm import events
from trifid.core.vm.record import DiskSnapshot, DiskSnapshots, Needs
from trifid.core.vm.states import VmState
from trifid.core.vm.table import TABLE
from trifid.engine.memory import Memory
from trifid.engine.transaction import Draft


def machine(**fields):
    return vm(
        **{"id": 1, "uid": 2, "gid": 3, "needs": Needs(150, 512), "history": (), "template": template(), **fields}
    )


def of_vm(one, name, cluster=""):
    return figures_of_vm(one).get(("VM", cluster, name), 0)


# -- what counts -----------------------------------------------------------------------------------------


def test_a_vm_counts_from_its_creation_until_it_is_done():
    one = machine(state=VmState.PENDING)
    assert [of_vm(one, name) for name in ("VMS", "CPU", "MEMORY", "RUNNING_VMS")] == [1, 150, 512, 1]
    assert figures_of_vm(replace(one, state=VmState.DONE)) == {}


def test_a_vm_counts_for_the_cluster_that_it_was_last_in():
    assert of_vm(machine(history=(STAY,)), "VMS", "5") == 1
    assert of_vm(machine(history=(STAY, replace(STAY, seq=1, cluster_id=6))), "VMS", "5") == 0


def test_disks_in_a_system_datastore_count_with_their_snapshots_and_persistent_images_elsewhere():
    disks = [
        {"DISK_ID": "0", "TYPE": "FS", "SIZE": "10"},
        {"DISK_ID": "1", "TYPE": "FILE", "IMAGE_ID": "4", "CLONE": "YES", "SIZE": "100", "DATASTORE_ID": "9"},
        {"DISK_ID": "2", "TYPE": "FILE", "IMAGE_ID": "5", "CLONE": "NO", "SIZE": "1000", "DATASTORE_ID": "9"},
    ]
    snapshots = tuple(
        DiskSnapshots(disk_id, 2, 1, (DiskSnapshot(0, "old", 50, size), DiskSnapshot(1, "new", 150, size)))
        for disk_id, size in ((1, 100), (2, 1000))
    )
    one = machine(template=template(DISK=disks), disk_snapshots=snapshots, stime=100)
    assert of_vm(one, "SYSTEM_DISK_SIZE") == 10 + 100 + 2 * 100
    found = figures_of_vm(one)
    assert found["DATASTORE", "9", "SIZE"] == 1000  # the older one came with the image, and counts there
    assert found["IMAGE", "4", "RVMS"] == found["IMAGE", "5", "RVMS"] == 1


def test_devices_count_apart_from_devices_that_are_nics():
    one = machine(template=template(PCI=[{"CLASS": "0300"}, {"TYPE": "NIC"}, {"TYPE": "NIC"}]))
    assert [of_vm(one, name) for name in ("PCI_DEV", "PCI_NIC", "RUNNING_PCI_NIC")] == [1, 2, 2]


def test_an_image_counts_with_its_snapshots():
    of = DiskSnapshots(0, 1, 0, (DiskSnapshot(0, "a", 1, 70),))
    image = Image(1, 2, 3, "a", ImageType.OS, 9, size_mib=100, snapshots=of)
    assert figures_of_image(image) == {("DATASTORE", "9", "IMAGES"): 1, ("DATASTORE", "9", "SIZE"): 170}


def test_only_what_starts_a_vm_lets_it_count_as_running():
    began = {
        row.event
        for row in TABLE.values()
        if issubclass(row.event, events.Request) and row.start not in RUNNING and row.end in RUNNING
    }
    assert began == {events.Resume, events.Deploy, events.DeleteRecreate}


# -- from scratch, and step by step -----------------------------------------------------------------------


def totals(draft):
    """The same, by what memory had and what each layer changed."""
    found = {}
    for usage in (draft.memory.usage, *(layer.usage_change() for layer in draft.layers())):
        for owner, figures in usage.items():
            for figure, amount in figures.items():
                found[owner, figure] = found.get((owner, figure), 0) + amount
    return {key: amount for key, amount in found.items() if amount}


def flat(usage):
    return {(owner, figure): amount for owner, figures in usage.items() for figure, amount in figures.items()}


@settings(max_examples=150, deadline=None)
@given(turns=st.lists(COMMANDS, max_size=4), asked=st.sets(st.integers(0, 15)))
def test_usage_brought_up_to_date_equals_usage_recomputed(turns, asked):
    memory = Memory(FakeStore().load())
    number = 0
    for commands in turns:
        turn = Draft(memory, 1000)
        for changes in commands:
            command = turn.child()
            for change in changes:
                carry_out(command, change)
            if number in asked:
                assert totals(command) == flat(usage_of(command))
            command.fold()
            number += 1
        if number in asked:
            assert totals(turn) == flat(usage_of(turn))
        memory.adopt(turn.batch)
        fresh = recomputed(memory.vms.values(), memory.images.values(), memory.networks, memory.leases.values())
        assert memory.usage == fresh


@settings(max_examples=200, deadline=None)
@given(one=vms(), other=vms())
def test_what_is_told_to_take_the_same_does(one, other):
    merged = replace(other, template=one.template, disk_snapshots=one.disk_snapshots, files=one.files)
    if takes_the_same(one, merged) and one.state is not VmState.DONE:
        assert figures_of_vm(one) == figures_of_vm(merged)
        assert (one.uid, one.gid) == (merged.uid, merged.gid)


@pytest.mark.parametrize("uid", [0, 2])
def test_who_has_no_quotas_has_no_usage(uid):
    usage = recomputed([machine(uid=uid, gid=0, state=VmState.RUNNING)], [], {}, [])
    assert set(usage) == ({("user", 2)} if uid else set())
