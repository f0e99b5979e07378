"""Templates as domains: every declared property in golden files, valid for libvirt; what is refused."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from lxml import etree as lxml_etree
from msgspec.structs import replace

from tests.drivers.libvirt_cases import (
    CASES,
    DIRECTORY,
    EMULATED,
    GOLDEN,
    HYPERVISORS,
    FewNames,
    domain_of,
    template,
    vm_of,
)
from trifid.core.template.attributes import ATTRIBUTES, BESIDE_MACHINE, TEMPLATE
from trifid.core.template.model import Template, Value
from trifid.core.template.model import template as written
from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.connector import Hypervisor
from trifid.drivers.libvirt.domain_xml import MAPPINGS
from trifid.drivers.libvirt.identity import domain_uuid
from trifid.drivers.libvirt.page import NOT_USED, updated
from trifid.drivers.libvirt.registry import connector, shipped
from trifid.drivers.libvirt.vm import parse_vm
from trifid.wire.bodies.vm import vm_full

SCHEMA = Path("/usr/share/libvirt/schemas/domain.rng")
PROPERTIES = sorted({path for mapping in MAPPINGS for path, _ in mapping.paths()})


@pytest.fixture(scope="module")
def schema() -> lxml_etree.RelaxNG:
    """What virt-xml-validate checks against."""
    if not SCHEMA.exists():
        pytest.fail(f"libvirt is not installed, no {SCHEMA}: run tools/packages guest")
    return lxml_etree.RelaxNG(lxml_etree.parse(SCHEMA))


def domain(hypervisor: Hypervisor = EMULATED, /, **more: Value | list[Value]) -> ElementTree.Element:
    """Return the parsed domain of a small VM with some more attributes."""
    return ElementTree.fromstring(domain_of(vm_of(written({"CPU": "1", "MEMORY": "128"}, **more)), hypervisor))


@pytest.mark.parametrize("case", CASES)
def test_a_template_becomes_the_domain_of_its_golden_file(case: str) -> None:
    golden = GOLDEN / f"{case}.xml"
    rendered = domain_of(vm_of(template(case)), HYPERVISORS.get(case, EMULATED))
    if os.environ.get("TRIFID_GOLDEN"):
        golden.write_text(rendered)
    assert rendered == golden.read_text()


@pytest.mark.parametrize("case", CASES)
def test_a_golden_domain_is_valid_for_libvirt(case: str, schema: lxml_etree.RelaxNG) -> None:
    schema.assertValid(lxml_etree.parse(GOLDEN / f"{case}.xml"))


def without(text: Template, path: str) -> Iterator[Template]:
    """Yield the template without an attribute, or without a key of each vector in turn."""
    name, _, key = path.partition("/")
    for at, (found, value) in enumerate(text.pairs):
        if found == name and not key:
            yield Template(text.pairs[:at] + text.pairs[at + 1 :])
        elif found == name and isinstance(value, dict) and key in value:
            less = (name, {k: v for k, v in value.items() if k != key})
            yield Template((*text.pairs[:at], less, *text.pairs[at + 1 :]))


def matters(path: str, case: str) -> bool:
    """Tell whether a case's domain would be another one, or none, without an attribute."""
    vm, hypervisor = vm_of(template(case)), HYPERVISORS.get(case, EMULATED)
    full = domain_of(vm, hypervisor)
    less = [replace(vm, template=t) for t in without(vm.template, path)]
    less += [replace(vm, user_template=t) for t in without(vm.user_template, path)]
    for changed in less:
        try:
            if domain_of(changed, hypervisor) != full:
                return True
        except Failure:
            return True
    return False


REFUSED_ONLY = {"OS/BOOTLOADER", "RAW/VALIDATE"}
"""What has no domain to show it in: one is tested below, the other in test_vmm_libvirt.py."""


@pytest.mark.parametrize("path", sorted(set(PROPERTIES) - REFUSED_ONLY))
def test_every_declared_attribute_matters_in_a_golden_file(path: str) -> None:
    assert any(matters(path, case) for case in CASES), f"no golden file shows what {path} does"


