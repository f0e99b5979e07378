"""Every document against the schemas of today's API, and with contents that try to break out of it."""

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from msgspec.structs import replace

from tests.core.template.strategies import NAMES, TEMPLATES, VALUES
from tests.core.template.test_attributes import SINGLES_AND_KEYS, samples, with_value
from tests.wire.schemas import valid
from trifid.core.access import Permissions
from trifid.core.host import Host, HostObservation, HostState
from trifid.core.image.datastore import Space
from trifid.core.network.define import Defaults, define
from trifid.core.network.record import HELD_BY_NOBODY, AddressRange, Lease, Network
from trifid.core.quota import NO_LIMITS
from trifid.core.template.attributes import TEMPLATE, USER_TEMPLATE, place_of
from trifid.core.template.model import Template, template
from trifid.core.template.prepare import prepare
from trifid.core.template.xml import to_xml
from trifid.core.user import Group, LoginToken, User
from trifid.core.vm.record import VM, DiskSnapshot, DiskSnapshots, HistoryRecord, Needs
from trifid.core.vm.states import VmState
from trifid.engine.config import Config, Database, Drivers, DriverSettings
from trifid.engine.engine import Engine
from trifid.wire.bodies import group as group_body
from trifid.wire.bodies import host as host_body
from trifid.wire.bodies import network as network_body
from trifid.wire.bodies import user as user_body
from trifid.wire.bodies import vm as vm_body
from trifid.wire.bodies.parts import escaped_pool, pool
from trifid.wire.bodies.quotas import default_quotas
from trifid.wire.xmlrpc import decode_answer, encode_answer
from trifid.wire.xmltext import escape, writable


def attributes(element):
    """Return the template that an element holds."""
    return Template(tuple((e.tag, {k.tag: k.text or "" for k in e} if len(e) else e.text or "") for e in element))


class Names:
    """Users and groups with awkward names."""

    def user(self, uid):
        return f"user <{uid}> & co"

    def group(self, gid):
        return f"group ]]> {gid}"


NAMED = Names()

# -- virtual machines --------------------------------------------------------------------------------

RECORD = HistoryRecord(
    seq=0, host_id=3, hostname="host<3>", cluster_id=0, vmm="kvm", tm="shared", datastore_id=0, stime=100, action=21
)
FULL_TEMPLATE = prepare(
    template(
        NAME="web",
        CPU="0.5",
        MEMORY="512",
        VCPU="2",
        OS={"KERNEL": "/vmlinuz", "BOOT": "hd"},
        DISK=[{"SOURCE": "/images/etch/disk.img"}, {"TYPE": "swap", "SIZE": "1024"}],
        NIC=[{"NETWORK": "public", "IP": "10.0.0.1", "OWN": "<&"}, {"BRIDGE": "br0"}],
        GRAPHICS={"TYPE": "vnc", "LISTEN": "0.0.0.0", "PASSWD": "secret"},
        VIDEO={"VRAM": "16384", "TYPE": "vga", "ATS": "yes", "RESOLUTION": "1280x720", "IOMMU": "no"},
        CONTEXT={"FILES": "/a", "X": 'it\'s ]] > "$" '},
        FEATURES={"ACPI": "yes"},
        RAW={"TYPE": "kvm", "DATA": "<devices/>"},
        MY_OWN={"K": "v"},
        RANK="FREE_CPU",
    )
)


def vm(state=VmState.RUNNING, **more):
    made = VM(
        id=42,
        uid=7,
        gid=1,
        name="web <1>",
        state=state,
        needs=Needs(50, 512),
        stime=90,
        deploy_id="one-42",
        template=FULL_TEMPLATE.template,
        user_template=FULL_TEMPLATE.user_template,
        history=(RECORD, replace(RECORD, seq=1, etime=150)),
    )
    return replace(made, **more)


def vm_pool(*entries):
    return "".join(pool("VM_POOL", entries))


