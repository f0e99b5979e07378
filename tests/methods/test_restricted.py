"""Restricted attributes on every way that a template comes: refused to users, and nothing is changed then."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.methods.world import (
    ADMIN,
    ALICE,
    ALICE_ID,
    BOB,
    HOST_ID,
    IMAGE_ID,
    NETWORK_ID,
    STAFF_GID,
    TEMPLATE_ID,
    VM_ID,
    VM_OF_ALICE,
    VN_TEMPLATE_ID,
    Refusal,
)
from trifid.core.access import Permissions
from trifid.core.restricted_lists import GROUP_PATHS, IMAGE_PATHS, NETWORK_PATHS, USER_PATHS, VM_PATHS
from trifid.core.template.configure import CONFIGURABLE
from trifid.core.template.model import template
from trifid.core.vm.schedule import ScheduledAction
from trifid.core.vm.states import VmState
from trifid.engine.config import ConfigFault, RestrictedSettings, parse
from trifid.methods import dispatch  # noqa: F401  (declares all methods)
from trifid.methods.registry import METHODS
from trifid.store.interface import Batch

NOT_ALLOWED = 0x0200
VALUES = {
    "MAC": "02:00:00:00:00:01",
    "EMULATOR": "/bin/sh",
    "SCRIPT": "/bin/sh",
    "FILES": "/etc/shadow",
    "BOOTLOADER": "/bin/sh",
    "LISTEN": "0.0.0.0",
    "LXC_UNPRIVILEGED": "NO",
    "PIN_POLICY": "CORE",
    "USB": "[VENDOR=1d6b,PRODUCT=0002]",
    "PCI": "[CLASS=0300]",
    "VN_MAD": "bridge",
    "FILTER_IP_SPOOFING": "YES",
    "FILTER_MAC_SPOOFING": "YES",
    "MTU": "1400",
    "CREATE_BRIDGE": "YES",
    "DHCP": "YES",
    "DNS_SERVICE": "YES",
    "ROUTER": "YES",
    "SERVICE_ADDRESS": "10.0.0.9",
}
"""Values that their attributes take, where 7 is none."""


def written(path: str) -> str:
    """Return an attribute as a user writes it."""
    name, _, key = path.partition("/")
    value = VALUES.get(key or name, "7")
    if key:
        return f'{name}=[{key}="{value}"]'
    return f"{name}={value}" if value.startswith("[") else f'{name}="{value}"'


def of(paths: tuple[str, ...], *names: str) -> list[str]:
    return [path for path in paths if path.partition("/")[0] in names]


VMS = (*VM_PATHS, "MINE", "OWN/KEY")
"""Those of the usual list, and what a site restricts beside them."""
Way = tuple[str, Callable[[str], tuple[Any, ...]], list[str]]
WAYS: list[Way] = [
    ("one.vm.allocate", lambda text: (f"CPU=1\nMEMORY=64\n{text}",), list(VMS)),
    ("one.template.allocate", lambda text: (f"NAME=x\n{text}",), list(VMS)),
    ("one.template.update", lambda text: (TEMPLATE_ID, text, 0), list(VMS)),
    ("one.template.update", lambda text: (TEMPLATE_ID, text, 1), list(VMS)),
    ("one.template.instantiate", lambda text: (TEMPLATE_ID, "", False, text), list(VMS)),
    ("one.template.instantiate", lambda text: (TEMPLATE_ID, "x", True, text, True), list(VMS)),
    ("one.vm.update", lambda text: (VM_ID, text, 0), list(VMS)),
    ("one.vm.update", lambda text: (VM_ID, text, 1), list(VMS)),
    ("one.vm.updateconf", lambda text: (VM_ID, text, 0), of(VMS, *CONFIGURABLE)),
    ("one.vm.updateconf", lambda text: (VM_ID, text, 1), of(VMS, *CONFIGURABLE)),
    ("one.vm.attach", lambda text: (VM_ID, text), of(VMS, "DISK")),
    ("one.vm.attachnic", lambda text: (VM_ID, text), of(VMS, "NIC")),
    (
        "one.vm.updatenic",
        lambda text: (VM_ID, 0, text, 1),
        [path for path in of(VMS, "NIC") if "BOUND" in path],
    ),
    ("one.vm.deploy", lambda text: (VM_ID, HOST_ID, False, -1, text), of(VMS, "NIC")),
    ("one.vm.resize", lambda text: (VM_ID, text, False), ["CPU"]),
    ("one.vm.schedadd", lambda text: (VM_ID, text), ["SCHED_ACTION/ARGS"]),
    ("one.vm.schedupdate", lambda text: (VM_ID, 3, text), ["SCHED_ACTION/ARGS"]),
    ("one.image.allocate", lambda text: (f"NAME=x\nSIZE=1\n{text}", 1), [*IMAGE_PATHS, "MINE", "OWN/KEY"]),
    ("one.image.update", lambda text: (IMAGE_ID, text, 0), [*IMAGE_PATHS, "MINE", "OWN/KEY"]),
    ("one.image.update", lambda text: (IMAGE_ID, text, 1), [*IMAGE_PATHS, "MINE", "OWN/KEY"]),
    ("one.vn.allocate", lambda text: (f"NAME=x\n{text}", -1), [*NETWORK_PATHS, "MINE", "AR/MINE"]),
    ("one.vn.update", lambda text: (NETWORK_ID, text, 0), [*NETWORK_PATHS, "MINE"]),
    ("one.vn.update", lambda text: (NETWORK_ID, text, 1), [*NETWORK_PATHS, "MINE"]),
    (
        "one.vn.add_ar",
        lambda text: (NETWORK_ID, text.replace("[", "[TYPE=IP4,IP=10.1.0.1,SIZE=2,")),
        of((*NETWORK_PATHS, "AR/MINE"), "AR"),
    ),
    (
        "one.vn.update_ar",
        lambda text: (NETWORK_ID, text.replace("[", "[AR_ID=0,")),
        of((*NETWORK_PATHS, "AR/MINE"), "AR"),
    ),
    ("one.vntemplate.allocate", lambda text: (f"NAME=x\nVN_MAD=vxlan\n{text}",), [*NETWORK_PATHS, "MINE"]),
    ("one.vntemplate.update", lambda text: (VN_TEMPLATE_ID, text, 1), [*NETWORK_PATHS, "MINE"]),
    ("one.vntemplate.instantiate", lambda text: (VN_TEMPLATE_ID, "x", text), [*NETWORK_PATHS, "MINE"]),
    ("one.user.update", lambda text: (ALICE_ID, text, 0), [*USER_PATHS, "MINE", "OWN/KEY"]),
    ("one.user.update", lambda text: (ALICE_ID, text, 1), [*USER_PATHS, "MINE", "OWN/KEY"]),
    ("one.group.update", lambda text: (STAFF_GID, text, 0), [*GROUP_PATHS, "MINE", "OWN/KEY"]),
    ("one.group.update", lambda text: (STAFF_GID, text, 1), [*GROUP_PATHS, "MINE", "OWN/KEY"]),
]
"""Method, its arguments with an attribute in them, and the restricted attributes that can be written there."""

ELSEWHERE = {"trifid.placement.dry_run": "test_a_trial_says_what_would_be_refused"}
"""Ways with a test of their own."""

NO_LIST = {
    "one.cluster.update": "managed by administrators",
    "one.datastore.allocate": "made by administrators",
    "one.datastore.update": "has a list of its own, core/image/define_datastore.py",
    "one.document.allocate": "nothing in it means anything here",
    "one.document.update": "nothing in it means anything here",
    "one.hook.allocate": "for administrators",
    "one.hook.update": "for administrators",
    "one.host.update": "managed by administrators",
    "one.image.restore": "always refused",
    "one.secgroup.allocate": "rules are the owner's",
    "one.secgroup.update": "rules are the owner's",
    "one.vdc.allocate": "for administrators",
    "one.vdc.update": "for administrators",
    "one.vmgroup.allocate": "rules of the owner's VMs",
    "one.vmgroup.update": "rules of the owner's VMs",
    "one.vmgroup.roleadd": "rules of the owner's VMs",
    "one.vmgroup.roleupdate": "rules of the owner's VMs",
    "one.vn.hold": "an address only",
    "one.vn.release": "an address only",
    "one.vn.reserve": "a number of addresses only; the rest is the network's",
    "one.zone.update": "nothing is changed by it",
}
"""Methods that take a template in which nothing is restricted, and why."""


def test_every_method_that_takes_a_template_is_here():
    taking = {
        name
        for name, method in METHODS.items()
        if method.is_supported
        and any(one.type is str and one.name in ("template", "extra", "role", "batch") for one in method.parameters)
    }
    without = {name for name in taking if name == "one.vm.vmgroupadd"}  # the name of a role
    assert taking - without == {name for name, _, _ in WAYS} | set(ELSEWHERE) | set(NO_LIST)


@pytest.fixture(autouse=True)
async def _site(world):
    """Let Alice own what she changes, with all rights, and the site restrict some more attributes."""
    world.engine.config.restricted = RestrictedSettings(
        vm=(*VMS, "SCHED_ACTION/ARGS"),
        image=(*IMAGE_PATHS, "MINE", "OWN/KEY"),
        network=(*NETWORK_PATHS, "MINE", "AR/MINE"),
        user=(*USER_PATHS, "MINE", "OWN/KEY"),
        group=(*GROUP_PATHS, "MINE", "OWN/KEY"),
    )
    all_rights = Permissions(0o700)
    nic = {"NIC_ID": "0", "NETWORK": "lan", "NETWORK_ID": str(NETWORK_ID), "SECURITY_GROUPS": "0"}
    vm = replace(
        VM_OF_ALICE,
        permissions=all_rights,
        state=VmState.POWEROFF,
        template=template(CPU="1", MEMORY="64", NIC=[nic], CONTEXT={"DISK_ID": "0", "TARGET": "hda"}),
        schedule=(ScheduledAction(id=3, uid=ALICE_ID, action="poweroff", time=5000),),
    )
    network = replace(world.memory.networks[NETWORK_ID], uid=ALICE_ID, permissions=all_rights)
    kept = replace(world.memory.vn_templates[VN_TEMPLATE_ID], uid=ALICE_ID, permissions=all_rights)
    await world.put(vm, network, kept)
    for kind in ("NET", "VNTEMPLATE"):
        await world.ask(ADMIN, "one.acl.addrule", *rule(kind))
    await world.ask(ADMIN, "one.group.addadmin", STAFF_GID, ALICE_ID)


def rule(kind: str) -> tuple[str, str, str]:
    """Return the words of an access rule that lets Alice make objects of a kind."""
    types = {"NET": 0x4000000000, "VNTEMPLATE": 0x40000000000000}
    return f"{0x100000000 + ALICE_ID:x}", f"{types[kind] + 0x400000000:x}", "8"


def everything(world) -> dict[str, dict[Any, Any]]:
    """Return all that there is."""
    pools = [name for name in Batch.__struct_fields__ if isinstance(getattr(world.memory, name, None), dict)]
    return {name: dict(getattr(world.memory, name)) for name in pools}


@pytest.mark.parametrize(
    ("name", "arguments", "paths"), WAYS, ids=lambda value: value if isinstance(value, str) else ""
)
async def test_a_user_is_refused_and_nothing_changes_and_an_administrator_is_not(world, name, arguments, paths):
    if name == "one.vm.resize":
        world.engine.config.restricted = RestrictedSettings(vm=("CPU",))
    before = everything(world)
    for path in paths:
        called = arguments(written(path))
        with pytest.raises(Refusal) as refusal:
            await world.ask(ALICE, name, *called)
        assert (path, refusal.value.code, refusal.value.text) == (path, NOT_ALLOWED, refusal.value.text)
        assert "Template includes a restricted attribute" in refusal.value.text, path
    assert everything(world) == before
    for path in paths:
        assert (path, await world.code(ADMIN, name, *arguments(written(path)))) != (path, NOT_ALLOWED)


# -- how it is written ---------------------------------------------------------------------------------

SPELLINGS = [
    'nic = [ mac = "02:00:00:00:00:01" ]',
    'NIC=[NETWORK=lan,\n  MAC\t=\t"02:00:00:00:00:01" ]',
    'NIC=[NETWORK=lan]\nNIC=[NETWORK=lan]\nNIC=[NETWORK=lan,MAC="02:00:00:00:00:01"]',
    "<VM><NIC><MAC>02:00:00:00:00:01</MAC></NIC></VM>",
    "<TEMPLATE><nic><network>lan</network><mac><![CDATA[02:00:00:00:00:01]]></mac></nic></TEMPLATE>",
    "<X><NIC><NETWORK>lan</NETWORK></NIC><NIC><MAC>02:00:00:00:00:01</MAC></NIC></X>",
    "NIC_ALIAS=[PARENT=NIC0,MAC=02:00:00:00:00:01]",
    'USER_PRIORITY="0"',
    "user_priority=9 # a comment",
    'RAW=[TYPE=kvm,DATA="<x/>"]',
    "DISK=[SOURCE=/etc/shadow,TYPE=FILE]",
    'CONTEXT=[FILES="$SCRIPT"]\nSCRIPT=/etc/shadow',
    "OS=[KERNEL=/etc/shadow]",
]


@pytest.mark.parametrize("text", SPELLINGS)
@pytest.mark.parametrize("way", ["one.vm.allocate", "one.template.allocate", "one.template.update", "extra"])
async def test_it_is_found_however_it_is_written(world, text, way):
    as_xml = text.startswith("<")
    needed = "<NAME>x</NAME><CPU>1</CPU><MEMORY>64</MEMORY>" if as_xml else "NAME=x\nCPU=1\nMEMORY=64\n"
    whole = text.replace(">", f">{needed}", 1) if as_xml else needed + text
    calls = {
        "one.vm.allocate": ("one.vm.allocate", whole),
        "one.template.allocate": ("one.template.allocate", whole),
        "one.template.update": ("one.template.update", TEMPLATE_ID, text, 1),
        "extra": ("one.template.instantiate", TEMPLATE_ID, "", False, text),
    }
    assert await world.code(ALICE, *calls[way]) == NOT_ALLOWED


# -- what is there already -----------------------------------------------------------------------------


async def test_a_template_is_sent_back_as_an_administrator_wrote_it_and_edited_elsewhere(world):
    nic = "NIC=[NETWORK=lan,MAC=02:00:00:00:00:01]"
    disk = "DISK=[IMAGE=disk,TOTAL_IOPS_SEC=100]"
    await world.ask(ADMIN, "one.template.update", TEMPLATE_ID, f"CPU=1\nMEMORY=64\n{nic}\n{disk}\nCPU_COST=5", 0)
    edited = f"CPU=2\nMEMORY=64\n{nic}\nDISK=[IMAGE=disk,SIZE=400,TOTAL_IOPS_SEC=100]\nCPU_COST=5"
    assert await world.ask(ALICE, "one.template.update", TEMPLATE_ID, edited, 0) == TEMPLATE_ID
    mine = ("DISK=[IMAGE=disk,SIZE=500,TOTAL_IOPS_SEC=100]", "NIC=[NETWORK=lan,MAC=02:00:00:00:00:01,MODEL=virtio]")
    for extra in mine:
        assert await world.code(ALICE, "one.template.update", TEMPLATE_ID, extra, 1) == 0
    for other in (
        "DISK=[IMAGE=disk,TOTAL_IOPS_SEC=101]",
        "DISK=[IMAGE=disk,READ_IOPS_SEC=100]",
        "NIC=[NETWORK=other,MAC=02:00:00:00:00:01]",
        "NIC=[NETWORK=lan,MAC=02:00:00:00:00:02]",
        "CPU_COST=4",
        "DISK=[IMAGE=disk]",
        "NIC=[NETWORK=lan]",
        f"{nic}\n{nic}",
    ):
        assert await world.code(ALICE, "one.template.update", TEMPLATE_ID, other, 1) == NOT_ALLOWED, other
        assert await world.code(ALICE, "one.template.instantiate", TEMPLATE_ID, "", False, other) == NOT_ALLOWED, other
    assert await world.code(ALICE, "one.template.update", TEMPLATE_ID, "CPU=1", 0) == NOT_ALLOWED, "limits are lost"
    await world.ask(ALICE, "one.template.update", TEMPLATE_ID, f"CPU=2\n{nic}\n{disk}", 0)
    assert world.memory.vm_templates[TEMPLATE_ID].template.single("CPU_COST") == "5", "what was left out stays"


@pytest.mark.parametrize(
    ("method", "object_id", "text", "what"),
    [
        ("one.vm.update", VM_ID, "USER_PRIORITY=5\nMINE=1", "USER_PRIORITY"),
        ("one.image.update", IMAGE_ID, "MINE=1", "MINE"),
        ("one.vn.update", NETWORK_ID, "MINE=1\nFILTER=clean-traffic", "FILTER"),
        ("one.user.update", ALICE_ID, "MINE=1\nVM_USE_OPERATIONS=hold", "VM_USE_OPERATIONS"),
        ("one.group.update", STAFF_GID, "MINE=1\nVM_ADMIN_OPERATIONS=hold", "VM_ADMIN_OPERATIONS"),
    ],
)
async def test_what_is_sent_back_as_it_was_is_accepted_and_what_is_left_out_stays(world, method, object_id, text, what):
    info = method.replace("update", "info")
    await world.ask(ADMIN, method, object_id, text, 1)
    assert await world.ask(ALICE, method, object_id, f"{text}\nLABELS=a", 0) == object_id
    assert "<LABELS>" in await world.ask(ALICE, info, object_id)
    await world.ask(ALICE, method, object_id, "LABELS=b", 0)
    assert f"<{what}>" in await world.ask(ALICE, info, object_id)
    assert await world.code(ALICE, method, object_id, f'{what}=""', 1) == NOT_ALLOWED
    await world.ask(ADMIN, method, object_id, "LABELS=b", 0)
    assert f"<{what}>" not in await world.ask(ALICE, info, object_id), "an administrator takes it away"


@pytest.mark.parametrize(
    "text",
    ['RAW=[TYPE=kvm,DATA="<a/>"]\nOS=[BOOTLOADER=/bin/grub,BOOT=hd]', "OS=[BOOT=hd]"],
    ids=["sent back", "left out"],
)
async def test_what_a_machine_is_told_is_neither_doubled_nor_lost(world, text):
    raw, os = {"TYPE": "kvm", "DATA": "<a/>"}, {"BOOTLOADER": "/bin/grub"}
    told = world.memory.vms[VM_ID].template
    await world.change("vms", VM_ID, template=told.replacing("RAW", raw).replacing("OS", os))
    twice = 'RAW=[TYPE=kvm,DATA="<a/>"]\nRAW=[TYPE=kvm,DATA="<a/>",VALIDATE=NO]'
    assert await world.code(ALICE, "one.vm.updateconf", VM_ID, twice, 0) == NOT_ALLOWED
    assert await world.code(ALICE, "one.vm.updateconf", VM_ID, text, 0) == 0
    machine = world.memory.vms[VM_ID].template
    assert (machine.vectors("RAW"), machine.vector("OS")) == ([raw], {**os, "BOOT": "hd"})


# -- templates of others -------------------------------------------------------------------------------


async def test_a_file_that_an_administrator_named_is_used_as_it_is_described_and_not_otherwise(world):
    await world.ask(ADMIN, "one.template.update", TEMPLATE_ID, "DISK=[SOURCE=/srv/disk,TYPE=FILE,DRIVER=raw]", 1)
    await world.ask(ADMIN, "one.template.chmod", TEMPLATE_ID, 1, 1, 0, 0, 0, 0, 1, 0, 0)
    assert await world.code(BOB, "one.template.instantiate", TEMPLATE_ID, "") == 0
    other = "DISK=[SOURCE=/srv/disk,TYPE=FILE,DRIVER=qcow2]"
    assert await world.code(BOB, "one.template.instantiate", TEMPLATE_ID, "", False, other) == NOT_ALLOWED


async def test_variables_are_added_to_a_context_whose_files_an_administrator_named(world):
    await world.ask(ADMIN, "one.template.update", TEMPLATE_ID, "CONTEXT=[FILES=/srv/init.sh]", 1)
    more = 'CONTEXT=[FILES=/srv/init.sh,SSH_PUBLIC_KEY="key"]'
    assert await world.code(ALICE, "one.template.instantiate", TEMPLATE_ID, "", False, more) == 0
    for other in ("CONTEXT=[FILES=/srv/other.sh]", "CONTEXT=[SSH_PUBLIC_KEY=key]", 'CONTEXT=[FILES="/srv/init.sh /x"]'):
        assert await world.code(ALICE, "one.template.instantiate", TEMPLATE_ID, "", False, other) == NOT_ALLOWED, other


async def test_what_is_restricted_since_a_user_wrote_it_is_refused_to_whoever_uses_it(world):
    made = await world.ask(ALICE, "one.template.allocate", "NAME=x\nCPU=1\nMEMORY=64\nLATER=1")
    copy = await world.ask(ALICE, "one.template.clone", made, "y")
    usual = world.engine.config.restricted
    world.engine.config.restricted = replace(usual, vm=(*usual.vm, "LATER"))
    for template_id in (made, copy):
        with pytest.raises(Refusal, match="restricted attribute LATER"):
            await world.ask(ALICE, "one.template.instantiate", template_id, "")
    assert await world.code(ADMIN, "one.template.instantiate", made, "") == 0
    await world.ask(ADMIN, "one.template.update", made, "CPU=2", 1)
    assert await world.code(ALICE, "one.template.instantiate", made, "") == 0, "an administrator has seen it"


async def test_a_trial_says_what_would_be_refused(world):
    items = [
        {"template": "CPU=1\nMEMORY=64\nEMULATOR=/bin/sh"},
        {"template_id": TEMPLATE_ID, "extra": "USER_PRIORITY=9"},
    ]
    told = json.loads(await world.ask(ALICE, "trifid.placement.dry_run", json.dumps({"vms": items})))
    whys = [result["why"] for result in told["results"]]
    assert ["EMULATOR" in whys[0], "USER_PRIORITY" in whys[1]] == [True, True], whys


async def test_what_disks_may_not_say_is_not_said_by_their_image(world):
    world.engine.config.restricted = RestrictedSettings(vm=("DISK/CACHE",))
    assert await world.code(ALICE, "one.template.allocate", "NAME=x\nDISK=[CACHE=unsafe]") == NOT_ALLOWED
    assert await world.code(ALICE, "one.image.update", IMAGE_ID, "CACHE=unsafe", 1) == NOT_ALLOWED
    assert await world.code(ALICE, "one.image.update", IMAGE_ID, "IO=native", 1) == 0


# -- the configuration ---------------------------------------------------------------------------------


async def test_a_list_of_the_configuration_stands_instead_of_the_usual_one(world):
    world.engine.config.restricted = parse('[restricted]\nvm = ["MINE"]\n', "trifid.toml").restricted
    assert await world.code(ALICE, "one.template.allocate", "NAME=x\nCPU_COST=1") == 0
    assert await world.code(ALICE, "one.template.allocate", "NAME=y\nMINE=1") == NOT_ALLOWED
    assert await world.code(ALICE, "one.image.update", IMAGE_ID, "SOURCE=/x", 1) == NOT_ALLOWED, (
        "its list was not given"
    )


@pytest.mark.parametrize("entry", ["nic/mac", "NIC/MAC/X", "", "NIC MAC"])
def test_an_entry_that_names_no_attribute_is_refused_at_the_start(entry):
    with pytest.raises(ConfigFault, match=r"restricted\.vm: .* must be NAME or NAME/KEY"):
        parse(f'[restricted]\nvm = ["{entry}"]\n', "trifid.toml")
