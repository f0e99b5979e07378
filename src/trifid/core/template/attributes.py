"""Every attribute of a VM template that means something to the engine, the drivers or the scheduler.

One declared table: what it is called, what it takes, whether it may be repeated, in which of a VM's
two templates it lives, and whether only group 0 may set it.  Attributes and keys that are not here
are the user's own: they are kept as written, attributes in USER_TEMPLATE.

Source: reference/templates.md §2, §2.1, §2.2; TEMPLATE's elements are those of today's VM schema.
"""

import msgspec

from trifid.core.template import types as t
from trifid.core.template.types import Type

TEMPLATE, USER_TEMPLATE, NOWHERE = "TEMPLATE", "USER_TEMPLATE", ""
"""Where an attribute lives; what only the engine writes is dropped from what a user submits."""


class Attribute(msgspec.Struct, frozen=True):
    """A declared attribute of a VM template, or a key of a declared vector.

    Attributes:
        key: empty for the attribute itself.
        repeatable: whether it may occur more than once.
        place: TEMPLATE, USER_TEMPLATE, or NOWHERE.
        restricted: only members of group 0 may set it.
        message: how a refusal begins, where today's clients know it.
    """

    name: str
    type: Type
    key: str = ""
    repeatable: bool = False
    place: str = TEMPLATE
    restricted: bool = False
    message: str = ""

    @property
    def path(self) -> str:
        """`NAME`, or `NAME/KEY`."""
        return f"{self.name}/{self.key}" if self.key else self.name


def _singles(type_: Type, *names: str, place: str = TEMPLATE, restricted: bool = False) -> list[Attribute]:
    return [Attribute(name, type_, place=place, restricted=restricted) for name in names]


def _vector(
    name: str,
    keys: dict[Type, str],
    restricted: str = "",
    *,
    repeatable: bool = False,
    place: str = TEMPLATE,
    all_restricted: bool = False,
) -> list[Attribute]:
    """Declare a vector by {type: its keys, with blanks between}; `restricted` names some of the keys."""
    only_admins = frozenset(restricted.split())
    rows = [Attribute(name, t.VECTOR, repeatable=repeatable, place=place, restricted=all_restricted)]
    for type_, names in keys.items():
        rows += [
            Attribute(name, type_, key, repeatable=repeatable, place=place, restricted=key in only_admins)
            for key in names.split()
        ]
    return rows


_THROTTLES = " ".join(
    f"{what}_{unit}_SEC{suffix}"
    for what in ("TOTAL", "READ", "WRITE")
    for unit in ("BYTES", "IOPS")
    for suffix in ("", "_MAX", "_MAX_LENGTH")
)
_BANDWIDTH = "INBOUND_AVG_BW INBOUND_PEAK_BW INBOUND_PEAK_KB OUTBOUND_AVG_BW OUTBOUND_PEAK_BW OUTBOUND_PEAK_KB"
_NIC_ADMIN = f"MAC VLAN_ID BRIDGE SCRIPT FILTER TARGET {_BANDWIDTH}"
"""SCRIPT and TARGET are ours to restrict: the hypervisor runs the one as root, and filters go by the other."""

_NIC_KEYS = {
    t.TEXT: "NETWORK NETWORK_UNAME NAME PARENT SCHED_REQUIREMENTS SCHED_RANK",
    t.COUNT: f"NETWORK_ID NETWORK_UID NIC_ID {_BANDWIDTH}",
    t.IPV4: "IP",
    t.IPV6: "IP6",
    t.MAC: "MAC",
    t.INTERFACE: "BRIDGE TARGET PHYDEV",
    t.PATH: "SCRIPT",
    t.TOKEN: "MODEL FILTER VN_MAD BRIDGE_TYPE NETWORK_MODE",
    t.VLAN: "VLAN_ID",
    t.IDS: "SECURITY_GROUPS",
    t.PORTS: "WHITE_PORTS_TCP BLACK_PORTS_TCP WHITE_PORTS_UDP BLACK_PORTS_UDP",
    t.one_of("DROP"): "ICMP",
}