@pytest.mark.parametrize("name", shipped())
def test_every_attribute_of_the_engine_is_mapped_or_listed_as_not_used(name: str) -> None:
    its = connector(name)
    mapped = {path for mapping in its.mappings for path, _ in mapping.paths()}
    not_used = {**NOT_USED, **its.not_used}
    known = {row.path for row in ATTRIBUTES if row.place == TEMPLATE} | {
        row.path for row in ATTRIBUTES if row.name in BESIDE_MACHINE
    }
    vectors = {row.name for row in ATTRIBUTES if row.key}
    unsaid = {path for path in known if path not in mapped and path not in not_used and path not in vectors}
    unsaid = {path for path in unsaid if path.partition("/")[0] not in not_used}
    assert sorted(unsaid) == []
    assert sorted(mapped & set(not_used)) == []
    assert sorted(mapped - known) == []


def test_the_page_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "drivers-libvirt.md"
    if os.environ.get("TRIFID_GOLDEN"):
        page.write_text(updated(page.read_text()))
    assert updated(page.read_text()) == page.read_text(), "run this test with TRIFID_GOLDEN=1"


# -- what users write cannot become more than a value ---------------------------------------------------


def test_markup_in_values_stays_text() -> None:
    made = domain(
        graphics={"TYPE": "spice", "PASSWD": "'/><hostdev x='"},
        os={"KERNEL": "/k", "KERNEL_CMD": "</cmdline><loader>/etc/shadow</loader>"},
    )
    graphics = made.find("devices/graphics")
    assert graphics is not None and graphics.get("passwd") == "'/><hostdev x='"
    assert made.findtext("os/cmdline") == "</cmdline><loader>/etc/shadow</loader>"
    assert made.find("os/loader") is None
    assert len(made.findall("devices")) == 1


