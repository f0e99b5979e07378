"""Templates as containers: every declared property in golden files, valid for libvirt; what is refused."""

import io
import os
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from lxml import etree as lxml_etree
from msgspec.structs import replace

from tests.drivers.libvirt_cases import DIRECTORY, ENGINE_ID, GOLDEN, FewNames, vm_of
from tests.drivers.test_libvirt_domain_xml import SCHEMA, without
from trifid.core.template.model import Template, Value
from trifid.core.template.model import template as written
from trifid.core.template.scanner import parse
from trifid.core.template.types import STOP_SIGNALS
from trifid.core.vm.record import VM
from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.connector import Hypervisor
from trifid.drivers.libvirt.connectors.lxc import CONNECTOR, stop_signals
from trifid.drivers.libvirt.connectors.lxc_start import repacked
from trifid.drivers.libvirt.connectors.lxc_users import COUNT, FIRST
from trifid.drivers.libvirt.vm import parse_vm
from trifid.drivers.tm.iso import Entry, write_iso
from trifid.wire.bodies.vm import vm_full

HOST = Hypervisor("lxc")
CASES = sorted(path.stem for path in (GOLDEN / "lxc").glob("*.one"))
PATHS = sorted({path for mapping in CONNECTOR.mappings for path, _ in mapping.paths()})
SMALL = {"CPU": "1", "MEMORY": "64"}
ROOT = {"SOURCE": "/images/root.img"}
REFUSED_OR_OUTSIDE = {"OS/STOP_SIGNAL", "DISK/DRIVER", "DISK/FORMAT", "RAW/VALIDATE"}
"""What has no domain to show it in; tested below."""


def template(case: str) -> Template:
    return parse((GOLDEN / "lxc" / f"{case}.one").read_text())


def container(vm: VM) -> str:
    return CONNECTOR.domain_xml(parse_vm(vm_full(vm, FewNames()), ENGINE_ID), DIRECTORY, HOST)


def small(**more: Value | list[Value]) -> VM:
    """Return a small VM with some more attributes."""
    return vm_of(written(SMALL, **{"DISK": ROOT, **more}))


@pytest.mark.parametrize("case", CASES)
def test_a_template_becomes_the_container_of_its_golden_file(case: str) -> None:
    golden = GOLDEN / "lxc" / f"{case}.xml"
    rendered = container(vm_of(template(case)))
    if os.environ.get("TRIFID_GOLDEN"):
        golden.write_text(rendered)
    assert rendered == golden.read_text()


@pytest.mark.parametrize("case", CASES)
def test_a_golden_container_is_valid_for_libvirt(case: str) -> None:
    lxml_etree.RelaxNG(lxml_etree.parse(SCHEMA)).assertValid(lxml_etree.parse(GOLDEN / "lxc" / f"{case}.xml"))


def matters(path: str, case: str) -> bool:
    """Tell whether a case's container would be another one, or none, without an attribute."""
    vm = vm_of(template(case))
    less = [replace(vm, template=changed) for changed in without(vm.template, path)]
    less += [replace(vm, user_template=changed) for changed in without(vm.user_template, path)]
    for one in less:
        try:
            if container(one) != container(vm):
                return True
        except Failure:
            return True
    return False


@pytest.mark.parametrize("path", sorted(set(PATHS) - REFUSED_OR_OUTSIDE))
def test_every_declared_attribute_matters_in_a_golden_file(path: str) -> None:
    assert any(matters(path, case) for case in CASES), f"no golden file shows what {path} does"


def test_users_of_two_containers_are_never_the_same_and_never_those_of_their_host() -> None:
    ranges = []
    for vm_id in (0, 1, 29_999, 30_000):
        domain = ElementTree.fromstring(container(replace(small(), id=vm_id)))
        [(first, count)] = {(one.get("target", ""), one.get("count", "")) for one in domain.iterfind("idmap/*")}
        ranges.append(range(int(first), int(first) + int(count)))
        assert ranges[-1].start >= FIRST and ranges[-1].stop < 1 << 31 and len(ranges[-1]) == COUNT
    assert ranges[0].stop <= ranges[1].start and ranges[1].stop <= ranges[2].start
    assert ranges[3] == ranges[0], "30000 ranges are all there are"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"DISK": {"TYPE": "SWAP", "SIZE": "8"}}, "needs a DISK with its root file system"),
        ({"DISK": {**ROOT, "DRIVER": "qcow2"}}, "DISK 0: a container is given raw images only, this is qcow2"),
        ({"DISK": {**ROOT, "FORMAT": "qcow2"}}, "raw images only"),
        ({"OS": {"INIT_ARGS": "'open"}}, "OS: INIT_ARGS cannot be taken apart: No closing quotation"),
        ({"OS": {"INIT_ENV": "A=1 B"}}, "OS: INIT_ENV must be words like NAME=VALUE, has B"),
        ({"PCI": {"VENDOR": "10de", "SHORT_ADDRESS": "01:00.0"}}, "PCI: a container gets no PCI devices"),
        ({"USB": {"VENDOR": "0951", "PRODUCT": "1666"}}, "USB: a container gets no USB devices"),
        ({"NIC": {"BRIDGE": "br0", "INBOUND_PEAK_BW": "9"}}, "INBOUND_PEAK_BW and .* need an INBOUND_AVG_BW"),
    ],
)
def test_what_a_container_cannot_be_is_refused_by_the_name_of_the_attribute(
    more: dict[str, Value | list[Value]], why: str
) -> None:
    with pytest.raises(Failure, match=why):
        container(small(**more))


def test_an_init_is_told_to_power_off_and_any_other_program_to_end() -> None:
    init = stop_signals({})
    assert init == stop_signals({"INIT": "/sbin/init"})
    assert len(init) == 2, "one that systemd knows, and one that busybox knows"
    assert stop_signals({"INIT": "/usr/sbin/nginx"}) == stop_signals({"STOP_SIGNAL": "TERM"})
    assert stop_signals({"INIT": "/usr/sbin/nginx", "STOP_SIGNAL": "quit"}) == stop_signals({"STOP_SIGNAL": "QUIT"})
    assert len({stop_signals({"STOP_SIGNAL": name}) for name in STOP_SIGNALS}) == len(STOP_SIGNALS)
    with pytest.raises(Failure, match="STOP_SIGNAL must be one of TERM, INT"):
        stop_signals({"STOP_SIGNAL": "KILL"})


def test_the_files_of_a_context_go_to_the_owner_and_nobody_else_reads_them(tmp_path: Path) -> None:
    (tmp_path / "context.sh").write_text("A='1'\n")
    (tmp_path / "run").write_text("#!/bin/sh\n")
    image = io.BytesIO()
    entries = [
        Entry("context.sh", tmp_path / "context.sh", 0o644),
        Entry("scripts", None, 0o755),
        Entry("scripts/a name of some length.sh", tmp_path / "run", 0o755),
    ]
    write_iso(entries, image)
    with tarfile.open(fileobj=io.BytesIO(repacked(image.getvalue(), 70_000))) as archive:
        found = {one.name: (one.isdir(), oct(one.mode), one.uid, one.gid) for one in archive}
        context = archive.extractfile("context.sh")
        assert context is not None and context.read() == b"A='1'\n"
    assert found == {
        "context.sh": (False, "0o400", 70_000, 70_000),
        "scripts": (True, "0o500", 70_000, 70_000),
        "scripts/a name of some length.sh": (False, "0o500", 70_000, 70_000),
    }


def test_a_context_that_is_no_image_is_refused() -> None:
    with pytest.raises(Failure, match="the context is no readable ISO image"):
        repacked(b"no image" * 10_000, 0)
