"""Domains that run on hosts and that the engine does not know: as seen, and as the VMs that they can become."""

import base64

import msgspec

from trifid.core.template.model import Template
from trifid.core.template.scanner import render

NAMES = ("VM", "TOTAL_WILDS", "WILDS", "TOTAL_ZOMBIES", "ZOMBIES")
"""Attributes of a host's document that are made of its wild domains; nobody writes them."""

_UNKNOWN_MIB = 1
"""A domain asks for memory, however little its hypervisor tells about it."""


class Wild(msgspec.Struct, frozen=True):
    """A domain that the engine does not expect on this host.

    Attributes:
        name: the hypervisor's; what its VM is known by once it is imported.
        uuid: empty when the driver does not tell.
        state: RUNNING, SUSPENDED, POWEROFF …, the word that the driver reported.
        memory_kib: KiB, 0 when the driver does not tell.
        vm_id: of the VM whose domain it is by its mark, and yet it should not be here (upstream calls it a zombie);
            -1 for a domain without this engine's mark.
    """

    name: str
    uuid: str = ""
    state: str = "RUNNING"
    vcpus: int = 1
    memory_kib: int = 0
    vm_id: int = -1

    @property
    def is_ours(self) -> bool:
        """Whether it carries this engine's mark."""
        return self.vm_id >= 0

    @property
    def template(self) -> Template:
        """The capacity and identity of the VM that it becomes.  Its disks are not in it: they are not the engine's."""
        memory_mib = max(_UNKNOWN_MIB, -(-self.memory_kib // 1024))
        cores = str(max(1, self.vcpus))
        found = Template((("CPU", cores), ("VCPU", cores), ("MEMORY", str(memory_mib))))
        return found.having(("OS", {"UUID": self.uuid})) if self.uuid else found


def wild_attributes(wilds: tuple[Wild, ...]) -> Template:
    """Return what a host's document says of its wild domains, by the names that today's clients read.

    IMPORT_TEMPLATE is base64; a domain of ours in the wrong place is among the ZOMBIES, all others among the WILDS.
    """
    if not wilds:
        return Template()
    zombies = [one.name for one in wilds if one.is_ours]
    others = [one.name for one in wilds if not one.is_ours]
    return Template(
        (
            *(("VM", _vector(one)) for one in wilds),
            ("TOTAL_WILDS", str(len(others))),
            ("WILDS", ",".join(others)),
            ("TOTAL_ZOMBIES", str(len(zombies))),
            ("ZOMBIES", ",".join(zombies)),
        )
    )


def _vector(one: Wild) -> dict[str, str]:
    text = render(Template((("NAME", one.name), ("DEPLOY_ID", one.name), *one.template.pairs)))
    return {
        "VM_NAME": one.name,
        "DEPLOY_ID": one.name,
        "UUID": one.uuid,
        "STATE": one.state,
        "VCPU": str(one.vcpus),
        "MEMORY": str(one.memory_kib),
        "IMPORT_TEMPLATE": base64.b64encode(text.encode()).decode(),
    }
