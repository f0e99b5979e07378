"""What becomes of every attribute, a real libvirt takes: it knows more than its schema says.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import libvirt
import pytest
from msgspec.structs import replace

from tests.drivers.libvirt_attributes import HYPERVISORS
from tests.drivers.test_libvirt_schema import domains

UNABLE = {
    "OS/ARCH": "No emulator found for arch",
    "TPM/MODEL": "TPM version '2.0' is not supported",
    "WATCHDOG/MODEL=DIAG288": "allowed for s390 and s390x only",
    "INPUT/BUS=XEN": "unsupported input bus xen",
}
"""What libvirt may say where the machine lacks a program, or the attribute is for other machines."""

pytestmark = pytest.mark.timeout(300)


def test_qemus_libvirt_takes_a_domain_with_any_attribute() -> None:
    emulated = replace(HYPERVISORS["kvm"], type="qemu")
    refused = {}
    with libvirt.open("qemu:///system") as opened:
        for attribute, text in domains("kvm", emulated):
            try:
                if text:
                    opened.defineXMLFlags(text, libvirt.VIR_DOMAIN_DEFINE_VALIDATE).undefineFlags(
                        libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
                    )
            except libvirt.libvirtError as fault:
                refused[attribute] = fault.get_error_message()
    unable = [
        attribute
        for attribute, said in refused.items()
        for begin, why in UNABLE.items()
        if attribute.startswith(begin) and why in said
    ]
    assert {attribute: said for attribute, said in refused.items() if attribute not in unable} == {}
