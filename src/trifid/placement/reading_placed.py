"""The VMs that are on hosts, out of the documents that the API answers."""

from collections.abc import Iterable
from typing import Any

from trifid.core.together import REQUIREMENTS, clusters_of
from trifid.placement.fields import branch, expression, integer, lease_of, needs, number, text, vm_group_of
from trifid.placement.reading import ACTIVE
from trifid.placement.view import PlacedVm
from trifid.wire.elements import iter_elements, several

SUSPENDED = 5
"""STATE of a VM that was saved on its host; it holds nothing there but its files."""


def placed_vms(document: str, states: Iterable[int] = (ACTIVE, SUSPENDED)) -> list[PlacedVm]:
    """Return the VMs of a VM_POOL or VM document that are on a host, or were suspended there.

    A pool has at most the last stay of each VM, and a short one no times: `since`, `here_since` and `ran_s`
    are known in full only from one.vm.info.

    Args:
        states: their STATEs.

    Raises:
        BadDocument: not XML.
    """
    wanted = frozenset(states)
    return [
        _placed_vm(element)
        for element in iter_elements(document, "VM")
        if integer(element.get("STATE")) in wanted and _stays(element)
    ]


def _placed_vm(element: dict[str, Any]) -> PlacedVm:
    body = branch(element, ("TEMPLATE",))
    user = branch(element, ("USER_TEMPLATE",))
    stays = _stays(element)
    asked = needs(text(body, "CPU"), text(body, "MEMORY"))
    group = vm_group_of(body, user)
    return PlacedVm(
        id=integer(element.get("ID")),
        host_id=integer(stays[-1].get("HID"), -1),
        cpu_percent=asked.cpu_percent,
        memory_mib=asked.memory_mib,
        state=integer(element.get("STATE")),
        lcm_state=integer(element.get("LCM_STATE")),
        name=text(element, "NAME"),
        uid=integer(element.get("UID"), -1),
        gid=integer(element.get("GID"), -1),
        vm_group_id=integer(group.get("VMGROUP_ID"), -1),
        role=text(group, "ROLE"),
        priority=number(text(user, "USER_PRIORITY")),
        since=integer(stays[0].get("STIME")),
        here_since=_here_since(stays),
        submitted_at=integer(element.get("STIME")),
        runs_since=0 if integer(stays[-1].get("RETIME")) else integer(stays[-1].get("RSTIME")),
        ran_s=sum(_ran_s(stay) for stay in stays),
        lease=lease_of(user),
        requirement=expression(user, "REQUIREMENTS"),
        cluster_ids=clusters_of(text(body, REQUIREMENTS) or text(user, REQUIREMENTS)),
        vmm=text(stays[-1], "VM_MAD"),
        message=text(user, "SCHED_MESSAGE"),
        tm=text(stays[-1], "TM_MAD"),
        has_devices=bool(several(body.get("PCI")) or several(user.get("PCI"))),
        is_marked=element.get("RESCHED") == "1",
    )


def _stays(element: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the history records that the document has, oldest first."""
    found = several(branch(element, ("HISTORY_RECORDS",)).get("HISTORY"))
    return [stay for stay in found if isinstance(stay, dict)]


def _here_since(stays: list[dict[str, Any]]) -> int:
    """Return the start of the first of the last stays on one host: saving and restoring there is no move."""
    here = stays[-1]
    for stay in reversed(stays):
        if stay.get("HID") != stays[-1].get("HID"):
            break
        here = stay
    return integer(here.get("STIME"))


def _ran_s(stay: dict[str, Any]) -> int:
    """Return how long a stay that is over had its VM run."""
    began, ended = integer(stay.get("RSTIME")), integer(stay.get("RETIME"))
    return max(0, ended - began) if began and ended else 0
