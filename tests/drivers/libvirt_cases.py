"""Templates and the domains that they become: golden/NAME.one and golden/NAME.xml."""

from pathlib import Path

from trifid.core.template.model import Template
from trifid.core.template.prepare import prepare
from trifid.core.template.scanner import parse
from trifid.core.vm.record import VM, HistoryRecord
from trifid.core.vm.states import VmState
from trifid.drivers.libvirt.connector import Hypervisor
from trifid.drivers.libvirt.domain_xml import domain_xml
from trifid.drivers.libvirt.vm import parse_vm
from trifid.wire.bodies.vm import vm_full

GOLDEN = Path(__file__).parent / "golden"
DIRECTORY = "/var/lib/one/datastores/0/42"
ENGINE_ID = "0123456789abcde"

EMULATED = Hypervisor("qemu")
HYPERVISORS = {
    "capacity": Hypervisor("kvm", 100),
    "hotplug": Hypervisor("kvm", 100),
    "desktop": Hypervisor("kvm", 100),
    "small": Hypervisor("kvm", 0),
    "numa": Hypervisor("kvm", 100),
    "affinity": Hypervisor("kvm", 100, {"0": "0,1,2,3", "1": "4,5,6,7"}),
}
"""Of the cases that are not emulated on a host with cgroup version 1."""

CASES = sorted(path.stem for path in GOLDEN.glob("*.one"))


class FewNames:
    """Names of the only user and group there are."""

    def user(self, uid: int) -> str:
        return "alice"

    def group(self, gid: int) -> str:
        return "users"


def template(case: str) -> Template:
    """Return a case's template as a user writes it."""
    return parse((GOLDEN / f"{case}.one").read_text())


def vm_of(text: Template) -> VM:
    """Return the VM that a template makes."""
    prepared = prepare(text)
    stay = HistoryRecord(0, 1, "host1", 0, "kvm", "shared", 0, stime=1_700_000_100, rstime=1_700_000_200)
    return VM(
        id=42,
        uid=7,
        gid=1,
        name=prepared.name or "one-42",
        state=VmState.BOOT,
        needs=prepared.needs,
        stime=1_700_000_000,
        template=prepared.template,
        user_template=prepared.user_template,
        history=(stay,),
    )


def domain_of(vm: VM, hypervisor: Hypervisor = EMULATED) -> str:
    """Return the domain of a VM, out of the document that the engine renders for drivers."""
    return domain_xml(parse_vm(vm_full(vm, FewNames()), ENGINE_ID), DIRECTORY, hypervisor)
