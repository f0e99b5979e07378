"""Templates as domains of Xen: every declared property in golden files, valid for libvirt; what is refused."""

import os
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from lxml import etree as lxml_etree
from msgspec.structs import replace

from tests.drivers.libvirt_cases import DIRECTORY, ENGINE_ID, FewNames, vm_of
from tests.drivers.test_libvirt_domain_xml import without
from trifid.core.template.model import Value
from trifid.core.template.model import template as written
from trifid.core.template.scanner import parse
from trifid.core.vm.record import VM
from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.connector import Hypervisor, Place
from trifid.drivers.libvirt.connectors.xen import CONNECTOR
from trifid.drivers.libvirt.connectors.xen_devices import plugged_interface
from trifid.drivers.libvirt.vm import parse_vm
from trifid.wire.bodies.vm import vm_full

GOLDEN = Path(__file__).parent / "golden" / "xen"
CASES = sorted(path.stem for path in GOLDEN.glob("*.one"))
PROPERTIES = sorted({path for mapping in CONNECTOR.mappings for path, _ in mapping.paths()})
SCHEMA = Path("/usr/share/libvirt/schemas/domain.rng")
XEN = Hypervisor("xen", 256)
SMALL = {"CPU": "1", "MEMORY": "128"}
KERNEL = {"KERNEL": "/boot/vmlinuz"}


@pytest.fixture(scope="module")
def schema() -> lxml_etree.RelaxNG:
    """What virt-xml-validate checks against."""
    if not SCHEMA.exists():
        pytest.fail(f"libvirt is not installed, no {SCHEMA}: run tools/packages guest")
    return lxml_etree.RelaxNG(lxml_etree.parse(SCHEMA))


def case_vm(case: str) -> VM:
    """Return the VM of a case."""
    return vm_of(parse((GOLDEN / f"{case}.one").read_text()))


def domain_of(vm: VM, hypervisor: Hypervisor = XEN) -> str:
    """Return the domain of a VM, out of the document that the engine renders for drivers."""
    return CONNECTOR.domain_xml(parse_vm(vm_full(vm, FewNames()), ENGINE_ID), DIRECTORY, hypervisor)


def domain(**more: Value | list[Value]) -> ElementTree.Element:
    """Return the parsed domain of a small VM with some more attributes."""
    return ElementTree.fromstring(domain_of(vm_of(written(SMALL, **more))))


def changed(**vectors: dict[str, str]) -> VM:
    """Return a small VM whose vectors are as the engine writes them: what it would not take in comes from elsewhere."""
    vm = vm_of(written(SMALL, os=KERNEL, disk={"SOURCE": "/i", "TARGET": "xvda"}))
    for name, keys in vectors.items():
        name = name.upper()
        if found := vm.template.vector(name):
            vm = replace(vm, template=vm.template.replacing(name, {**found, **keys}))
        else:
            vm = replace(vm, template=vm.template.having((name, keys)))
    return vm


@pytest.mark.parametrize("case", CASES)
def test_a_template_becomes_the_domain_of_its_golden_file(case: str) -> None:
    golden = GOLDEN / f"{case}.xml"
    rendered = domain_of(case_vm(case))
    if os.environ.get("TRIFID_GOLDEN"):
        golden.write_text(rendered)
    assert rendered == golden.read_text()


@pytest.mark.parametrize("case", CASES)
def test_a_golden_domain_is_valid_for_libvirt(case: str, schema: lxml_etree.RelaxNG) -> None:
    schema.assertValid(lxml_etree.parse(GOLDEN / f"{case}.xml"))


def matters(path: str, case: str) -> bool:
    """Tell whether a case's domain would be another one, or none, without an attribute."""
    vm = case_vm(case)
    full = domain_of(vm)
    for less in without(vm.template, path):
        try:
            if domain_of(replace(vm, template=less)) != full:
                return True
        except Failure:
            return True
    return False


