"""For every attribute that a connector maps, small templates with it: one for each word that it takes."""

from collections.abc import Iterator

from tests.core.template.test_attributes import samples
from tests.drivers.libvirt_cases import CASES, template
from trifid.core.template.attributes import BY_NAME, KEYS, Attribute
from trifid.core.template.model import Template, Value
from trifid.core.template.types import YES_NO
from trifid.drivers.libvirt.connector import Connector, Hypervisor

NODES = {"0": "0,1", "1": "2,3"}
HYPERVISORS = {
    "kvm": Hypervisor("kvm", 100, NODES),
    "xen": Hypervisor("xen", 256),
    "lxc": Hypervisor("lxc", 1024),
}
"""What the domains of a connector are made for; one that is not here has the domains of another."""

_SMALL = {"CPU": "1", "MEMORY": "128"}
_BESIDE: dict[str, dict[str, str]] = {
    "DISK": {"SOURCE": "/images/a.img", "TARGET": "vda"},
    "NIC": {"BRIDGE": "br0"},
    "PCI": {"ADDRESS": "0000:01:00.0"},
    "USB": {"VENDOR": "8087", "PRODUCT": "0a2b"},
    "GRAPHICS": {"TYPE": "spice"},
    "VIDEO": {"TYPE": "virtio"},
    "CONTEXT": {"HOSTNAME": "x"},
    "CONSOLE": {"TYPE": "tcp", "PORT": "4000"},
    "CPU_MODEL": {"MODEL": "Nehalem"},
    "DISK/TYPE=SWAP": {"SOURCE": "", "SIZE": "10"},
    "DISK/TYPE=FS": {"SOURCE": "", "SIZE": "10", "FORMAT": "ext4"},
    "DISK/TYPE=FLOPPY": {"TARGET": "fda"},
    "DISK/BUS=FDC": {"TARGET": "fda"},
    "NIC/INBOUND_PEAK_BW": {"INBOUND_AVG_BW": "100"},
    "NIC/INBOUND_PEAK_KB": {"INBOUND_AVG_BW": "100"},
    "NIC/OUTBOUND_PEAK_BW": {"OUTBOUND_AVG_BW": "100"},
    "NIC/OUTBOUND_PEAK_KB": {"OUTBOUND_AVG_BW": "100"},
    "USB/BUS": {"DEVICE": "4"},
    "USB/DEVICE": {"BUS": "1"},
    "OS/NVRAM": {"FIRMWARE": "/usr/share/OVMF/OVMF_CODE_4M.fd"},
    "OS/FIRMWARE_SECURE": {"FIRMWARE": "UEFI", "MACHINE": "q35"},
    "OS/INITRD": {"KERNEL": "/vmlinuz"},
    "OS/INITRD_DS": {"KERNEL": "/vmlinuz"},
    "OS/ROOT": {"KERNEL": "/vmlinuz"},
    "OS/KERNEL_CMD": {"KERNEL": "/vmlinuz"},
    "NIC/VLAN_ID": {"BRIDGE_TYPE": "openvswitch"},
    "NIC/SCRIPT": {"BRIDGE": ""},
    "TOPOLOGY/NODE_AFFINITY": {"PIN_POLICY": "NODE_AFFINITY"},
}
"""Keys that a vector must have beside the one that is meant, for it to have a meaning."""
_OTHERS: dict[str, Template] = {
    "MEMORY_SLOTS": Template((("MEMORY_MAX", "256"), ("MEMORY_RESIZE_MODE", "HOTPLUG"))),
    "MEMORY_RESIZE_MODE": Template((("MEMORY_MAX", "256"),)),
    "TOPOLOGY/SOCKETS": Template((("VCPU", "4"),)),
    "TOPOLOGY/CORES": Template((("VCPU", "4"),)),
    "TOPOLOGY/THREADS": Template((("VCPU", "4"),)),
    "OS/BOOT": Template((("NIC", {"BRIDGE": "br0"}), ("DISK", {"SOURCE": "/images/a.img", "TARGET": "vda"}))),
    "OS/SD_DISK_BUS": Template((("DISK", {"SOURCE": "/images/a.img", "TARGET": "sda"}),)),
    "OS/MACHINE": Template((("DISK", {"SOURCE": "/images/a.img", "TARGET": "hda"}),)),
    "FEATURES/VIRTIO_SCSI_QUEUES": Template((("DISK", {"SOURCE": "/images/a.img", "TARGET": "sda"}),)),
    "FEATURES/VIRTIO_BLK_QUEUES": Template((("DISK", {"SOURCE": "/images/a.img", "TARGET": "vda"}),)),
    "DISK/IOTHREAD": Template((("FEATURES", {"IOTHREADS": "2"}),)),
}
"""Other attributes without which one has no meaning."""
_VALUES = {
    "MEMORY_MAX": ["256"],
    "VCPU_MAX": ["4"],
    "NUMA_NODE/TOTAL_CPUS": ["1"],
    "NUMA_NODE/MEMORY": ["128"],
    "NUMA_NODE/CPUS": ["0"],
    "TOPOLOGY/NODE_AFFINITY": ["1"],
    "DISK/SERIAL": ["AUTO", "WD-1"],
    "OS/BOOT": ["hd,cdrom,network,fd", "disk0,nic0"],
    "OS/FIRMWARE": ["BIOS", "UEFI", "/usr/share/OVMF/OVMF_CODE_4M.fd"],
    "CONTEXT/TARGET": ["hdb", "vdb", "sdb"],
    "DISK/TARGET": ["vda", "xvda", "sda", "hda", "fda"],
    "NIC/MODEL": ["virtio", "e1000", "rtl8139"],
    "VIDEO/TYPE": ["auto", "none", "vga", "cirrus", "virtio", "qxl"],
    "CPU_MODEL/MODEL": ["Nehalem", "host-passthrough", "host-model", "maximum"],
    "FEATURES/VIRTIO_SCSI_QUEUES": ["auto", "2"],
    "FEATURES/VIRTIO_BLK_QUEUES": ["auto", "2"],
}
"""What is tried of attributes that take many texts; of others, what a golden file has or a sample."""

