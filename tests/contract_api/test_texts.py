"""What a refusal says: its code and its text, as clients of today's engine know them.

Source: reference/api-modern.md §2.  Where our text says more it begins as theirs does.
"""

import pytest

from tests.methods.world import ADMIN, ALICE, ALICE_ID, EVE, EVE_ID, HOST_ID, NETWORK_ID, VM_ID, Refusal
from trifid.methods.registry import METHODS

MEASURED = [
    ("one.vm.allocate", ('NAME="x\nCPU=1\nMEMORY=1', True), 0x2000, "Invalid NAME, char '\"' is not allowed"),
    ("one.vm.allocate", ("NAME=x CPU=", True), 0x2000, "Parse error: "),
    ("one.vm.allocate", ("CPU=[", True), 0x2000, "Parse error: "),
    ("one.template.allocate", ("CPU=[",), 0x2000, "Parse error: "),
    ("one.template.allocate", ("CPU=1",), 0x2000, "Invalid NAME, it cannot be empty"),
    ("one.template.allocate", ("NAME=",), 0x2000, "Parse error: "),
    ("one.vn.allocate", ("NAME=[", -1), 0x2000, "Parse error: "),
    ("one.image.allocate", ("NAME=[", 1), 0x2000, "Parse error: "),
    ("one.image.allocate", ("NAME=x", 1), 0x2000, "Cannot parse image SIZE: Wrong number or missing SIZE attribute."),
    ("one.image.allocate", ("NAME=x\nTYPE=DATABLOCK\nSIZE=4", 99), 0x0400, "Error getting datastore [99]."),
    ("one.datastore.allocate", ("NAME=[", -1), 0x2000, "Parse error: "),
    ("one.datastore.allocate", ("NAME=x", -1), 0x2000, "No DS_MAD in template."),
    (
        "one.cluster.allocate",
        ("default",),
        0x4000,
        "Error allocating a new cluster. NAME is already taken by CLUSTER 0.",
    ),
    ("one.group.allocate", ("users",), 0x2000, "NAME is already taken by GROUP 1."),
    ("one.user.allocate", ("oneadmin", "x", "core", [1]), 0x2000, "NAME is already taken by USER 0."),
    ("one.user.allocate", ("o:x", "x", "core", [1]), 0x2000, "Invalid NAME, char ':' is not allowed."),
    ("one.user.allocate", ("", "x", "core", [1]), 0x2000, "Invalid NAME, it cannot be empty."),
    (
        "one.secgroup.allocate",
        ("NAME=x\nRULE=[PROTOCOL=XXX,RULE_TYPE=inbound]",),
        0x2000,
        "Wrong PROTOCOL in rule. Valid options: TCP, UDP, ICMP, ICMPV6, IPSEC, ALL.",
    ),
    ("one.vmgroup.allocate", ("X=1",), 0x2000, "Invalid NAME, it cannot be empty"),
    (
        "one.host.allocate",
        ("a b", "x", "y", -1),
        0x4000,
        "Error allocating a new host. Invalid HOSTNAME, ' ' is invalid character for a HOSTNAME",
    ),
    ("one.host.allocate", ("zz", "", "y", -1), 0x4000, "Error allocating a new host. IM_MAD_NAME cannot be empty."),
    ("one.vn.allocate", ("NAME=q", -1), 0x2000, "No VN_MAD in template for Virtual Network."),
    (
        "one.vn.allocate",
        ("NAME=q\nVN_MAD=nosuch\nBRIDGE=x", -1),
        0x2000,
        'VN_MAD named "nosuch" is not defined in oned.conf',
    ),
    ("one.vn.allocate", ("VN_MAD=dummy\nBRIDGE=x", -1), 0x2000, "No NAME in template for Virtual Network."),
    ("one.hook.allocate", ("NAME=h",), 0x2000, "Invalid Hook type:"),
    ("one.vdc.allocate", ("X=1",), 0x2000, "Invalid NAME, it cannot be empty"),
    (
        "one.vm.allocate",
        ("NAME=x\nCPU=0\nMEMORY=1", True),
        0x2000,
        "CPU attribute must be a positive float or integer value.",
    ),
    (
        "one.vm.allocate",
        ("NAME=x\nCPU=1\nMEMORY=1\nVCPU=-1", True),
        0x2000,
        "VCPU attribute must be a positive integer value.",
    ),
    (
        "one.vm.allocate",
        ("NAME=x\nCPU=1\nMEMORY=1\nNIC=[NETWORK=nosuch]", True),
        0x2000,
        "User 0 does not own a network with name: nosuch . Set NETWORK_UNAME or NETWORK_UID of owner in NIC.",
    ),
    (
        "one.vm.allocate",
        ("NAME=x\nCPU=1\nMEMORY=1\nNIC=[NETWORK_ID=77777]", True),
        0x2000,
        "Virtual network with ID: 77777 does not exist",
    ),
    (
        "one.vm.allocate",
        ("NAME=x\nCPU=1\nMEMORY=1\nDISK=[IMAGE=nosuch]", True),
        0x2000,
        "DISK 0: User 0 does not own an image with name: nosuch . Set IMAGE_UNAME or IMAGE_UID of owner in DISK.",
    ),
    (
        "one.vm.allocate",
        ("NAME=x\nCPU=1\nMEMORY=1\nDISK=[IMAGE_ID=7777]", True),
        0x2000,
        "DISK 0: Image with ID: 7777 does not exist",
    ),
    (
        "one.vm.allocate",
        ("NAME=x\nCPU=1\nMEMORY=1\nDISK=[TYPE=swap]", True),
        0x2000,
        "DISK 0: SIZE attribute must be a positive integer value.",
    ),
    ("one.vm.allocate", ("NAME=x\nCPU=1\nMEMORY=1\nDISK=[SIZE=1]", True), 0x2000, "DISK 0: Unknown disk type"),
    ("one.vm.allocate", ('CPU=1\nMEMORY=1\nNAME="a,b<c>"', True), 0x2000, "Invalid NAME, char '<' is not allowed"),
    ("one.host.delete", (9999,), 0x0400, "Error getting host [9999]."),
    (
        "one.acl.addrule",
        ("1", "1", "1"),
        0x2000,
        "Rule ?? /?? USE #0 is malformed: [user] is missing one of the INDIVIDUAL, GROUP or ALL bits; "
        "[resource] is missing one of the INDIVIDUAL, GROUP, CLUSTER",
    ),
    ("one.acl.delrule", (9999,), 0x2000, "Rule 9999 does not exist"),
    (
        "one.zone.allocate",
        ("NAME=z",),
        0x4000,
        "Error allocating a new zone. New zones can only be created at federation master",
    ),
    ("one.vm.migrate", (5, 0, False), 0x0400, "Error getting host [0]."),
    ("one.user.delete", (0,), 0x0800, "Cannot delete user. oneadmin cannot be deleted."),
    ("one.group.delete", (0,), 0x0800, "Cannot delete group. System Groups (ID < 100) cannot be deleted."),
    ("one.cluster.delete", (0,), 0x0800, "Cannot delete cluster. System Clusters (ID < 100) cannot be deleted."),
    (
        "one.secgroup.delete",
        (0,),
        0x0800,
        "Cannot delete security group. The default security group (ID 0) cannot be deleted.",
    ),
    ("one.user.passwd", (0, ""), 0x0800, "Invalid password, it cannot be empty"),
    ("one.vm.lock", (5, 9), 0x0800, "Wrong lock level specified"),
    ("one.user.login", ("nosuch", "", 10), 0x0400, "Error getting user Pool."),
    ("one.vm.monitoring", (9999,), 0x0400, "Error getting virtual machine [9999]."),
    ("one.vmpool.accounting", (-9, -1, -1), 0x1000, "Incorrect filter_flag"),
    (
        "one.market.allocate",
        ("NAME=m\nMARKET_MAD=http",),
        0x4000,
        'Error allocating a new marketplace. MarketPlace template is missing the "BASE_URL" attribute or it\'s empty.',
    ),
    ("one.vntemplate.allocate", ("NAME=v",), 0x2000, "Error inserting Template in DB. VN_MAD is mandatory"),
]
"""Calls of the administrator that the reference has measured: method, arguments, code, text after the bracket."""