def test_disks_are_files_of_the_vm_whatever_their_source_was() -> None:
    made = domain(disk={"SOURCE": "/etc/shadow", "TARGET": "vda"})
    source = made.find("devices/disk/source")
    assert source is not None and source.attrib == {"file": f"{DIRECTORY}/disk.0"}


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        (
            {"os": {"FIRMWARE": "/etc/shadow"}},
            "FIRMWARE must be BIOS, UEFI or a file below /usr/share/, is /etc/shadow",
        ),
        ({"os": {"FIRMWARE": "/usr/share/../../etc/shadow"}}, "FIRMWARE must be BIOS"),
        ({"os": {"FIRMWARE": "/usr/share/OVMF/CODE.fd", "NVRAM": "/etc/shadow"}}, "below /usr/share/"),
        ({"os": {"FIRMWARE": "UEFI", "NVRAM": "/usr/share/OVMF/VARS.fd"}}, "NVRAM belongs to a FIRMWARE"),
        ({"os": {"FIRMWARE": "UEFI", "FIRMWARE_SECURE": "YES"}}, "FIRMWARE_SECURE=YES needs MACHINE=q35"),
        ({"topology": {"SOCKETS": "2"}}, "2 SOCKETS of 1 CORES of 1 THREADS are 2 CPUs, and the VM has 1"),
        (
            {"nic": {"NIC_ID": "0", "INBOUND_PEAK_BW": "9"}},
            "NIC 0: INBOUND_PEAK_BW and INBOUND_PEAK_KB need an INBOUND_AVG_BW",
        ),
        ({"disk": {"SOURCE": "/i", "TARGET": "vda", "TYPE": "FLOPPY"}}, "DISK 0: a floppy is on the fdc bus"),
        ({"os": {"FIRMWARE": "coreboot"}}, "is coreboot"),
        ({"os": {"BOOTLOADER": "/usr/bin/pygrub"}}, "BOOTLOADER is Xen's"),
        ({"os": {"BOOT": "hd,disk0"}}, "BOOT is either of hd,cdrom,network,fd or devices like disk0,nic0"),
        ({"os": {"BOOT": "disk1"}}, "BOOT names disk1, which this VM does not have"),
        ({"os": {"UUID": "42"}}, "UUID must be like"),
        ({"os": {"KERNEL": "http://x/k"}}, "must be an absolute path on the host"),
        ({"disk": {"SOURCE": "/i", "TARGET": "vda", "DRIVER": "vmdk"}}, "DRIVER must be one of raw, qcow2, is vmdk"),
        ({"disk": {"SOURCE": "/i", "TARGET": "mmcblk0"}}, "DISK 0: TARGET mmcblk0 tells no bus"),
        ({"pci": {"VENDOR": "10de"}}, "PCI 0: no ADDRESS was chosen"),
        ({"raw": {"TYPE": "kvm", "DATA": "<a>"}}, "RAW 0: DATA is not XML"),
        ({"raw": {"TYPE": "kvm", "DATA": "<uuid>42</uuid>"}}, "RAW 0: DATA has a <uuid>, which is the engine's"),
        ({"graphics": {"TYPE": "VNC", "PASSWD": "123456789"}}, "GRAPHICS: PASSWD for VNC has at most 8 characters"),
        ({"console": {"TYPE": "TCP"}}, "CONSOLE: TYPE=TCP needs a PORT"),
        ({"usb": {"VENDOR": "8087"}}, "USB 0: name a device by VENDOR and PRODUCT, by BUS and DEVICE, or by all"),
        ({"usb": {"VENDOR": "8087", "PRODUCT": "1", "BUS": "1"}}, "USB 0: name a device by VENDOR and PRODUCT"),
        ({"topology": {"NODE_AFFINITY": "7"}}, "NODE_AFFINITY names node 7, the host's are none"),
        ({"numa_node": {"TOTAL_CPUS": "2"}}, "TOTAL_CPUS of the 1 nodes is 2, and must add up to VCPU (or VCPU_MAX)=1"),
        ({"numa_node": {"MEMORY": "64"}}, "MEMORY of the 1 nodes is 64, and must add up to MEMORY=128"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_by_name_though_it_was_submitted(
    attributes: dict[str, dict[str, str]], said: str
) -> None:
    vm = vm_of(written({"CPU": "1", "MEMORY": "128"}, disk={"SOURCE": "/i", "TARGET": "vda"}))
    for name, keys in attributes.items():
        vector = {**vm.template.vector(name.upper()), **keys}
        vm = replace(vm, template=vm.template.replacing(name.upper(), vector))
    with pytest.raises(Failure, match=re.escape(said)):
        domain_of(vm)


def test_memory_nodes_do_not_grow() -> None:
    vm = vm_of(written({"CPU": "1", "MEMORY": "128", "MEMORY_MAX": "256"}, numa_node={"MEMORY": "128"}))
    with pytest.raises(Failure, match="NUMA_NODE: nodes have memory that does not grow by the balloon"):
        domain_of(vm)


def test_a_pin_for_each_needs_as_many_processors() -> None:
    node = {"CPUS": "4", "TOTAL_CPUS": "2"}
    vm = vm_of(written({"CPU": "1", "VCPU": "2", "MEMORY": "128"}, topology={"PIN_POLICY": "CORE"}, numa_node=node))
    with pytest.raises(Failure, match="NUMA_NODE 0: PIN_POLICY=CORE needs a CPU in CPUS for each of 2 virtual CPUs"):
        domain_of(vm)


# -- rules that one golden file does not show ------------------------------------------------------------


LAYER = {"SOURCE": "/x", "TARGET": "vda", "DISK_ID": "0", "TYPE": "DISK", "DRIVER": "qcow2"}
BACKING = {"BACKING_SOURCE": "/var/lib/one/datastores/1/" + "5" * 32, "BACKING_FORMAT": "raw"}


def of_disk(vector: dict[str, str]) -> str:
    """Return the domain of a VM with this DISK, as the engine writes it."""
    vm = vm_of(written({"CPU": "1", "MEMORY": "128"}))
    return domain_of(replace(vm, template=vm.template.having(("DISK", vector))))


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_a_layer_names_the_image_below_it_and_that_one_names_none(schema: lxml_etree.RelaxNG, kind: str) -> None:
    text = of_disk({**LAYER, **BACKING, "BACKING_FORMAT": kind})
    schema.assertValid(lxml_etree.fromstring(text))
    [layer] = ElementTree.fromstring(text).iterfind("devices/disk/backingStore")
    lines = ElementTree.tostring(layer, encoding="unicode").splitlines()
    assert "".join(line.strip() for line in lines) == (
        f'<backingStore type="file"><format type="{kind}" /><source file="{BACKING["BACKING_SOURCE"]}" />'
        "<backingStore /></backingStore>"
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"DRIVER": "raw"}, "needs DRIVER=qcow2 and BACKING_FORMAT=raw or qcow2, has raw and raw"),
        ({"BACKING_FORMAT": ""}, "needs DRIVER=qcow2 and BACKING_FORMAT=raw or qcow2, has qcow2 and none"),
        ({"BACKING_SOURCE": "json:{}"}, "DISK 0: BACKING_SOURCE must be an absolute path, is json:{}"),
    ],
)
def test_a_layer_over_something_unclear_is_refused(change: dict[str, str], why: str) -> None:
    with pytest.raises(Failure) as refused:
        of_disk({**LAYER, **BACKING, **change})
    assert why in str(refused.value)