SEEN = {
    "CPU": "12.5",
    "MEMORY": "1024",
    "NETRX": "0",
    "NETTX_BW": "1.5",
    "DISKRDBYTES": "7",
    "STATE": "a",
    "OWN": "x",
    "NETTX": "",
    "DISKRDIOPS": "many",
    "not a name": "x",
}
DOCUMENTS = {
    "vm": vm_body.vm_full,
    "vm_pool_extended": lambda *args: vm_pool(vm_body.vm_extended(*args), vm_body.vm_extended(*args)),
    "vm_pool": lambda *args: vm_pool(vm_body.vm_pool_entry(*args), vm_body.vm_pool_entry(*args)),
}


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("state", VmState, ids=lambda state: state.name)
def test_a_vm_in_any_state_follows_its_schemas(name, state):
    root = valid(DOCUMENTS[name](vm(state), NAMED), name)
    one = root if root.tag == "VM" else root[0]
    assert (one.findtext("STATE"), one.findtext("LCM_STATE")) == (str(state.state), str(state.lcm_state))


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize(
    "one",
    [
        vm(VmState.PENDING, history=(), deploy_id=""),
        vm(template=Template(), user_template=Template(), history=(RECORD,)),
        vm(etime=200, resched=True, prev=VmState.BOOT, permissions=Permissions(0o777), history=(RECORD,) * 5),
    ],
    ids=["never deployed", "empty", "worn"],
)
def test_vms_of_all_kinds_follow_their_schemas(name, one):
    valid(DOCUMENTS[name](one, NAMED), name)


SNAPSHOTS = (
    DiskSnapshots(
        disk_id=1,
        next_id=3,
        active=2,
        snapshots=(
            DiskSnapshot(0, "before <&", 100, 1024),
            DiskSnapshot(1, "a", 101, 1024, parent=0),
            DiskSnapshot(2, "b ]]>", 102, 2048, parent=0, pending="delete"),
        ),
    ),
    DiskSnapshots(disk_id=0, next_id=4),
)


def test_the_snapshots_of_disks_are_listed_disk_by_disk():
    root = valid(vm_body.vm_full(vm(disk_snapshots=SNAPSHOTS), NAMED), "vm")
    once, now = root.findall("SNAPSHOTS")
    assert [(e.tag, e.text) for e in once] == [
        *(("ALLOW_ORPHANS", "YES"), ("CURRENT_BASE", "-1"), ("DISK_ID", "0"), ("NEXT_SNAPSHOT", "4")),
    ]
    assert [[(e.tag, e.text) for e in one] for one in now.findall("SNAPSHOT")] == [
        [("CHILDREN", "1,2"), ("DATE", "100"), ("ID", "0"), ("NAME", "before <&"), ("PARENT", "-1"), ("SIZE", "1024")],
        [("DATE", "101"), ("ID", "1"), ("NAME", "a"), ("PARENT", "0"), ("SIZE", "1024")],
        [("ACTIVE", "YES"), ("DATE", "102"), ("ID", "2"), ("NAME", "b ]]>"), ("PARENT", "0"), ("SIZE", "2048")],
    ]
    extended = valid(vm_pool(vm_body.vm_extended(vm(disk_snapshots=SNAPSHOTS), NAMED)), "vm_pool_extended")[0]
    assert len(extended.findall("SNAPSHOTS")) == 2
    assert "<SNAPSHOTS>" not in vm_body.vm_pool_entry(vm(disk_snapshots=SNAPSHOTS), NAMED)


def test_the_disk_whose_snapshot_is_worked_on_is_marked():
    marked = vm_body.vm_full(vm(disk_snapshots=SNAPSHOTS), NAMED)
    disks = [{e.tag: e.text for e in disk} for disk in valid(marked, "vm").findall("TEMPLATE/DISK")]
    assert [disk.get("DISK_SNAPSHOT_ACTIVE") for disk in disks] == [None, "YES"]
    assert disks[1]["DISK_SNAPSHOT_ID"] == "2"


