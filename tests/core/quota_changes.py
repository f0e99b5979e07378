"""VMs, images, networks and leases as hypothesis draws them, and changes of them: what quotas count."""

from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.vm.builders import vm
from trifid.core.image.record import Image, ImageType
from trifid.core.network.record import HELD_BY_NOBODY, AddressRange, Lease, Network
from trifid.core.quota_usage import recomputed
from trifid.core.template.model import template
from trifid.core.vm.record import DiskSnapshot, DiskSnapshots, HistoryRecord, Needs, UsedFile
from trifid.core.vm.states import VmState

STAY = HistoryRecord(0, 1, "node1", 5, "dummy", "dummy", 0, 100)


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
    """Put a record, or delete the one of a pool that is named, if it is there."""
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