def test_cloud_init_has_a_cd_of_its_own_beside_the_contexts(schema: lxml_etree.RelaxNG) -> None:
    vm = vm_of(written({"CPU": "1", "MEMORY": "128"}))
    context = {"DISK_ID": "1", "TARGET": "hda", "CIDATA_TARGET": "hdb"}
    text = domain_of(replace(vm, template=vm.template.having(("CONTEXT", context))))
    schema.assertValid(lxml_etree.fromstring(text))
    disks = ElementTree.fromstring(text).findall("devices/disk")
    assert [
        (one.find("source").get("file"), one.find("target").get("dev"), one.get("device"))  # type: ignore[union-attr]
        for one in disks
    ] == [(f"{DIRECTORY}/disk.1", "hda", "cdrom"), (f"{DIRECTORY}/disk.1.cidata", "hdb", "cdrom")]
    assert all(one.find("readonly") is not None for one in disks)


def test_a_kernel_by_its_path_goes_before_one_of_the_catalogue() -> None:
    found = domain(OS={"KERNEL": "/vmlinuz", "KERNEL_DS": "$FILE[IMAGE_ID=7]"})
    assert found.findtext("os/kernel") == "/vmlinuz"
    assert found.find("os/initrd") is None


@pytest.mark.parametrize(
    ("target", "machine", "bus"),
    [
        ("vda", "pc", "virtio"),
        ("xvda", "pc", "virtio"),
        ("sda", "pc", "scsi"),
        ("sda1", "pc", "scsi"),
        ("hda", "pc", "ide"),
        ("hda", "q35", "sata"),
        ("hda", "pc-q35-7.2", "sata"),
        ("fda", "pc", "fdc"),
    ],
)
def test_the_first_letters_of_a_target_tell_the_bus(target: str, machine: str, bus: str) -> None:
    made = domain(os={"MACHINE": machine}, disk={"SOURCE": "/i", "TARGET": target})
    found = made.find("devices/disk/target")
    assert found is not None and found.attrib == {"dev": target, "bus": bus}


@pytest.mark.parametrize(
    ("root", "cmdline"),
    [
        ("sda1", "root=/dev/sda1 quiet"),
        ("/dev/vda", "root=/dev/vda quiet"),
        ("LABEL=LABROOT", "root=LABEL=LABROOT quiet"),
    ],
)
def test_root_names_a_device_of_the_guest(root: str, cmdline: str) -> None:
    made = domain(os={"KERNEL": "/k", "ROOT": root, "KERNEL_CMD": "quiet"})
    assert made.findtext("os/cmdline") == cmdline


@pytest.mark.parametrize(
    ("cpu", "per_core", "shares"),
    [("0.01", 1024, "11"), ("1", 1024, "1024"), ("1.5", 100, "150"), ("0.001", 100, "2"), ("300", 100, "10000")],
)
def test_cpu_shares_stay_within_what_the_kernel_takes(cpu: str, per_core: int, shares: str) -> None:
    made = domain(Hypervisor("kvm", per_core), CPU=cpu)
    assert made.findtext("cputune/shares") == shares


@pytest.mark.parametrize(
    ("policy", "pins"), [("THREAD", ["4", "5"]), ("SHARED", ["4,5,6", "4,5,6"]), ("", ["4,5,6", "4,5,6"]), ("NONE", [])]
)
def test_virtual_processors_are_pinned_as_the_policy_says(policy: str, pins: list[str]) -> None:
    made = domain(VCPU="2", topology={"PIN_POLICY": policy}, numa_node={"CPUS": "4,5,6"})
    assert [pin.get("cpuset") for pin in made.iterfind("cputune/vcpupin")] == pins


def test_memory_nodes_share_what_is_not_said_evenly() -> None:
    made = domain(VCPU="3", MEMORY="1024", numa_node=[{"CPUS": "0"}, {"CPUS": "1"}])
    cells = [(cell.get("cpus"), cell.get("memory")) for cell in made.iterfind("cpu/numa/cell")]
    assert cells == [("0-1", "524288"), ("2", "524288")]