TESTED_BELOW = {"MEMORY_RESIZE_MODE", "DISK/DRIVER", "DISK/FORMAT", "RAW/VALIDATE"}
"""What has no domain to show it in, needs a catalogue, or is said when the domain starts."""


@pytest.mark.parametrize("path", sorted(set(PROPERTIES) - TESTED_BELOW))
def test_every_declared_attribute_matters_in_a_golden_file(path: str) -> None:
    assert any(matters(path, case) for case in CASES), f"no golden file shows what {path} does"


@pytest.mark.parametrize(
    ("os", "kind"),
    [
        (KERNEL, "linux"),
        ({"KERNEL_DS": "$FILE[IMAGE_ID=7]"}, "linux"),
        ({"BOOTLOADER": "/usr/bin/pygrub"}, "linux"),
        ({"BOOT": "hd"}, "hvm"),
        ({}, "hvm"),
        ({**KERNEL, "XEN_TYPE": "pvh"}, "xenpvh"),
        ({**KERNEL, "XEN_TYPE": "HVM"}, "hvm"),
    ],
)
def test_a_kernel_or_a_bootloader_makes_a_pv_guest_unless_the_template_says_otherwise(
    os: dict[str, str], kind: str
) -> None:
    assert domain(os=os).findtext("os/type") == kind


@pytest.mark.parametrize(
    ("os", "target", "is_cd", "found"),
    [
        (KERNEL, "sda", False, ("xvda", "xen", "disk")),
        (KERNEL, "vdb", False, ("xvdb", "xen", "disk")),
        (KERNEL, "sda1", False, ("xvda1", "xen", "disk")),
        (KERNEL, "hda", True, ("xvdz", "xen", "disk")),
        (KERNEL, "xvdc", True, ("xvdc", "xen", "disk")),
        ({}, "hda", True, ("hda", "ide", "cdrom")),
        ({}, "hdb", False, ("hdb", "ide", "disk")),
        ({}, "vda", False, ("xvda", "xen", "disk")),
        ({}, "sdb", False, ("sdb", "scsi", "disk")),
    ],
)
def test_a_disk_has_the_name_that_its_guest_will_give_it(
    os: dict[str, str], target: str, is_cd: bool, found: tuple[str, str, str]
) -> None:
    [one] = domain(os=os, disk={"SOURCE": "/i", "TARGET": target, "TYPE": "CDROM" if is_cd else "FILE"}).iter("disk")
    seen = one.find("target")
    assert seen is not None and (seen.get("dev"), seen.get("bus"), one.get("device")) == found


def test_the_engines_own_targets_of_disks_and_context_do_not_meet() -> None:
    made = domain(os=KERNEL, disk={"SOURCE": "/i"}, context={"HOSTNAME": "x"})
    assert [target.get("dev") for target in made.iterfind("devices/disk/target")] == ["xvda", "xvdz"]


@pytest.mark.parametrize(
    ("root", "cmdline"),
    [
        ("sda1", "root=/dev/xvda1 quiet"),
        ("/dev/vda", "root=/dev/xvda quiet"),
        ("xvdb2", "root=/dev/xvdb2 quiet"),
        ("LABEL=LABROOT", "root=LABEL=LABROOT quiet"),
        ("/dev/mapper/root", "root=/dev/mapper/root quiet"),
        ("nfs", "root=/dev/nfs quiet"),
    ],
)
def test_root_is_called_as_the_guest_calls_its_disk(root: str, cmdline: str) -> None:
    assert domain(os={**KERNEL, "ROOT": root, "KERNEL_CMD": "quiet"}).findtext("os/cmdline") == cmdline


