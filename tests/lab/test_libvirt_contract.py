"""The libvirt drivers keep their families' contracts with a real hypervisor, too.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

from tests.drivers.contract import DomainsOutlive, ImContract, Saves
from tests.drivers.harness import python_driver, running
from trifid.core.template.scanner import parse
from trifid.wire.lines import unpack


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


@pytest.mark.parametrize(("engine_id", "seen"), [("one", ["12"]), ("another", [])])
def test_an_engine_is_told_of_its_own_domains_only(tmp_path: Path, engine_id: str, seen: list[str]) -> None:
    family = TestVmm()
    with running(TestVmm.command, TestVmm.arguments, home=tmp_path, env={"TRIFID_ENGINE_ID": "one"}) as driver:
        assert family.do(driver, "DEPLOY", 12, 1).status == "SUCCESS"
    env = {"TRIFID_ENGINE_ID": engine_id}
    with running(TestIm.command, TestIm.arguments, home=tmp_path, env=env, monitor=True) as driver:
        driver.ask_monitor("START_MONITOR", 3, TestIm().text(3))
        listed = parse(unpack(driver.answer("STATE_VM", 3).payload))
    assert [vm["ID"] for vm in listed.vectors("VM")] == seen
