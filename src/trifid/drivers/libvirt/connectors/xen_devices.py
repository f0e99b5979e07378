"""DISK, CONTEXT, NIC and the rest of a template as devices of a Xen domain.

A raw file or block device is served by dom0's own kernel (`phy`), so that PV and PVH guests need no QEMU in dom0;
qcow2 and CDs are served by QEMU.  Source: reference/drivers.md §7.1; xl-disk-configuration(5), libvirt's drvxen.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from xml.etree.ElementTree import Element

from trifid.core.template.types import IMAGE_FORMATS
from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.disks import SEED_SUFFIX, image_path
from trifid.drivers.libvirt.mapping import Mapping, Property, child, if_yes, is_yes, lower
from trifid.drivers.libvirt.nics import is_on_open_vswitch
from trifid.drivers.libvirt.vm import Vector, VmDocument

LAST_LETTER = ord("z")
_TARGET = re.compile(r"(xvd|vd|sd|hd|fd)([a-z]+)([0-9]*)\Z")
_HVM_BUSES = {"hd": "ide", "sd": "scsi", "xvd": "xen", "vd": "xen"}
_HVM_MODELS = ("e1000", "rtl8139", "ne2k_pci", "pcnet", "netfront")
_IFNAME_MAX = 15
_EMULATED_SUFFIX = "-emu"


class Kind(StrEnum):
    """How a guest runs.

    PV: its kernel knows Xen and needs nothing of the processor.  PVH: in the processor's virtualization, with Xen's
    devices only.  HVM: in it as well, with a PC around it that QEMU emulates.
    """

    PV = "PV"
    PVH = "PVH"
    HVM = "HVM"


def kind_of(vm: VmDocument) -> Kind:
    """Return how a VM runs: as OS/XEN_TYPE says; else PV with a kernel or a bootloader, and HVM without.

    Raises:
        Failure: XEN_TYPE is none of the three.
    """
    os = vm.template.vector("OS")
    if wanted := os.get("XEN_TYPE", "").upper():
        if wanted not in (kind.value for kind in Kind):
            raise Failure(f"OS: XEN_TYPE must be PV, PVH or HVM, is {wanted}")
        return Kind(wanted)
    return Kind.PV if any(os.get(key) for key in ("KERNEL", "KERNEL_DS", "BOOTLOADER")) else Kind.HVM


DISK = Mapping(
    "DISK",
    "disk",
    (
        Property("@type", "type", note="block for TYPE=BLOCK or DISK_TYPE=BLOCK, else file"),
        Property("@device", "TYPE", note="CDROM: cdrom in HVM guests; PV and PVH have no CDs, it is a read-only disk"),
        Property("driver/@name", "driver", note="phy, or qemu for qcow2 and for CDs of HVM guests"),
        Property("driver/@type", default="raw"),
        Property("driver/@type", "FORMAT", note="when it is raw or qcow2"),
        Property("driver/@type", "DRIVER", note="raw or qcow2, goes before FORMAT; qcow2 only of the catalogue"),
        Property("driver/@discard", "DISCARD", convert=lower, note="disks that are written to"),
        Property(".", "DISK_ID", note="the image is disk.DISK_ID in the VM's directory on the host"),
        Property("source/@file", "file"),
        Property("source/@dev", "dev", note="for TYPE=BLOCK"),
        Property(
            "target/@dev",
            "TARGET",
            note="PV and PVH: sda, hda and vda are xvda, CDs from the end (hda is xvdz); HVM: vda is xvda",
        ),
        Property("target/@bus", "bus", note="xen; HVM: ide for hd, scsi for sd"),
        Property("readonly/", "READONLY", convert=if_yes, note="CDROM always"),
    ),
)

CONTEXT = Mapping(
    "CONTEXT",
    "disk",
    (
        Property(".", "DISK_ID", note="a read-only disk disk.DISK_ID; a CD in HVM guests"),
        Property("target/@dev", "TARGET", note="as of a CD above"),
        Property("target/@dev", "cidata", note="CIDATA_TARGET, the engine's: disk.DISK_ID.cidata, for cloud-init"),
    ),
)

INTERFACE = Mapping(
    "NIC",
    "interface",
    (
        Property("@type", "type", note="bridge with a BRIDGE, else ethernet"),
        Property("source/@bridge", "BRIDGE"),
        Property("source/@bridge", "tagged", note="on Open vSwitch with a VLAN: BRIDGE.VLAN_ID, as Xen's script wants"),
        Property("mac/@address", "MAC", convert=lower),
        Property("target/@dev", "TARGET", note="name of the vif in dom0"),
        Property("script/@path", "script", note="vif-openvswitch for BRIDGE_TYPE or VN_MAD of Open vSwitch"),
        Property("script/@path", "SCRIPT", note="else Xen's vif-bridge"),
        Property("model/@type", "MODEL", convert=lower, note=f"HVM: {', '.join(_HVM_MODELS)}; else Xen's choice"),
        Property("bandwidth/outbound/@average", "OUTBOUND_AVG_BW", note="KiB/s; Xen limits nothing else"),
        Property(".", "BRIDGE_TYPE", note="openvswitch chooses the script"),
        Property(".", "VN_MAD", note="ovswitch and ovswitch_vxlan do, too"),
        Property(".", "VLAN_ID", note="on Open vSwitch; other bridges are tagged outside"),
    ),
)


def guest_name(target: str, *, is_cd: bool) -> str:
    """Return how a PV guest calls the disk of a TARGET: all its disks are xvd.

    Those of different buses keep their letter.  CDs are called from the end of the alphabet, out of their way: the
    engine gives them hda beside a disk sda.
    """
    found = _TARGET.match(target)
    if not found or found.group(1) == "fd":
        return ""
    _, letters, partition = found.groups()
    if is_cd and len(letters) == 1 and not target.startswith("xvd"):
        letters = chr(LAST_LETTER - (ord(letters) - ord("a")))
    return f"xvd{letters}{partition}"


def disk(vm: VmDocument, vector: Vector, directory: str) -> Element:
    """Return the disk of a DISK, now or later plugged in.

    Raises:
        Failure: a value that cannot be carried out, by the name of its attribute.
    """
    return _disk(kind_of(vm), vector, directory)


def _disk(kind: Kind, vector: Vector, directory: str) -> Element:
    disk_id, word = vector.get("DISK_ID", ""), vector.get("TYPE", "").upper()
    where = f"DISK {disk_id}"
    if not disk_id.isdigit():
        raise Failure(f"{where}: DISK_ID must be a number")
    is_cd = word == "CDROM"
    name, bus = _target(kind, vector.get("TARGET", ""), is_cd, where)
    is_emulated_cd = is_cd and kind is Kind.HVM and bus != "xen"
    image_format = _format(vector, where)
    is_block = "BLOCK" in (word, vector.get("DISK_TYPE", "").upper())
    is_readonly = is_cd or is_yes(vector.get("READONLY", ""))
    path = image_path(vector, directory)
    return DISK.element(
        {
            "type": "block" if is_block else "file",
            "TYPE": "cdrom" if is_emulated_cd else "disk",
            "driver": "qemu" if is_emulated_cd or image_format != "raw" else "phy",
            "DRIVER": image_format,
            "DISCARD": "" if is_readonly else vector.get("DISCARD", ""),
            "file": "" if is_block else path,
            "dev": path if is_block else "",
            "TARGET": name,
            "bus": bus,
            "READONLY": "YES" if is_readonly else "NO",
        }
    )


def _format(vector: Vector, where: str) -> str:
    """Return the format of a disk's file.

    Xen's QEMU follows whatever other files a qcow2 file names, and libvirt cannot forbid it there as under KVM.  So
    it must come from the catalogue, which takes no images that do.
    """
    wanted = vector.get("DRIVER", "").lower()
    if wanted and wanted not in IMAGE_FORMATS:
        raise Failure(f"{where}: DRIVER must be one of {', '.join(IMAGE_FORMATS)}, is {wanted}: convert it")
    said = vector.get("FORMAT", "").lower()
    image_format = wanted or (said if said in IMAGE_FORMATS else "raw")
    if image_format == "raw":
        return image_format
    is_empty = vector.get("TYPE", "").upper() in ("FS", "SWAP")
    if not (vector.get("IMAGE_ID") or is_empty):
        raise Failure(
            f"{where}: a {image_format} file that is not of the catalogue may name other files of the host, which "
            "Xen would open: make an image of it (oneimage create), or convert it to raw"
        )
    return image_format


def _target(kind: Kind, target: str, is_cd: bool, where: str) -> tuple[str, str]:
    """Return the device's name for Xen, and its bus."""
    found = _TARGET.match(target)
    if not found:
        raise Failure(f"{where}: TARGET {target or 'is missing'}: give a device name like xvda, sda or hda")
    prefix, letters, partition = found.groups()
    if prefix == "fd":
        raise Failure(f"{where}: TARGET {target}: there are no floppy disks under Xen, use xvda, sda or hda")
    if kind is Kind.HVM:
        if is_cd and prefix != "hd":
            raise Failure(f"{where}: TARGET {target}: CDs of HVM guests are on IDE, use hda to hdd")
        if prefix == "hd" and (partition or letters not in "abcd"):
            raise Failure(f"{where}: TARGET {target}: IDE has hda to hdd only, use xvd or sd for more")
        return (f"xvd{letters}{partition}" if prefix == "vd" else target), _HVM_BUSES[prefix]
    return guest_name(target, is_cd=is_cd), "xen"


