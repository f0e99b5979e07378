"""What users and groups have: recomputed from scratch, and brought up to date change by change."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.vm.builders import vm
from tests.engine.fake_store import FakeStore
from trifid.core.image.record import Image, ImageType
from trifid.core.network.record import HELD_BY_NOBODY, AddressRange, Lease, Network
from trifid.core.quota_usage import RUNNING, figures_of_image, figures_of_vm, recomputed, takes_the_same
from trifid.core.template.model import template
from trifid.core.vm import events
from trifid.core.vm.record import DiskSnapshot, DiskSnapshots, HistoryRecord, Needs, UsedFile
from trifid.core.vm.states import VmState
from trifid.core.vm.table import TABLE
from trifid.engine.memory import Memory
from trifid.engine.transaction import Draft

STAY = HistoryRecord(0, 1, "node1", 5, "dummy", "dummy", 0, 100)


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


OWNERS = st.sampled_from([(0, 0), (2, 0), (2, 3), (4, 3)])
DISKS = st.lists(
    st.fixed_dictionaries(
        {
            "DISK_ID": st.sampled_from("01"),
            "TYPE": st.sampled_from(["FS", "FILE"]),
            "SIZE": st.sampled_from(["", "10", "x"]),
            "IMAGE_ID": st.sampled_from(["", "1"]),
            "CLONE": st.sampled_from(["YES", "NO"]),
            "DATASTORE_ID": st.just("1"),
        }
    ),
    max_size=2,
)
NICS = st.lists(st.fixed_dictionaries({"NETWORK_ID": st.sampled_from(["", "1", "2"])}), max_size=2)
SNAPSHOTS = st.sampled_from([(), (DiskSnapshots(0, 1, 0, (DiskSnapshot(0, "a", 500, 7),)),)])


@st.composite
def vms(draw):
    uid, gid = draw(OWNERS)
    return vm(
        id=draw(st.integers(1, 3)),
        uid=uid,
        gid=gid,
        state=draw(st.sampled_from(list(VmState))),
        needs=Needs(draw(st.integers(0, 3)), draw(st.integers(0, 3))),
        history=draw(st.sampled_from([(), (STAY,), (replace(STAY, cluster_id=6),)])),
        template=template(DISK=draw(DISKS), NIC=draw(NICS)),
        disk_snapshots=draw(SNAPSHOTS),
        files=draw(st.sampled_from([(), (UsedFile("kernel", 2, "/k", "k"),)])),
    )


@st.composite
def images(draw):
    uid, gid = draw(OWNERS)
    size_mib = draw(st.integers(0, 3))
    return Image(draw(st.integers(1, 2)), uid, gid, f"i{uid}", ImageType.OS, draw(st.integers(1, 2)), size_mib=size_mib)


@st.composite
def networks(draw):
    uid, gid = draw(OWNERS)
    network_id = draw(st.integers(1, 3))
    # network 3 is a part of network 1, at another place each time
    is_part = network_id == 3
    ar = AddressRange(0, "IP4", draw(st.integers(1, 4)), 0, 1, **({"parent_range_id": 0} if is_part else {}))
    parent = "1" if is_part else ""
    return Network(network_id, uid, gid, "net", "br0", "dummy", parent_id=parent, ranges=(ar,))


LEASES = st.builds(
    Lease, st.integers(1, 2), st.just(0), st.integers(10, 12), st.sampled_from([HELD_BY_NOBODY, 1]), st.just(1)
)
GONE = st.tuples(st.sampled_from(["vms", "images", "networks", "leases"]), st.integers(1, 3))
COMMANDS = st.lists(st.lists(st.one_of(vms(), images(), networks(), LEASES, GONE), min_size=1, max_size=3), max_size=4)


def carry_out(draft, change):
    if not isinstance(change, tuple):
        draft.put(change)
    elif change[0] != "leases":
        if draft.find(*change) is not None:
            draft.delete(*change)
    elif (key := (change[1], 0, 10)) and draft.lease(key) is not None:
        draft.delete("leases", key)


def usage_of(draft):
    """What everybody has in a draft, from nothing but the records."""
    alive = {network.id: network for network in draft.each("networks")}
    return recomputed(draft.each("vms"), draft.each("images"), alive, draft.each("leases"))


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
