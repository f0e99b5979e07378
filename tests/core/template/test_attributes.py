"""Every declared attribute of a VM template, with a value that it takes and one that it refuses."""

import pytest

from trifid.core.template import types as t
from trifid.core.template.attributes import ATTRIBUTES, BY_NAME, KEYS, NOWHERE, TEMPLATE, USER_TEMPLATE, place_of
from trifid.core.template.model import template
from trifid.core.template.validate import validate
from trifid.errors import BadTemplate

NEVER = None
"""In the place of a bad value: the type takes every text."""

UNKNOWN = ("", "")
"""Instead of samples: nobody has written any."""

SAMPLES = {
    t.TEXT: ("any text, even <&>", NEVER),
    t.ANY: ("anything", NEVER),
    t.LINE: ("one line", "two\nlines"),
    t.YES_NO: ("yes", "maybe"),
    t.COUNT: ("0", "-1"),
    t.POSITIVE: ("1", "0"),
    t.INTEGER: ("-1", "1.5"),
    t.SIZE_MIB: ("1024", "1024M"),
    t.MEMORY_MIB: ("512", "-512"),
    t.CORES: ("0.5", "0"),
    t.VIRTUAL_CORES: ("2", "0.5"),
    t.NUMBER: ("-1.5", "1,5"),
    t.PORT: ("5900", "65536"),
    t.VLAN: ("4094", "4095"),
    t.HEX4: ("0x10de", "10de0"),
    t.TOKEN: ("virtio-net_1.0", "two words"),
    t.TOKENS: ("vmx, avx2", "vmx;avx2"),
    t.IDS: ("0, 12", "0;12"),
    t.PORTS: ("22,80:90", "80-90"),
    t.PATH: ("/images/etch/disk.img", "/images/../etc/passwd"),
    t.PATHS: ("/a/one host:/b/two", "relative"),
    t.DEVICE: ("sda", "/dev/sda"),
    t.DEVICE_PREFIX: ("sd", "sd1"),
    t.ROOT_DEVICE: ("sda1", "sda 1"),
    t.PROGRAM: ("/sbin/init", "init"),
    t.BOOT: ("disk0,nic0", "disk0;nic0"),
    t.FIRMWARE: ("UEFI", "OVMF.fd"),
    t.ARCHITECTURE: ("x86_64", "sparc"),
    t.UUID: ("8d0c7a52-5d5b-4d5e-9f5c-3d7f1b1d2c11", "8d0c7a52"),
    t.INTERFACE: ("br0", "a-name-of-16-chars"),
    t.MAC: ("02:00:0a:00:00:01", "02:00:0a:00:00"),
    t.IPV4: ("10.0.0.1", "10.0.0.256"),
    t.IPV6: ("2001:db8::1", "2001:db8::g"),
    t.LISTEN: ("0.0.0.0", "all of them"),
    t.RESOLUTION: ("1280x720", "big"),
    t.LEASE_START: ("+01:30:00", "tomorrow"),
    t.LEASE_DURATION: ("36:00:00", "00:00:00"),
    t.DISK_SERIAL: ("WD-42.a", "of more than 20 letters"),
    t.PCI_ADDRESS: ("0000:01:00.0", "1:0"),
}
"""Type: (a value that it takes, a value that it refuses)."""