def disks(vm: VmDocument, directory: str) -> list[Element]:
    """Return all disks of a VM, that of its context and the one for cloud-init among them.

    Raises:
        Failure: a value that cannot be carried out; two disks have one name.
    """
    kind = kind_of(vm)
    found = [_disk(kind, vector, directory) for vector in vm.template.vectors("DISK")]
    for context in vm.template.vectors("CONTEXT"):
        if not context.get("TARGET"):
            continue
        vector: Vector = {"DISK_ID": context.get("DISK_ID", ""), "TARGET": context["TARGET"], "TYPE": "CDROM"}
        found.append(_disk(kind, vector, directory))
        if target := context.get("CIDATA_TARGET", ""):
            seed = _disk(kind, {**vector, "TARGET": target}, directory)
            for source in seed.iterfind("source"):
                source.set("file", f"{image_path(vector, directory)}{SEED_SUFFIX}")
            found.append(seed)
    _refuse_same_names(kind, found)
    return found


def _refuse_same_names(kind: Kind, found: Iterable[Element]) -> None:
    seen: set[str] = set()
    for element in found:
        for target in element.iterfind("target"):
            if (name := target.get("dev", "")) in seen:
                raise Failure(
                    f"DISK: two disks would be {name} in the guest: under Xen ({kind}) a TARGET is told from others by "
                    "its letters alone (sda, vda and hda are one), give them different ones"
                )
            seen.add(name)


