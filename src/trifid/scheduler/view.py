"""What the scheduler sees: the VMs that want a host, and the hosts, as read from the API's pools."""

import math
import re
from typing import Any

import msgspec

from trifid.core.template.expression import Dialect
from trifid.core.template.model import Template
from trifid.core.template.prepare import needs_of
from trifid.core.vm.record import Needs
from trifid.wire.elements import iter_elements, numbers, several

MONITORED = 2
"""The only STATE of a host that takes VMs (reference/lifecycle.md §1.3)."""
ACTIVE, RUNNING = 3, 3
"""STATE and LCM_STATE of a VM that can be moved."""

_OTHER_NAMES = {
    "HOSTNAME": "NAME",
    "TOTALCPU": "TOTAL_CPU",
    "TOTALMEMORY": "TOTAL_MEM",
    "FREECPU": "FREE_CPU",
    "FREEMEMORY": "FREE_MEMORY",
    "FREE_MEM": "FREE_MEMORY",
    "USEDCPU": "USED_CPU",
    "USEDMEMORY": "USED_MEMORY",
    "USED_MEM": "USED_MEMORY",
}
"""Names that expressions of older releases use, each with the one it has in today's document."""

_BRANCHES = (
    (),
    ("HOST_SHARE",),
    ("HOST_SHARE", "DATASTORES"),
    ("TEMPLATE",),
    ("MONITORING", "CAPACITY"),
    ("MONITORING", "SYSTEM"),
    ("CLUSTER_TEMPLATE",),
)
"""Where the attributes of expressions are found, in document order (reference/templates.md §5.1)."""


class Expression(msgspec.Struct, frozen=True, array_like=True):
    """A requirement or a rank as its user wrote it.

    Attributes:
        attribute: the attribute's name: REQUIREMENTS, SCHED_RANK …
    """

    text: str
    dialect: Dialect
    attribute: str


class WaitingVm(msgspec.Struct, frozen=True):
    """A VM that wants a host.

    Attributes:
        cpu_percent: 100 = one core.
        message: the SCHED_MESSAGE it has.
        priority: USER_PRIORITY; higher is served first.
        host_id: the host that it must leave, -1 for a VM that has none yet.
        vmm: the VM driver that its next host must have, "" = any.
    """

    id: int
    cpu_percent: int
    memory_mib: int
    requirement: Expression
    rank: Expression
    message: str = ""
    priority: float = 0.0
    host_id: int = -1
    vmm: str = ""


class HostView(msgspec.Struct, frozen=True):
    """A host at the moment of looking.

    Attributes:
        free_cpu_percent, free_memory_kib: what may still be promised; below 0 when too much is.
        attributes: every occurrence of each name that expressions may use.
        vm_ids: the VMs it carries.
    """

    id: int
    name: str
    state: int
    vmm: str
    free_cpu_percent: int
    free_memory_kib: int
    running_vms: int
    attributes: dict[str, list[str]] = {}
    vm_ids: frozenset[int] = frozenset()


class View(msgspec.Struct, frozen=True):
    """Everything that a plan is made from."""

    vms: tuple[WaitingVm, ...]
    hosts: tuple[HostView, ...]


def waiting_vms(document: str) -> list[WaitingVm]:
    """Return the VMs of a VM_POOL or VM document that want a host: pending ones and those to be moved.

    Raises:
        BadDocument: not XML.
    """
    return [vm for element in iter_elements(document, "VM") if (vm := _waiting_vm(element)) is not None]


def _waiting_vm(element: dict[str, Any]) -> WaitingVm | None:
    state, lcm_state = _integer(element.get("STATE")), _integer(element.get("LCM_STATE"))
    moves = state == ACTIVE and lcm_state == RUNNING and element.get("RESCHED") == "1"
    if state != 1 and not moves:
        return None
    body = _branch(element, ("TEMPLATE",))
    user = _branch(element, ("USER_TEMPLATE",))
    needs = _needs(_text(body, "CPU"), _text(body, "MEMORY"))
    record = (several(_branch(element, ("HISTORY_RECORDS",)).get("HISTORY")) or [{}])[-1]
    return WaitingVm(
        id=_integer(element.get("ID")),
        cpu_percent=needs.cpu_percent,
        memory_mib=needs.memory_mib,
        requirement=_expression(user, "REQUIREMENTS"),
        rank=_expression(user, "RANK"),
        message=_text(user, "SCHED_MESSAGE"),
        priority=_number(_text(user, "USER_PRIORITY")),
        host_id=_integer(record.get("HID"), -1) if moves else -1,
        vmm=str(record.get("VM_MAD", "")) if moves else "",
    )


def _needs(cpu: str, memory: str) -> Needs:
    """Return the capacity asked for; of what is no number nothing is asked, the engine checks again anyway."""
    try:
        return needs_of(Template((("CPU", cpu), ("MEMORY", memory))))
    except (ArithmeticError, ValueError):
        return Needs()


def _expression(user: dict[str, Any], name: str) -> Expression:
    """Return the expression of today's attribute, or of that of 2009 where only that is given."""
    modern = f"SCHED_{name}"
    if modern in user or name not in user:
        return Expression(_text(user, modern), "modern", modern)
    return Expression(_text(user, name), "classic", name)


def hosts(document: str) -> list[HostView]:
    """Return the hosts of a HOST_POOL document, lowest id first.

    Raises:
        BadDocument: not XML.
    """
    return sorted((_host(element) for element in iter_elements(document, "HOST")), key=lambda host: host.id)


def _host(element: dict[str, Any]) -> HostView:
    share = _branch(element, ("HOST_SHARE",))
    return HostView(
        id=_integer(element.get("ID")),
        name=_text(element, "NAME"),
        state=_integer(element.get("STATE")),
        vmm=_text(element, "VM_MAD"),
        free_cpu_percent=_integer(share.get("MAX_CPU")) - _integer(share.get("CPU_USAGE")),
        free_memory_kib=_integer(share.get("MAX_MEM")) - _integer(share.get("MEM_USAGE")),
        running_vms=_integer(share.get("RUNNING_VMS")),
        attributes=_attributes(element),
        vm_ids=frozenset(numbers(element.get("VMS"))),
    )


def _attributes(element: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in _BRANCHES:
        for name, value in _branch(element, path).items():
            texts = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
            if texts:
                found.setdefault(name, []).extend(texts)
    for name, today in _OTHER_NAMES.items():
        if name not in found and today in found:
            found[name] = found[today]
    return found


def _branch(element: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for name in path:
        inner = element.get(name)
        if not isinstance(inner, dict):
            return {}
        element = inner
    return element


def _text(element: dict[str, Any], name: str) -> str:
    values = several(element.get(name))
    return values[0] if values and isinstance(values[0], str) else ""


def _integer(text: Any, otherwise: int = 0) -> int:
    return int(text) if isinstance(text, str) and re.fullmatch(r"-?[0-9]+", text) else otherwise


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0