@pytest.mark.parametrize(
    ("said", "driver"),
    [
        ({}, {"name": "phy", "type": "raw"}),
        ({"FORMAT": "raw"}, {"name": "phy", "type": "raw"}),
        ({"FORMAT": "qcow2", "IMAGE_ID": "3"}, {"name": "qemu", "type": "qcow2"}),
        ({"FORMAT": "raw", "DRIVER": "qcow2", "IMAGE_ID": "3"}, {"name": "qemu", "type": "qcow2"}),
        ({"FORMAT": "ext4"}, {"name": "phy", "type": "raw"}),
    ],
)
def test_a_raw_disk_needs_no_qemu_on_the_host_and_a_qcow2_one_does(
    said: dict[str, str], driver: dict[str, str]
) -> None:
    [found] = ElementTree.fromstring(domain_of(changed(disk=said))).iterfind("devices/disk/driver")
    assert found.attrib == driver


@pytest.mark.parametrize(("cpu", "weight"), [("1", "256"), ("0.5", "128"), ("0.001", "2"), ("1000", "65535")])
def test_cpu_is_a_weight_within_what_xens_scheduler_takes(cpu: str, weight: str) -> None:
    assert domain(CPU=cpu).findtext("cputune/shares") == weight


def test_a_host_may_be_told_to_weigh_nothing() -> None:
    place = Place("xen:///system", is_local=True, capabilities="<capabilities/>", shares_per_core=0)
    assert "<cputune>" not in domain_of(vm_of(written(SMALL)), CONNECTOR.hypervisor(place))


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ({"os": {"XEN_TYPE": "LXC"}}, "OS: XEN_TYPE must be PV, PVH or HVM, is LXC"),
        ({"os": {"KERNEL": "", "XEN_TYPE": "PV"}}, "OS: a PV guest needs a KERNEL, or a BOOTLOADER"),
        ({"os": {"KERNEL": "", "XEN_TYPE": "PVH"}}, "OS: a PVH guest needs a KERNEL"),
        ({"os": {"KERNEL": "http://x/k"}}, "must be an absolute path on the host"),
        ({"os": {"KERNEL": "", "BOOTLOADER": "/tmp/evil"}}, "BOOTLOADER must be a program below /usr/"),
        ({"os": {"KERNEL": "", "BOOTLOADER": "/usr/../tmp/evil"}}, "BOOTLOADER must be a program below /usr/"),
        ({"os": {"BOOTLOADER": "/usr/bin/pygrub", "XEN_TYPE": "PVH"}}, "BOOTLOADER is for PV guests, this one is PVH"),
        ({"os": {"FIRMWARE": "UEFI"}}, "FIRMWARE under Xen is BIOS, or UEFI in HVM guests, is UEFI (PV)"),
        ({"os": {"FIRMWARE": "/etc/shadow", "XEN_TYPE": "HVM"}}, "FIRMWARE under Xen is BIOS, or UEFI"),
        ({"os": {"FIRMWARE_SECURE": "YES"}}, "Xen has no secure boot"),
        ({"os": {"BOOT": "disk0,nic0", "XEN_TYPE": "HVM"}}, "an order of single disks is KVM's"),
        ({"disk": {"TARGET": "fda"}}, "DISK 0: TARGET fda: there are no floppy disks under Xen"),
        ({"disk": {"TARGET": "mmcblk0"}}, "DISK 0: TARGET mmcblk0: give a device name like xvda"),
        ({"disk": {"TARGET": "hde"}, "os": {"XEN_TYPE": "HVM"}}, "IDE has hda to hdd only"),
        ({"disk": {"TARGET": "sda", "TYPE": "CDROM"}, "os": {"XEN_TYPE": "HVM"}}, "CDs of HVM guests are on IDE"),
        ({"disk": {"DRIVER": "vmdk"}}, "DISK 0: DRIVER must be one of raw, qcow2, is vmdk"),
        ({"disk": {"DRIVER": "qcow2"}}, "a qcow2 file that is not of the catalogue may name other files of the host"),
        ({"graphics": {"TYPE": "SPICE"}}, "GRAPHICS: TYPE of a PV guest is vnc or sdl, is spice"),
        ({"input": {"TYPE": "KEYBOARD"}, "os": {"XEN_TYPE": "HVM"}}, "INPUT: TYPE under Xen is mouse or tablet"),
        ({"pci": {"ADDRESS": "0000:01:00.0"}, "os": {"XEN_TYPE": "PVH"}}, "PCI: PVH guests get no devices"),
        ({"pci": {"VENDOR": "10de"}}, "PCI 0: no ADDRESS was chosen"),
        ({"tpm": {"MODEL": "tpm-crb"}}, "TPM: there is none under Xen"),
        ({"watchdog": {"MODEL": "i6300esb"}}, "WATCHDOG: there is none under Xen"),
        ({"usb": {"VENDOR": "1d6b", "PRODUCT": "0002"}}, "USB: only PCI devices are handed over under Xen"),
        ({"raw": {"TYPE": "xen", "DATA": "<a>"}}, "RAW 0: DATA is not XML"),
    ],
)
def test_what_xen_would_refuse_or_leave_out_is_refused_before(vectors: dict[str, dict[str, str]], said: str) -> None:
    with pytest.raises(Failure, match=re.escape(said)):
        domain_of(changed(**vectors))