def test_a_snapshot_of_the_machine_follows_the_schema_while_it_is_made_and_afterwards():
    made = {"HYPERVISOR_ID": "snap-0", "NAME": "<&", "SNAPSHOT_ID": "0", "SYSTEM_DISK_SIZE": "0", "TIME": "100"}
    worn = FULL_TEMPLATE.template.having(
        ("SNAPSHOT", {**made, "ACTIVE": "YES"}), ("SNAPSHOT", {**made, "ACTION": "CREATE"})
    )
    actions = valid(vm_body.vm_full(vm(template=worn), NAMED), "vm").findall("TEMPLATE/SNAPSHOT")
    assert [one.findtext("ACTION") for one in actions] == [None, "CREATE"]


def test_what_a_resize_would_go_back_to_is_not_shown():
    resizing = FULL_TEMPLATE.template.having(("RESIZE_PREV", {"CPU": "1", "MEMORY_MIB": "64"}))
    for name, render in DOCUMENTS.items():
        assert "RESIZE_PREV" not in etree.tostring(valid(render(vm(template=resizing), NAMED), name)).decode()


@pytest.mark.parametrize("name", ["vm_pool", "vm_pool_extended"])
def test_an_empty_pool_follows_its_schema(name):
    assert vm_pool() == "<VM_POOL></VM_POOL>"
    valid(vm_pool(), name)


@pytest.mark.parametrize("render", [vm_body.vm_full, vm_body.vm_extended, vm_body.vm_pool_entry])
def test_how_far_a_live_migration_is_stands_beside_what_the_user_keeps(render):
    moving = {"PERCENT": "43", "LEFT_MIB": "120"}
    kept = vm(user_template=template(LABELS="a", SCHED_RANK="x"))
    schema = "vm_pool" if render is vm_body.vm_pool_entry else "vm"
    document = render(kept, NAMED, 1000, {}, moving)
    root = valid(f"<VM_POOL>{document}</VM_POOL>" if schema == "vm_pool" else document, schema)
    told = root.find(".//USER_TEMPLATE/LIVE_MIGRATION")
    assert {one.tag: one.text for one in told} == moving
    assert root.find(".//USER_TEMPLATE/LABELS").text == "a"


def test_monitoring_that_the_schema_knows_follows_it_and_is_never_an_empty_number():
    known = {key: value for key, value in SEEN.items() if key not in ("OWN", "STATE")}
    seen = valid(vm_body.vm_full(vm(), NAMED, 1000, known), "vm").find("MONITORING")
    assert [(e.tag, e.text) for e in seen] == [
        *(("CPU", "12.5"), ("DISKRDBYTES", "7"), ("ID", "42"), ("MEMORY", "1024")),
        *(("NETRX", "0"), ("NETTX_BW", "1.5"), ("TIMESTAMP", "1000")),
    ]


def test_other_monitoring_comes_last_and_the_short_body_shows_three_figures():
    seen = etree.fromstring(vm_body.vm_full(vm(), NAMED, 1000, SEEN)).find("MONITORING")
    assert [e.tag for e in seen][-3:] == ["TIMESTAMP", "OWN", "STATE"]
    short = valid(vm_pool(vm_body.vm_pool_entry(vm(), NAMED, 1000, SEEN)), "vm_pool")[0].find("MONITORING")
    assert [e.tag for e in short] == ["CPU", "MEMORY", "STATE"]


def test_the_short_body_leaves_out_what_the_pool_does_not_show():
    one = etree.fromstring(vm_body.vm_pool_entry(vm(), NAMED))
    assert attributes(one.find("USER_TEMPLATE")) == template(RANK="FREE_CPU")
    assert [e.tag for e in one.find("TEMPLATE")] == ["CPU", "MEMORY", "VCPU", "DISK", "DISK", "NIC", "NIC", "GRAPHICS"]
    assert "secret" not in vm_body.vm_pool_entry(vm(), NAMED)
    assert len(one.findall("HISTORY_RECORDS/HISTORY")) == 1