DISK_TYPES = t.one_of("DISK", "FILE", "SWAP", "FS", "FLOPPY", "CDROM", "BLOCK")

ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute("NAME", t.TEXT, place=NOWHERE),
    Attribute("CPU", t.CORES, message="CPU attribute must be a positive float or integer value."),
    Attribute("VCPU", t.VIRTUAL_CORES, message="VCPU attribute must be a positive integer value."),
    Attribute("MEMORY", t.MEMORY_MIB, message="MEMORY attribute must be a positive integer value."),
    *_singles(t.VIRTUAL_CORES, "VCPU_MAX"),
    *_singles(t.MEMORY_MIB, "MEMORY_MAX"),
    *_singles(t.POSITIVE, "MEMORY_SLOTS"),
    *_singles(t.one_of("HOTPLUG", "BALLOONING"), "MEMORY_RESIZE_MODE"),
    *_singles(t.NUMBER, "CPU_COST", "MEMORY_COST", "DISK_COST", restricted=True),
    *_singles(t.PATH, "EMULATOR", restricted=True),
    *_singles(t.YES_NO, "SUBMIT_ON_HOLD"),
    *_singles(t.YES_NO, "LXC_UNPRIVILEGED", place=USER_TEMPLATE, restricted=True),
    *_singles(t.INTEGER, "TEMPLATE_ID", "CLONING_TEMPLATE_ID", "VROUTER_ID", "VROUTER_KEEPALIVED_ID"),
    *_singles(t.TEXT, "VROUTER_KEEPALIVED_PASSWORD"),
    *_singles(t.ANY, "HYPERV_OPTIONS", "SPICE_OPTIONS"),
    *_vector(
        "OS",
        {
            t.PATH: "KERNEL INITRD BOOTLOADER NVRAM",
            t.ROOT_DEVICE: "ROOT",
            t.LINE: "KERNEL_CMD KERNEL_DS INITRD_DS FIRMWARE_FORMAT INIT_ARGS INIT_ENV",
            t.PROGRAM: "INIT",
            t.FIRMWARE: "FIRMWARE",
            t.BOOT: "BOOT",
            t.ARCHITECTURE: "ARCH",
            t.TOKEN: "MACHINE SD_DISK_BUS",
            t.one_of(*t.STOP_SIGNALS): "STOP_SIGNAL",
            t.UUID: "UUID",
            t.YES_NO: "FIRMWARE_SECURE",
            t.one_of("PV", "PVH", "HVM"): "XEN_TYPE",
        },
        "BOOTLOADER",
    ),
    *_vector(
        "FEATURES",
        {
            t.YES_NO: "PAE ACPI APIC LOCALTIME HYPERV GUEST_AGENT",
            t.TOKEN: "VIRTIO_SCSI_QUEUES VIRTIO_BLK_QUEUES",
            t.COUNT: "IOTHREADS",
        },
    ),
    *_vector(
        "DISK",
        {
            DISK_TYPES: "TYPE",
            t.PATH: "SOURCE",
            t.TEXT: "IMAGE IMAGE_UNAME",
            t.COUNT: f"IMAGE_ID IMAGE_UID DISK_ID IOTHREAD {_THROTTLES} SIZE_IOPS_SEC",
            t.DISK_SERIAL: "SERIAL",
            t.SIZE_MIB: "SIZE ORIGINAL_SIZE SIZE_PREV",
            t.one_of(*dict.fromkeys((*t.IMAGE_FORMATS, *t.NO_FILE_SYSTEM, *t.FILE_SYSTEMS))): "FORMAT",
            t.one_of(*t.FILE_SYSTEMS, *t.NO_FILE_SYSTEM): "FS",
            t.one_of(*t.IMAGE_FORMATS): "DRIVER",
            t.one_of("unmap", "ignore"): "DISCARD",
            t.TOKEN: "MODEL VCENTER_ADAPTER_TYPE",
            t.DEVICE: "TARGET",
            t.DEVICE_PREFIX: "DEV_PREFIX",
            t.one_of("IDE", "SCSI", "VIRTIO", "XEN", "SATA", "USB", "FDC"): "BUS",
            t.YES_NO: "READONLY CLONE SAVE",
            t.one_of("DEFAULT", "NONE", "WRITETHROUGH", "WRITEBACK", "DIRECTSYNC", "UNSAFE"): "CACHE",
            t.one_of("THREADS", "NATIVE", "IO_URING"): "IO",
        },
        f"{_THROTTLES} SIZE_IOPS_SEC ORIGINAL_SIZE SIZE_PREV",
        repeatable=True,
    ),
    *_vector("NIC", _NIC_KEYS, _NIC_ADMIN, repeatable=True),
    *_vector("NIC_ALIAS", _NIC_KEYS, _NIC_ADMIN, repeatable=True),
    *_vector("NIC_DEFAULT", _NIC_KEYS, _NIC_ADMIN),
    *_vector(
        "GRAPHICS",
        {
            t.one_of("VNC", "SDL", "SPICE"): "TYPE",
            t.LISTEN: "LISTEN",
            t.PORT: "PORT",
            t.TEXT: "PASSWD COMMAND",
            t.TOKEN: "KEYMAP",
            t.YES_NO: "RANDOM_PASSWD",
        },
    ),
    *_vector("VIDEO", {t.TOKEN: "TYPE", t.YES_NO: "IOMMU ATS", t.COUNT: "VRAM", t.RESOLUTION: "RESOLUTION"}),
    *_vector(
        "INPUT",
        {t.one_of("MOUSE", "TABLET", "KEYBOARD"): "TYPE", t.one_of("USB", "PS2", "XEN", "VIRTIO"): "BUS"},
        repeatable=True,
    ),
    *_vector("RAW", {t.TOKEN: "TYPE", t.TEXT: "DATA DATA_VMX", t.YES_NO: "VALIDATE"}, "DATA DATA_VMX", repeatable=True),
    *_vector(
        "CONTEXT",
        {
            t.PATHS: "FILES",
            t.DEVICE: "TARGET",
            t.DEVICE_PREFIX: "DEV_PREFIX",
            t.COUNT: "DISK_ID",
            t.TEXT: "FILES_DS NETWORK TOKEN REPORT_READY SSH_PUBLIC_KEY START_SCRIPT START_SCRIPT_BASE64 "
            "INIT_SCRIPTS SET_HOSTNAME USER_DATA USER_DATA_ENCODING",
            t.YES_NO: "CLOUD_INIT",
        },
        "FILES",
    ),
    *_vector(
        "TOPOLOGY",
        {
            t.POSITIVE: "SOCKETS CORES THREADS HUGEPAGE_SIZE",
            t.one_of("NONE", "CORE", "THREAD", "SHARED", "NODE_AFFINITY"): "PIN_POLICY",
            t.one_of("SHARED", "PRIVATE"): "MEMORY_ACCESS",
            t.IDS: "NODE_AFFINITY",
        },
    ),
    *_vector(
        "NUMA_NODE",
        {t.POSITIVE: "TOTAL_CPUS MEMORY", t.IDS: "CPUS", t.COUNT: "MEMORY_NODE_ID"},
        "CPUS MEMORY_NODE_ID",
        repeatable=True,
    ),
    *_vector(
        "PCI",
        {t.HEX4: "VENDOR DEVICE CLASS", t.PCI_ADDRESS: "SHORT_ADDRESS ADDRESS", t.TOKEN: "TYPE"},
        repeatable=True,
        all_restricted=True,
    ),
    *_vector(
        "USB",
        {t.HEX4: "VENDOR PRODUCT", t.whole(1, 255, "a number from 1 to 255"): "BUS DEVICE"},
        repeatable=True,
        place=USER_TEMPLATE,
        all_restricted=True,
    ),
    *_vector(
        "CONSOLE",
        {t.one_of("PTY", "UNIX", "TCP"): "TYPE", t.LISTEN: "LISTEN", t.PORT: "PORT", t.YES_NO: "LOG"},
        "LISTEN PORT",
        place=USER_TEMPLATE,
    ),
    *_vector(
        "WATCHDOG",
        {
            t.one_of("I6300ESB", "IB700", "DIAG288"): "MODEL",
            t.one_of("RESET", "SHUTDOWN", "POWEROFF", "PAUSE", "NONE", "INJECT-NMI"): "ACTION",
        },
        place=USER_TEMPLATE,
    ),
    *_vector("TPM", {t.TOKEN: "MODEL"}),
    *_vector("MEMORY_ENCRYPTION", {t.TOKEN: "TYPE"}),
    *_vector("VMGROUP", {t.COUNT: "VMGROUP_ID VMGROUP_UID", t.TEXT: "VMGROUP_NAME VMGROUP_UNAME ROLE"}),
    # What only the engine writes.
    *_singles(t.ANY, "VMID", "TM_MAD_SYSTEM", "AUTOMATIC_REQUIREMENTS", "AUTOMATIC_DS_REQUIREMENTS", place=NOWHERE),
    *_singles(t.ANY, "AUTOMATIC_NIC_REQUIREMENTS", "QEMU_GA_EXEC", "ERROR", "SCHED_MESSAGE", "IMPORTED", place=NOWHERE),
    *_singles(t.ANY, "LIVE_MIGRATION", place=NOWHERE),
    *_singles(t.ANY, "SCHED_DECISION", "SCHED_LEASE", place=NOWHERE),
    Attribute("SNAPSHOT", t.ANY, repeatable=True, place=NOWHERE),
    Attribute("SECURITY_GROUP_RULE", t.ANY, repeatable=True, place=NOWHERE),
    # What placement and other services read: it lives in USER_TEMPLATE.
    *_singles(t.TEXT, "REQUIREMENTS", "SCHED_REQUIREMENTS", "SCHED_DS_REQUIREMENTS", place=USER_TEMPLATE),
    *_singles(t.TEXT, "RANK", "SCHED_RANK", "SCHED_DS_RANK", place=USER_TEMPLATE),
    *_singles(t.NUMBER, "USER_PRIORITY", place=USER_TEMPLATE, restricted=True),
    *_singles(t.TEXT, "DEPLOY_ID", place=USER_TEMPLATE, restricted=True),
    *_singles(t.TEXT, "LABELS", "DESCRIPTION", "HYPERVISOR", place=USER_TEMPLATE),
    Attribute("SCHED_ACTION", t.VECTOR, repeatable=True, place=USER_TEMPLATE),
    *_vector("CPU_MODEL", {t.TOKEN: "MODEL", t.TOKENS: "FEATURES"}, place=USER_TEMPLATE),
    *_vector(
        "EC2",
        {t.LINE: "AMI KEYPAIR ELASTICIP AUTHORIZEDPORTS INSTANCETYPE CLOUD HOST"},
        repeatable=True,
        place=USER_TEMPLATE,
    ),
    *_vector(
        "HAIZEA",
        {t.LEASE_START: "START", t.LEASE_DURATION: "DURATION", t.YES_NO: "PREEMPTIBLE"},
        place=USER_TEMPLATE,
    ),
)

BY_NAME: dict[str, Attribute] = {row.name: row for row in ATTRIBUTES if not row.key}
"""The row of an attribute."""

KEYS: dict[str, dict[str, Attribute]] = {
    name: {row.key: row for row in ATTRIBUTES if row.name == name and row.key} for name in BY_NAME
}
"""The rows of an attribute's keys, in the table's order."""

RESTRICTED: dict[str, frozenset[str]] = {
    name: frozenset(row.key for row in ATTRIBUTES if row.name == name and row.restricted)
    for name in {row.name for row in ATTRIBUTES if row.restricted}
}
"""What only members of group 0 may set: {attribute: its keys}, where the key "" is the attribute itself."""


BESIDE_MACHINE = frozenset({"CPU_MODEL", "USB", "CONSOLE", "WATCHDOG", "LXC_UNPRIVILEGED"})
"""What drivers read of USER_TEMPLATE: today's schemas have no place for it among the machine's own attributes."""


def place_of(name: str) -> str:
    """Return where an attribute lives; what is not declared lives in USER_TEMPLATE."""
    row = BY_NAME.get(name)
    return USER_TEMPLATE if row is None else row.place