NOT_BUILT = {name for name, _, _, _ in MEASURED if not METHODS[name].is_supported}

MISSING = {
    "vm": "virtual machine",
    "host": "host",
    "vn": "virtual network",
    "image": "image",
    "user": "user",
    "template": "virtual machine template",
    "group": "group",
    "datastore": "datastore",
    "cluster": "cluster",
    "document": "document",
    "zone": "zone",
    "secgroup": "security group",
    "vdc": "VDC",
    "vmgroup": "vm group",
    "vntemplate": "virtual network template",
    "hook": "hook",
}
"""How an object that is not there is called."""


async def refused(world, session, name, *arguments):
    """Return code and text of a call that must be refused."""
    with pytest.raises(Refusal) as refusal:
        await world.ask(session, name, *arguments)
    return refusal.value.code, refusal.value.text


@pytest.mark.parametrize(("name", "arguments", "code", "text"), [m for m in MEASURED if m[0] not in NOT_BUILT])
async def test_a_measured_refusal_has_its_code_and_begins_with_its_text(world, name, arguments, code, text):
    found, told = await refused(world, ADMIN, name, *arguments)
    assert (found, told[: len(name) + 3 + len(text)]) == (code, f"[{name}] {text}")


@pytest.mark.parametrize("kind", [kind for kind in MISSING if METHODS[f"one.{kind}.info"].is_supported])
async def test_what_is_not_there_is_called_by_its_kind(world, kind):
    code, text = await refused(world, ADMIN, f"one.{kind}.info", 9999)
    assert (code, text) == (0x400, f"[one.{kind}.info] Error getting {MISSING[kind]} [9999].")