OWN_SAMPLES = {
    "NAME": ("web 1", "web<1>"),
    "MEMORY_RESIZE_MODE": ("ballooning", "both"),
    "NIC/ICMP": ("drop", "accept"),
    "NIC_ALIAS/ICMP": ("drop", "accept"),
    "NIC_DEFAULT/ICMP": ("drop", "accept"),
    "DISK/TYPE": ("swap", "ssd"),
    "DISK/BUS": ("virtio", "pci"),
    "DISK/CACHE": ("none", "all"),
    "DISK/FORMAT": ("QCOW2", "foofs"),
    "DISK/FS": ("ext4", "zfs"),
    "DISK/DRIVER": ("Raw", "vmdk"),
    "DISK/DISCARD": ("unmap", "all"),
    "DISK/IO": ("native", "fast"),
    "GRAPHICS/TYPE": ("vnc", "rdp"),
    "INPUT/TYPE": ("tablet", "pen"),
    "INPUT/BUS": ("usb", "serial"),
    "USB/BUS": ("1", "256"),
    "USB/DEVICE": ("255", "0"),
    "OS/XEN_TYPE": ("pvh", "PVM"),
    "OS/STOP_SIGNAL": ("quit", "KILL"),
    "CONSOLE/TYPE": ("unix", "udp"),
    "WATCHDOG/MODEL": ("ib700", "dog"),
    "WATCHDOG/ACTION": ("inject-nmi", "dump"),
    "TOPOLOGY/PIN_POLICY": ("core", "tight"),
    "TOPOLOGY/MEMORY_ACCESS": ("shared", "public"),
}
"""The attributes with a rule of their own."""

EXPRESSIONS = {
    "REQUIREMENTS": ('HOSTNAME = "aquila*"', "HOSTNAME =="),
    "SCHED_REQUIREMENTS": ("FREE_CPU > 50", "FREE_CPU >= 50"),
    "SCHED_DS_REQUIREMENTS": ("ID = 1", "1 = ID"),
    "RANK": ("- RUNNING_VMS", "- "),
    "SCHED_RANK": ("FREE_CPU * 2", "FREE_CPU ^ 2"),
    "SCHED_DS_RANK": ("FREE_MB", "(FREE_MB"),
}


def samples(row):
    """Return the good and the bad value of a declared attribute."""
    if row.path in EXPRESSIONS:
        return EXPRESSIONS[row.path]
    return OWN_SAMPLES.get(row.path) or SAMPLES.get(row.type, UNKNOWN)


def with_value(row, value):
    """Return a template that is valid but for this value."""
    base = template(CPU="1", MEMORY="64")
    return base.replacing(row.name, {row.key: value} if row.key else value)


SINGLES_AND_KEYS = [row for row in ATTRIBUTES if row.type is not t.VECTOR]
REFUSING = [row for row in SINGLES_AND_KEYS if samples(row)[1] is not NEVER]
VECTORS = [row for row in ATTRIBUTES if row.type is t.VECTOR]


def test_every_declared_attribute_has_samples():
    missing = [row.path for row in SINGLES_AND_KEYS if samples(row) == UNKNOWN]
    assert missing == [], "declared in core/template/attributes.py, without a good and a bad value here"


def test_every_type_but_text_has_a_value_that_it_refuses():
    assert [kind.expected for kind, (_, bad) in SAMPLES.items() if bad is NEVER] == ["text", "anything"]
    assert all(bad is not NEVER for _, bad in [*OWN_SAMPLES.values(), *EXPRESSIONS.values()])


@pytest.mark.parametrize("row", SINGLES_AND_KEYS, ids=lambda row: row.path)
def test_a_good_value_is_taken(row):
    validate(with_value(row, samples(row)[0]))


@pytest.mark.parametrize("row", REFUSING, ids=lambda row: row.path)
def test_a_bad_value_is_refused_by_the_name_of_its_attribute_and_what_was_expected(row):
    bad = samples(row)[1]
    with pytest.raises(BadTemplate) as refusal:
        validate(with_value(row, bad))
    message = refusal.value.message
    if row.path == "DISK/TYPE":
        assert message == "DISK 0: Unknown disk type ssd"
    else:
        assert row.name in message and row.key in message
    if row.path in EXPRESSIONS:
        assert message.startswith(f"{row.name}: ") and "column" in message
    elif not row.message and row.path not in ("NAME", "DISK/TYPE"):
        assert f"must be {row.type.expected}" in message


@pytest.mark.parametrize("row", [row for row in SINGLES_AND_KEYS if row not in REFUSING], ids=lambda row: row.path)
def test_a_text_may_be_any_text(row):
    validate(with_value(row, "\N{SNOWMAN}\n'\"$(x) <&>;"))