@pytest.mark.parametrize("row", SINGLES_AND_KEYS, ids=lambda row: row.path)
@pytest.mark.parametrize("empty", [False, True], ids=["given", "empty"])
def test_a_vm_with_any_declared_attribute_follows_the_schema(row, empty):
    one = with_value(row, "" if empty else samples(row)[0])
    if row.key and row.name == "DISK":
        one = one.replacing("DISK", {"TYPE": "fs", "SIZE": "1", row.key: one.vector("DISK")[row.key]})
    halves = [Template(tuple(p for p in one if place_of(p[0]) == place)) for place in (TEMPLATE, USER_TEMPLATE)]
    for name, render in DOCUMENTS.items():
        valid(render(vm(template=halves[0], user_template=halves[1]), NAMED), name)


@given(TEMPLATES, st.dictionaries(NAMES, VALUES, max_size=3), st.text(max_size=10))
@settings(max_examples=150, deadline=None)
def test_nothing_that_a_user_writes_breaks_out_of_a_document(user_template, context, name):
    one = vm(
        name=name,
        deploy_id=name,
        template=FULL_TEMPLATE.template.replacing("CONTEXT", context),
        user_template=user_template,
        history=(replace(RECORD, hostname=name),),
    )
    for schema_name, render in DOCUMENTS.items():
        root = valid(render(one, NAMED), schema_name)
        for found in [root] if root.tag == "VM" else list(root):
            assert (found.findtext("NAME") or "") == writable(name)
            assert (found.findtext("HISTORY_RECORDS/HISTORY/HOSTNAME") or "") == writable(name)
            if schema_name != "vm_pool":
                assert attributes(found.find("USER_TEMPLATE")) == user_template.by_name()
                assert {e.tag: e.text or "" for e in found.find("TEMPLATE/CONTEXT")} == context if context else True


# -- hosts -------------------------------------------------------------------------------------------

HOST = Host(
    id=3,
    name="host<3>",
    state=HostState.MONITORED,
    im="kvm",
    vmm="kvm & more",
    total_cpu_percent=800,
    total_memory_kib=16_000_000,
    template=template(HYPERVISOR="kvm", RESERVED_CPU="100", OWN={"K": "<&"}),
)
USAGE = host_body.HostUsage(cpu_percent=150, memory_kib=1024, running_vms=2, vm_ids={42, 7}, disk_mib=70)
OBSERVED = HostObservation(
    at=1000,
    free_cpu_percent=700,
    used_cpu_percent=100,
    disk=Space(900, 300, 500, 1000),
    more={"NETRX": "5", "NETTX": "lots"},
)


@pytest.mark.parametrize("state", HostState, ids=lambda state: state.name)
@pytest.mark.parametrize("seen", [HostObservation(), OBSERVED], ids=["never seen", "seen"])
def test_a_host_follows_its_schemas(state, seen):
    document = host_body.host_full(replace(HOST, state=state), USAGE, seen)
    root = valid(document, "host")
    assert [e.text for e in root.find("VMS")] == ["7", "42"]
    assert root.findtext("HOST_SHARE/MAX_CPU") == "700"
    valid("".join(pool("HOST_POOL", [document, document])), "host_pool")
    valid("".join(pool("HOST_POOL", [])), "host_pool")


def test_a_host_shows_the_room_for_datastores_and_what_of_it_is_promised():
    share = etree.fromstring(host_body.host_full(HOST, USAGE, OBSERVED)).find("HOST_SHARE/DATASTORES")
    figures = {"DISK_USAGE": "70", "FREE_DISK": "500", "MAX_DISK": "900", "USED_DISK": "300"}
    assert {e.tag: e.text for e in share} == figures


DEVICES = [
    {"TYPE": "8086:1520:0200", "ADDRESS": "0000:af:00.1", "IFNAME": "eth<0>", "NUMA_NODE": "1", "UUID": "u"},
    {"TYPE": "10de:1eb8:0302", "ADDRESS": "3b:00:0", "DEVICE_NAME": "Tesla & more"},
    {"TYPE": "10de:1eb8:0302"},
]