def interface(kind: Kind, nic: Vector) -> Element:
    """Return the interface of a NIC.

    Raises:
        Failure: the name of the vif has no room for what Xen appends to it.
    """
    is_ovs = is_on_open_vswitch(nic)
    bridge, vlan = nic.get("BRIDGE", ""), nic.get("VLAN_ID", "")
    model = nic.get("MODEL", "") if kind is Kind.HVM and nic.get("MODEL", "").lower() in _HVM_MODELS else ""
    target = nic.get("TARGET", "")
    has_twin = kind is Kind.HVM and model.lower() != "netfront"
    if has_twin and len(target) + len(_EMULATED_SUFFIX) > _IFNAME_MAX:
        raise Failure(
            f"NIC {nic.get('NIC_ID', '')}: {target}{_EMULATED_SUFFIX}, the emulated card of an HVM guest, is longer "
            f"than the {_IFNAME_MAX} characters of an interface's name: give MODEL=netfront, or a shorter TARGET"
        )
    return INTERFACE.element(
        {
            **nic,
            "type": "bridge" if bridge else "ethernet",
            "tagged": f"{bridge}.{vlan}" if is_ovs and bridge and vlan else "",
            "script": "vif-openvswitch" if is_ovs else "",
            "MODEL": model,
        }
    )


def plugged_interface(vm: VmDocument, nic: Vector) -> Element:
    """Return the interface of a NIC that comes to a running VM."""
    return interface(kind_of(vm), nic)


def put_console(devices: Element, kind: Kind) -> None:
    """Add the console: Xen's own, in HVM guests the serial port."""
    if kind is Kind.HVM:
        child(child(devices, "serial", type="pty"), "target", port="0")
        child(child(devices, "console", type="pty"), "target", type="serial", port="0")
    else:
        child(child(devices, "console", type="pty"), "target", type="xen", port="0")