def test_memory_modules_are_refused() -> None:
    vm = vm_of(written({**SMALL, "MEMORY_MAX": "256", "MEMORY_RESIZE_MODE": "HOTPLUG"}))
    with pytest.raises(Failure, match="HOTPLUG is KVM's, memory under Xen balloons"):
        domain_of(vm)


def test_two_disks_that_would_be_one_in_the_guest_are_refused() -> None:
    vm = vm_of(written(SMALL, os=KERNEL, disk=[{"SOURCE": "/i", "TARGET": t} for t in ("sda", "vda")]))
    with pytest.raises(Failure, match="two disks would be xvda in the guest"):
        domain_of(vm)


def test_limits_that_xen_does_not_keep_are_told() -> None:
    vm = changed(disk={"TOTAL_IOPS_SEC": "100"}, nic={"NIC_ID": "0", "BRIDGE": "br0", "INBOUND_AVG_BW": "100"})
    assert CONNECTOR.hints(parse_vm(vm_full(vm, FewNames()), ENGINE_ID)) == [
        "DISK 0: its limits have no effect, Xen limits no disks",
        "NIC 0: Xen limits OUTBOUND_AVG_BW only",
    ]
    assert CONNECTOR.hints(parse_vm(vm_full(changed(), FewNames()), ENGINE_ID)) == []


def test_disks_are_files_of_the_vm_whatever_their_source_was() -> None:
    [source] = domain(os=KERNEL, disk={"SOURCE": "/etc/shadow", "TARGET": "xvda"}).iterfind("devices/disk/source")
    assert source.attrib == {"file": f"{DIRECTORY}/disk.0"}


def test_an_emulated_card_whose_name_would_be_too_long_is_refused() -> None:
    document = vm_full(vm_of(written(SMALL)), FewNames())
    nic = {"NIC_ID": "0", "BRIDGE": "br0", "TARGET": "one-123456-0"}
    with pytest.raises(Failure, match="one-123456-0-emu, the emulated card of an HVM guest, is longer"):
        plugged_interface(parse_vm(document), nic)
    assert plugged_interface(parse_vm(document), {**nic, "MODEL": "netfront"}).find("model") is not None
    with pytest.raises(Failure, match="one-123456-0-emu, the emulated card of an HVM guest, is longer"):
        domain(nic=nic)


def test_a_host_is_what_the_hypervisor_has_and_not_what_dom0_sees() -> None:
    capabilities = """<capabilities>
      <host><topology><cells num='1'><cell id='0'><memory unit='KiB'>1572736</memory>
        <cpus num='2'><cpu id='0'/><cpu id='1'/></cpus></cell></cells></topology></host>
      <guest><os_type>xen</os_type></guest><guest><os_type>hvm</os_type></guest><guest><os_type>xenpvh</os_type></guest>
    </capabilities>"""
    assert CONNECTOR.facts(capabilities) == {
        "HYPERVISOR": "xen",
        "TOTALMEMORY": "1572736",
        "TOTALCPU": "200",
        "XEN_TYPES": "HVM PV PVH",
    }
