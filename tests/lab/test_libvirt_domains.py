"""What becomes of every attribute, real libvirts take: they know more than their schema says.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import libvirt
import pytest
from msgspec.structs import replace

from tests.drivers.libvirt_attributes import HYPERVISORS
from tests.drivers.test_libvirt_schema import domains

UNABLE = (
    ("OS/ARCH", "No emulator found for arch"),
    ("OS/ARCH", "could not find capabilities for ostype=exe"),
    ("TPM/MODEL", "TPM version '2.0' is not supported"),
    ("WATCHDOG/MODEL=DIAG288", "allowed for s390 and s390x only"),
    ("INPUT/BUS=XEN", "unsupported input bus xen"),
)
"""What libvirt may say where the machine lacks a program, or the attribute is for other machines."""

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize(("uri", "name", "kind"), [("qemu:///system", "kvm", "qemu"), ("lxc:///system", "lxc", "lxc")])
def test_libvirt_takes_a_domain_with_any_attribute(uri: str, name: str, kind: str) -> None:
    refused = {}
    with libvirt.open(uri) as opened:
        for attribute, text in domains(name, replace(HYPERVISORS[name], type=kind)):
            try:
                if text:
                    domain = opened.defineXMLFlags(text, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
                    domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM if kind == "qemu" else 0)
            except libvirt.libvirtError as fault:
                refused[attribute] = fault.get_error_message()
    unable = [
        attribute
        for attribute, said in refused.items()
        for begin, why in UNABLE
        if attribute.startswith(begin) and why in said
    ]
    assert {attribute: said for attribute, said in refused.items() if attribute not in unable} == {}