@pytest.mark.parametrize("session", ["alice:wrong", "nobody:token", "alice", ""])
async def test_who_is_not_known_learns_nothing(world, session):
    told = await refused(world, session, "one.vm.info", VM_ID)
    assert told == (0x100, "[one.vm.info] User couldn't be authenticated, aborting call.")


@pytest.mark.parametrize(
    ("session", "name", "arguments", "text"),
    [
        (EVE, "one.vm.allocate", ("CPU=1\nMEMORY=64", True), f"User [{EVE_ID}] : Not authorized to perform CREATE VM."),
        (EVE, "one.vm.rename", (VM_ID, "x"), f"User [{EVE_ID}] : Not authorized to perform MANAGE VM [{VM_ID}]."),
        (
            ALICE,
            "one.host.allocate",
            ("n", "d", "d", -1),
            f"User [{ALICE_ID}] : Not authorized to perform CREATE HOST.",
        ),
        (EVE, "one.vn.info", (NETWORK_ID,), f"User [{EVE_ID}] : Not authorized to perform USE NET [{NETWORK_ID}]."),
        (EVE, "one.host.delete", (HOST_ID,), f"User [{EVE_ID}] : Not authorized to perform ADMIN HOST [{HOST_ID}]."),
        (ALICE, "one.acl.info", (), f"User [{ALICE_ID}] : Not authorized to perform MANAGE ACL."),
    ],
)
async def test_who_may_not_is_told_what_and_on_what(world, session, name, arguments, text):
    code, told = await refused(world, session, name, *arguments)
    assert code == 0x200 and told.startswith(f"[{name}] {text}")


@pytest.mark.parametrize(
    ("name", "arguments", "code", "text"),
    [
        ("one.vm.action", ("fly", VM_ID), 0x800, 'Action "fly" is not supported'),
        ("one.vm.action", ("release", VM_ID), 0x800, 'Error performing action "release": This action is not available'),
        ("one.vmpool.info", (-2, -1, -1, -3), 0x1000, "Incorrect state filter -3"),
        ("one.vmpool.info", (-5, -1, -1, -1), 0x1000, "Incorrect filter_flag"),
        ("one.vm.update", (VM_ID, "A=1", 2), 0x1000, "Wrong update type"),
        ("one.host.update", (HOST_ID, "A=1", -1), 0x1000, "Wrong update type"),
        ("one.vm.update", (VM_ID, "A=[", 0), 0x800, "Parse error"),
        ("one.vn.update", (NETWORK_ID, "A=[", 1), 0x800, "Parse error"),
        ("one.template.allocate", ("NAME=x\nA=1,B=2",), 0x2000, "Parse error"),
    ],
)
async def test_what_is_asked_wrongly_has_the_code_of_its_kind(world, name, arguments, code, text):
    found, told = await refused(world, ADMIN, name, *arguments)
    assert found == code and told.startswith(f"[{name}] {text}")


@pytest.mark.parametrize(
    ("name", "arguments", "code", "text"),
    [
        (
            "one.host.allocate",
            ("node1", "dummy", "dummy", -1),
            0x4000,
            "Error allocating a new host. NAME is already taken by HOST",
        ),
        (
            "one.cluster.allocate",
            ("default",),
            0x4000,
            "Error allocating a new cluster. NAME is already taken by CLUSTER",
        ),
        (
            "one.image.allocate",
            ("NAME=disk\nTYPE=DATABLOCK\nSIZE=1", 1),
            0x4000,
            "Error allocating a new image. NAME is",
        ),
        ("one.vn.allocate", ("NAME=lan\nVN_MAD=dummy\nBRIDGE=b", -1), 0x2000, "NAME is already taken by NET"),
        ("one.template.allocate", ("NAME=small",), 0x2000, "NAME is already taken by TEMPLATE"),
        ("one.user.allocate", ("alice", "x", "core", []), 0x2000, "NAME is already taken by USER"),
        ("one.group.allocate", ("staff",), 0x2000, "NAME is already taken by GROUP"),
        (
            "one.datastore.allocate",
            ("NAME=default\nDS_MAD=fs\nTM_MAD=dummy", -1),
            0x2000,
            "NAME is already taken by DATAST",
        ),
        (
            "one.secgroup.allocate",
            ("NAME=default\nRULE=[PROTOCOL=ALL,RULE_TYPE=inbound]",),
            0x2000,
            "NAME is already taken",
        ),
        ("one.vmgroup.allocate", ("NAME=app\nROLE=[NAME=a]",), 0x2000, "NAME is already taken by VMGROUP"),
        ("one.vdc.allocate", ("NAME=default",), 0x2000, "NAME is already taken by VDC"),
    ],
)
async def test_a_name_that_is_taken_is_refused_with_the_code_of_the_kind(world, name, arguments, code, text):
    await world.change("images", 7, uid=0)
    await world.change("vm_templates", 6, uid=0)
    await world.ask(ADMIN, "one.vmgroup.allocate", "NAME=app\nROLE=[NAME=a]")
    found, told = await refused(world, ADMIN, name, *arguments)
    assert found == code and told.startswith(f"[{name}] {text}")