@pytest.mark.parametrize(
    ("topology", "nodes", "is_told"),
    [
        ({"PIN_POLICY": "CORE"}, [], True),
        ({"PIN_POLICY": "SHARED"}, [{"CPUS": "1"}, {"TOTAL_CPUS": "1"}], True),
        ({"PIN_POLICY": "CORE"}, [{"CPUS": "1"}], False),
        ({"PIN_POLICY": "NONE"}, [], False),
        ({"PIN_POLICY": "NODE_AFFINITY", "NODE_AFFINITY": "0"}, [], False),
        ({"SOCKETS": "1"}, [], False),
    ],
)
def test_pins_that_nobody_chose_are_told(topology: dict[str, str], nodes: list[Value], is_told: bool) -> None:
    vm = vm_of(written({"CPU": "1", "MEMORY": "128"}, topology=topology, numa_node=nodes))
    said = connector("kvm").hints(parse_vm(vm_full(vm, FewNames())))
    assert [text.partition(" pins to")[0] for text in said] == (
        [f"TOPOLOGY: PIN_POLICY={topology['PIN_POLICY']}"] if is_told else []
    )


def test_native_io_goes_past_the_hosts_cache() -> None:
    drivers = domain(
        disk=[{"SOURCE": "/i", "TARGET": "vda", "IO": "NATIVE"}, {"SOURCE": "/i", "TARGET": "vdb", "IO": "THREADS"}]
    ).iterfind("devices/disk/driver")
    assert [driver.get("cache") for driver in drivers] == ["none", None]


def test_a_pointer_on_ps2_is_a_mouse() -> None:
    found = domain(input={"BUS": "PS2"}).find("devices/input")
    assert found is not None and found.attrib == {"type": "mouse", "bus": "ps2"}


def test_what_raw_says_of_devices_joins_the_others(schema: lxml_etree.RelaxNG) -> None:
    rng = "<devices><rng model='virtio'><backend model='random'>/dev/urandom</backend></rng></devices>"
    text = domain_of(vm_of(written({"CPU": "1", "MEMORY": "128"}, raw={"TYPE": "KVM", "DATA": rng})))
    schema.assertValid(lxml_etree.fromstring(text))
    assert len(ElementTree.fromstring(text).findall("devices")) == 1


@pytest.mark.parametrize("kind", ["PTY", "UNIX", "TCP"])
def test_a_console_leads_where_its_type_says(schema: lxml_etree.RelaxNG, kind: str) -> None:
    vm = vm_of(written({"CPU": "1", "MEMORY": "128"}, console={"TYPE": kind, "PORT": "4000"}))
    text = domain_of(vm)
    schema.assertValid(lxml_etree.fromstring(text))
    [serial] = ElementTree.fromstring(text).iterfind("devices/serial")
    source = serial.find("source")
    assert serial.get("type") == kind.lower()
    assert (None if source is None else source.attrib) == {
        "PTY": None,
        "UNIX": {"mode": "bind", "path": f"{DIRECTORY}/console.sock"},
        "TCP": {"mode": "bind", "host": "127.0.0.1", "service": "4000"},
    }[kind]


def test_a_host_that_cannot_weigh_domains_gets_no_shares() -> None:
    assert domain(Hypervisor("qemu", 0)).find("cputune") is None


def test_emulation_has_no_host_processor_to_pass_on() -> None:
    cpu = domain(CPU_MODEL={"MODEL": "host-passthrough"}).find("cpu")
    assert cpu is not None and cpu.attrib == {"mode": "maximum"}


def test_the_uuid_of_a_domain_is_the_vms_own_and_stays() -> None:
    vm = vm_of(written({"CPU": "1", "MEMORY": "128"}))
    parsed = [parse_vm(vm_full(v, FewNames())) for v in (vm, replace(vm, step=9), replace(vm, id=43))]
    first, later, other = (domain_uuid(one) for one in parsed)
    assert first == later != other


def test_engines_with_the_same_vm_have_different_domains() -> None:
    document = vm_full(vm_of(written({"CPU": "1", "MEMORY": "128"})), FewNames())
    assert len({domain_uuid(parse_vm(document, engine)) for engine in ("a", "b")}) == 2
