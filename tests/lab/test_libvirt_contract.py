"""The libvirt drivers keep their families' contracts with a real hypervisor, too.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

from collections.abc import Iterator

import libvirt
import pytest

from tests.drivers.contract import DomainsOutlive, ImContract, Saves
from tests.drivers.harness import python_driver


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[None]:
    """End what a test leaves running: the domains of a real hypervisor outlive their driver."""
    yield
    for domain in libvirt.open("qemu:///system").listAllDomains():
        domain.destroy()


class TestVmm(Saves, DomainsOutlive):
    command = python_driver("trifid.drivers.vmm.libvirt")
    arguments = "--uri qemu:///system --type auto"
    host = "localhost"


class TestIm(ImContract):
    command = python_driver("trifid.drivers.im.libvirt")
    arguments = "--uri qemu:///system"
    host = "localhost"