_VALUES_OF = {
    "xen": {"OS/BOOT": ["hd", "cdrom", "network"], "OS/BOOTLOADER": ["/usr/bin/pygrub"], "RAW/TYPE": ["xen"]},
    "lxc": {"OS/INIT_ENV": ["LANG=C TERM=linux"], "RAW/TYPE": ["lxc"]},
}
"""The same for one connector."""
_BESIDE_OF = {"xen": {"OS/XEN_TYPE": {"KERNEL": "/vmlinuz"}}}
_ALWAYS_OF = {"lxc": Template((("DISK", {"SOURCE": "/images/root.img", "TARGET": "vda"}),))}
"""What every VM of a connector must have."""


def templates(connector: Connector) -> Iterator[tuple[str, Template]]:
    """Yield `NAME/KEY=value` and a template with little more than that."""
    for path in sorted({path for mapping in connector.mappings for path, _ in mapping.paths()}):
        name, _, key = path.partition("/")
        row = KEYS[name][key] if key else BY_NAME[name]
        for value in _VALUES_OF.get(connector.name, {}).get(path) or values(row):
            yield f"{path}={value}", small(path, value, connector.name)


def small(path: str, value: str, connector: str) -> Template:
    """Return a small template in which an attribute has a value."""
    name, _, key = path.partition("/")
    given: Value = value
    if key:
        beside = {**_BESIDE.get(name, {}), **_BESIDE.get(path, {}), **_BESIDE.get(f"{path}={value}", {})}
        beside |= _BESIDE_OF.get(connector, {}).get(path, {})
        beside |= {"TYPE": connector} if name == "RAW" else {}
        given = {**beside, key: value}
    pairs: tuple[tuple[str, Value], ...] = tuple((one, text) for one, text in _SMALL.items() if one != name)
    others = (*_OTHERS.get(path, ()), *_ALWAYS_OF.get(connector, ()))
    return Template((*pairs, *(pair for pair in others if pair[0] != name), (name, given)))


def values(row: Attribute) -> list[str]:
    """Return values that an attribute takes."""
    if row.path in _VALUES:
        return _VALUES[row.path]
    if row.type is YES_NO:
        return ["YES", "NO"]
    words = row.type.expected.removeprefix("one of ")
    if words != row.type.expected:
        return words.split(", ")
    return [next(_golden(row), samples(row)[0])]


def _golden(row: Attribute) -> Iterator[str]:
    for case in CASES:
        for name, value in template(case):
            found = value.get(row.key, "") if isinstance(value, dict) else value
            if name == row.name and found:
                yield found