def test_a_host_shows_its_devices_and_who_has_them():
    usage = replace(USAGE, devices={"0000:3b:00.0": 42})
    root = valid(host_body.host_full(replace(HOST, template=template(PCI=DEVICES)), usage, OBSERVED), "host")
    told = [{e.tag: e.text or "" for e in one} for one in root.iterfind("HOST_SHARE/PCI_DEVICES/PCI")]
    keys = ("ADDRESS", "VMID", "VENDOR", "CLASS", "BUS", "IFNAME", "NUMA_NODE", "DEVICE_NAME")
    assert [[one[key] for key in keys] for one in told] == [
        ["0000:3b:00.0", "42", "10de", "0302", "3b", "", "-", "Tesla & more"],
        ["0000:af:00.1", "-1", "8086", "0200", "af", "eth<0>", "1", ""],
    ]


def test_a_vm_shows_its_devices_where_the_schemas_have_a_place_for_them():
    one = vm(template=template(PCI=[{"VENDOR": "10de"}]))
    one = replace(one, history=(replace(one.history[-1], etime=0, devices=("0000:3b:00.0",)),))
    for name, render in DOCUMENTS.items():
        told = next(valid(render(one, NAMED), name).iter("PCI"))
        assert (told.findtext("ADDRESS"), told.findtext("BUS"), told.findtext("PCI_ID")) == ("0000:3b:00.0", "3b", "0")


def test_a_probes_own_figures_come_after_the_known_ones():
    seen = HostObservation(at=1, more={"A_OWN": "<&", "NETRX": "5", "no name": "x", "0": "x", "-": "x"})
    system = etree.fromstring(host_body.host_full(HOST, USAGE, seen)).find("MONITORING/SYSTEM")
    assert [(e.tag, e.text) for e in system] == [("NETRX", "5"), ("A_OWN", "<&")]


@given(TEMPLATES, st.text(max_size=10))
@settings(max_examples=60, deadline=None)
def test_nothing_that_a_probe_says_breaks_out_of_a_host(one, name):
    root = valid(host_body.host_full(replace(HOST, template=one, name=name, im=name), USAGE, OBSERVED, name), "host")
    assert attributes(root.find("TEMPLATE")) == one.by_name()
    assert (root.findtext("NAME") or "") == (root.findtext("IM_MAD") or "") == writable(name)


# -- networks ----------------------------------------------------------------------------------------


def network(**more):
    return define(
        template({"NAME": "private 1", "BRIDGE": "br0", **more}),
        network_id=5,
        uid=7,
        gid=1,
        defaults=Defaults(mac_prefix=0x0200, network_size=254),
        random_mac_suffix=lambda: 7,
    )


RANGES = [
    {"TYPE": "ETHER", "SIZE": "5"},
    {"TYPE": "IP4", "SIZE": "5", "IP": "10.0.0.10", "MAC": "02:01:00:00:00:01"},
    {"TYPE": "IP6", "SIZE": "5", "GLOBAL_PREFIX": "2001:db8::", "ULA_PREFIX": "fd00::", "MAC": "02:02:00:00:00:01"},
    {"TYPE": "IP4_6", "SIZE": "5", "IP": "10.0.1.10", "GLOBAL_PREFIX": "2001:db8:1::", "MAC": "02:03:00:00:00:01"},
    {"TYPE": "IP6_STATIC", "IP6": "2001:db8:2::1", "PREFIX_LENGTH": "64", "SIZE": "2", "MAC": "02:04:00:00:00:01"},
    {
        "TYPE": "IP4_6_STATIC",
        "IP": "10.0.2.10",
        "SIZE": "2",
        "MAC": "02:05:00:00:00:01",
        "IP6": "2001:db8:3::1",
        "PREFIX_LENGTH": "64",
    },
]
NETWORKS = {
    "RANGED": network(TYPE="RANGED", NETWORK_ADDRESS="10.0.0.0", NETWORK_SIZE="250", GATEWAY="10.0.0.254"),
    "FIXED": network(TYPE="FIXED", LEASES=[{"IP": "130.10.0.1", "MAC": "50:20:20:20:20:20"}, {"IP": "130.10.0.2"}]),
    "none": network(VN_MAD="bridge"),
    **{ar["TYPE"]: network(VN_MAD="bridge", AR=ar) for ar in RANGES},
    "all": network(VN_MAD="vxlan", PHYDEV="eth0", VLAN_ID="7", AR=RANGES),
}