@pytest.mark.parametrize(
    "row",
    [row for row in SINGLES_AND_KEYS if row.path not in ("CPU", "MEMORY")],
    ids=lambda row: row.path,
)
def test_an_empty_value_is_an_attribute_not_given(row):
    validate(with_value(row, ""))


@pytest.mark.parametrize("row", VECTORS, ids=lambda row: row.name)
def test_a_vector_must_be_a_vector(row):
    with pytest.raises(BadTemplate, match=rf'^{row.name} must be a vector, {row.name} = \[ KEY = value \], is "x"$'):
        validate(with_value(row, "x"))


@pytest.mark.parametrize(
    "row", [row for row in SINGLES_AND_KEYS if not row.key and row.type is not t.ANY], ids=lambda row: row.name
)
def test_a_single_attribute_must_not_be_a_vector(row):
    with pytest.raises(BadTemplate, match=row.name):
        validate(template(CPU="1", MEMORY="64").replacing(row.name, {"K": "v"}))


@pytest.mark.parametrize("row", [row for row in ATTRIBUTES if not row.key], ids=lambda row: row.name)
def test_only_what_is_declared_so_may_be_repeated(row):
    value = {} if row.type is t.VECTOR else samples(row)[0]
    twice = template(CPU="1", MEMORY="64").replacing(row.name, value, value)
    if row.repeatable:
        validate(twice)
    else:
        with pytest.raises(BadTemplate, match=f"^{row.name} is given 2 times: "):
            validate(twice)


def test_the_table_declares_every_attribute_once_and_every_key_of_a_declared_vector():
    paths = [row.path for row in ATTRIBUTES]
    assert len(paths) == len(set(paths))
    assert {row.name for row in ATTRIBUTES} == set(BY_NAME) == set(KEYS)


OF_THE_REFERENCE = {
    "": "NAME CPU VCPU MEMORY CONTEXT REQUIREMENTS RANK SCHED_REQUIREMENTS SCHED_RANK",
    "OS": "KERNEL INITRD ROOT KERNEL_CMD BOOTLOADER BOOT ARCH KERNEL_DS INITRD_DS",
    "FEATURES": "PAE ACPI",
    "DISK": "TYPE SOURCE SIZE FORMAT TARGET BUS READONLY CLONE SAVE IMAGE IMAGE_ID IMAGE_UID IMAGE_UNAME "
    "DEV_PREFIX DRIVER CACHE IO",
    "NIC": "NETWORK NETWORK_ID NETWORK_UID NETWORK_UNAME IP MAC BRIDGE TARGET SCRIPT MODEL "
    "WHITE_PORTS_TCP BLACK_PORTS_TCP WHITE_PORTS_UDP BLACK_PORTS_UDP ICMP",
    "INPUT": "TYPE BUS",
    "GRAPHICS": "TYPE LISTEN PORT PASSWD KEYMAP",
    "RAW": "TYPE DATA",
    "EC2": "AMI KEYPAIR ELASTICIP AUTHORIZEDPORTS INSTANCETYPE CLOUD",
    "HAIZEA": "START DURATION PREEMPTIBLE",
}
"""What the slides of 2009 and reference/templates.md §2 name."""


@pytest.mark.parametrize(
    "path", [f"{name}/{key}".strip("/") for name, keys in OF_THE_REFERENCE.items() for key in keys.split()]
)
def test_the_attributes_of_the_slides_and_of_the_reference_are_declared(path):
    assert path in {row.path for row in ATTRIBUTES}


def test_what_is_not_declared_is_the_users_own():
    assert place_of("CPU") == TEMPLATE
    assert place_of("RANK") == USER_TEMPLATE
    assert place_of("VMID") == NOWHERE
    assert place_of("MY_OWN") == USER_TEMPLATE
    validate(template(CPU="1", MEMORY="64", MY_OWN={"K": "any\nthing"}, DISK={"MY_KEY": "any\nthing"}))