def leases(net: Network):
    """Return a lease of a VM and, where there is room, one on hold, in every range."""
    return [
        Lease(net.id, ar.id, index, vm_id, ar.mac + index, None if ar.ip is None else ar.ip + index)
        for ar in net.ranges
        for index, vm_id in ((0, 42), (1, HELD_BY_NOBODY))[: ar.size]
    ]


def strictly_ordered(net: Network):
    """Return the network without what the schema does not order in a range (PREFIX_LENGTH, IP6 in a pool)."""
    ranges = [
        replace(ar, attributes={k: v for k, v in ar.attributes.items() if k != "PREFIX_LENGTH"}) for ar in net.ranges
    ]
    return replace(net, ranges=tuple(ranges))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_follows_its_schemas(name):
    net = strictly_ordered(NETWORKS[name])
    root = valid(network_body.network_full(net, NAMED, leases(net)), "vnet")
    assert root.findtext("USED_LEASES") == str(len(leases(net)))
    assert [e.text for e in root.find("UPDATED_VMS")] == (["42"] if net.ranges else [])
    assert len(root.findall("AR_POOL/AR/LEASES/LEASE")) == len(leases(net))
    entry = network_body.network_pool_entry(net, NAMED, len(leases(net)))
    found = valid("".join(pool("VNET_POOL", [entry, entry])), "vnet_pool")
    assert found.findall(".//LEASES") == found.findall(".//MAC_END") == []
    valid("".join(pool("VNET_POOL", [])), "vnet_pool")


def test_the_ranged_network_of_the_2009_slides_shows_its_ends():
    ar = etree.fromstring(network_body.network_full(NETWORKS["RANGED"], NAMED, [])).find("AR_POOL/AR")
    found = {e.tag: e.text for e in ar}
    assert (found["IP"], found["IP_END"], found["SIZE"]) == ("10.0.0.1", "10.0.0.250", "250")
    assert (found["MAC"], found["MAC_END"]) == ("02:00:0a:00:00:01", "02:00:0a:00:00:fa")


def test_a_lease_outside_the_automatic_ones_is_shown_with_its_address():
    net = NETWORKS["RANGED"]
    (ar,) = net.ranges
    lease = Lease(net.id, ar.id, -1, 42, ar.mac - 1, ar.ip - 1)
    found = valid(network_body.network_full(net, NAMED, [lease]), "vnet").find("AR_POOL/AR/LEASES/LEASE")
    assert {e.tag: e.text for e in found} == {"IP": "10.0.0.0", "MAC": "02:00:0a:00:00:00", "VM": "42"}


def test_attributes_of_a_range_that_the_schema_does_not_know_come_last():
    net = network(VN_MAD="bridge", AR={**RANGES[1], "GATEWAY": "10.0.0.254", "A_OWN": "<&"})
    tags = [e.tag for e in etree.fromstring(network_body.network_full(net, NAMED, [])).find("AR_POOL/AR")]
    assert tags[-2:] == ["A_OWN", "GATEWAY"]


@given(TEMPLATES, st.text(max_size=10), st.dictionaries(st.text(max_size=3), VALUES, max_size=2))
@settings(max_examples=60, deadline=None)
def test_nothing_that_a_user_writes_breaks_out_of_a_network(one, name, own):
    ar = AddressRange(id=0, type="IP4", size=1, mac=1, ip=1, attributes=own)
    net = replace(NETWORKS["none"], name=name, bridge=name, template=one, ranges=(ar,))
    root = etree.fromstring(network_body.network_full(net, NAMED, []))
    assert attributes(root.find("TEMPLATE")) == one.by_name()
    assert (root.findtext("NAME") or "") == (root.findtext("BRIDGE") or "") == writable(name)
    valid(network_body.network_full(replace(net, ranges=(replace(ar, attributes={}),)), NAMED, []), "vnet")


# -- users and groups --------------------------------------------------------------------------------

USER = User(
    id=7,
    name="alice <7>",
    gids=(1, 100),
    password="scrypt$SECRET",
    tokens=(LoginToken("DIGEST", 1000), LoginToken("DIGEST", -1, 100)),
    template=template(SSH_PUBLIC_KEY="ssh-rsa AAAA", OWN={"K": "<&"}),
)
GROUP = Group(id=100, name="group & co", template=template(OWN="]] >"))


@pytest.mark.parametrize("user", [USER, User(id=0, name="oneadmin", gids=(0,)), replace(USER, enabled=False)])
def test_a_user_follows_its_schemas_and_keeps_its_secrets(user):
    entries = [user_body.user_pool_entry(user, NAMED)] * 2
    documents = {
        "user": user_body.user_full(user, NAMED),
        "user_pool": "".join(pool("USER_POOL", entries, default_quotas("DEFAULT_USER_QUOTAS", NO_LIMITS))),
    }
    for name, document in documents.items():
        root = valid(document, name)
        assert "SECRET" not in document and "DIGEST" not in document
        assert [e.text for e in root.find(".//GROUPS")] == [str(gid) for gid in user.gids]
    valid("".join(pool("USER_POOL", [], default_quotas("DEFAULT_USER_QUOTAS", NO_LIMITS))), "user_pool")


@pytest.mark.parametrize("members", [(), {9, 7}])
def test_a_group_follows_its_schemas(members):
    root = valid(group_body.group_full(GROUP, members), "group")
    assert [int(e.text) for e in root.find("USERS")] == sorted(members)
    entries = [group_body.group_pool_entry(GROUP, members)] * 2
    valid("".join(pool("GROUP_POOL", entries, default_quotas("DEFAULT_GROUP_QUOTAS", NO_LIMITS))), "group_pool")


@given(TEMPLATES, st.text(max_size=10))
@settings(max_examples=60, deadline=None)
def test_nothing_that_is_written_breaks_out_of_a_user_or_group(one, name):
    user = valid(user_body.user_full(replace(USER, template=one, name=name, auth_driver=name), NAMED), "user")
    group = valid(group_body.group_full(replace(GROUP, template=one, name=name), ()), "group")
    for root in (user, group):
        assert attributes(root.find("TEMPLATE")) == one.by_name()
        assert (root.findtext("NAME") or "") == writable(name)


# -- pools on their way out --------------------------------------------------------------------------


def test_a_pool_of_escaped_entries_is_the_pool_once_it_is_read():
    entries = [vm_body.vm_pool_entry(vm(id=i), NAMED) for i in range(3)]
    sent = escaped_pool("VM_POOL", [escape(entry) for entry in entries])
    assert decode_answer(encode_answer([True, sent, 0])) == [True, vm_pool(*entries), 0]


# -- the configuration -------------------------------------------------------------------------------


def test_the_configuration_follows_its_schema_and_tells_no_secret():
    drivers = {name: DriverSettings(executable=f"trifid-{name}", arguments="-p SECRET") for name in ("kvm", "dummy")}
    config = Config(database=Database(url="postgresql://SECRET"), drivers=Drivers(drivers, drivers, drivers, drivers))
    document = to_xml(Engine.public_config(SimpleNamespace(config=config)), root="OPENNEBULA_CONFIGURATION")
    assert valid(document, "opennebula_configuration").findtext("PORT") == "2633"
    assert "SECRET" not in document
