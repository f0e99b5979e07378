"""The rules by which placement goes, written plainly, one host at a time, without those about datastores.

What is told here must never differ from what the filters do.

Source: reference/templates.md §5.1, §6.3; reference/lifecycle.md §1.3.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from trifid.core.host import HostState
from trifid.core.pci import match
from trifid.core.template.lease import moment_text
from trifid.core.template.requirement_parts import InTheWay, Obstacle, requirement_parts
from trifid.core.template.requirements import Lookup
from trifid.core.template.validate import shown
from trifid.errors import BadTemplate
from trifid.placement.affinity import Affinity
from trifid.placement.expressions import any_of_the_vms
from trifid.placement.filters import Filter, why_not
from trifid.placement.rule import HOLDS, Judge, Rule, Verdict
from trifid.placement.table import HostTable
from trifid.placement.view import MONITORED, HostView, Kept, Promise, View, WaitingVm

PROMISES_TOLD_MAX = 3


def of_filter(rule: Filter) -> Rule:
    """Return the rule that a filter is, told in the filter's own words: for those that have no plain form here."""

    def judge(vm: WaitingVm, view: View) -> Judge | None:
        table = HostTable(view.hosts)
        rule.begin(view, table)
        mask = rule.mask(vm, table)
        if mask is None:
            return None

        def verdict(host: HostView) -> Verdict:
            if mask[table.index[host.id]]:
                return HOLDS
            return Verdict(False, rule.why(vm, table, [host]).removeprefix("1 "), lack=0.7)

        return verdict

    return Rule(rule.name, judge)


# -- the host itself -----------------------------------------------------------------------------------

_CHANGES = {
    int(HostState.INIT): ("once {} is monitored", 0.3),
    int(HostState.ERROR): ("if {} were not in error", 0.8),
    int(HostState.DISABLED): ("if {} were enabled", 0.4),
    int(HostState.OFFLINE): ("if {} were enabled", 0.6),
}
"""State of a host that takes no VMs: what would help, and how far that is."""
_OTHER_STATE = ("if {} were monitored", 0.8)


def state(vm: WaitingVm, view: View) -> Judge:
    """Only a monitored host takes VMs."""

    def judge(host: HostView) -> Verdict:
        if host.state == MONITORED:
            return Verdict(True, "monitored")
        change, lack = _CHANGES.get(host.state, _OTHER_STATE)
        return Verdict(False, why_not(host), change.format(host.name), lack)

    return judge


def host_to_leave(vm: WaitingVm, view: View) -> Judge | None:
    """A VM that moves goes to another host than the one it is on."""
    if vm.host_id < 0:
        return None
    return lambda host: Verdict(False, "the VM is on it", lack=1.0) if host.id == vm.host_id else HOLDS


def driver(vm: WaitingVm, view: View) -> Judge | None:
    """A VM that moves needs the same driver where it goes."""
    if not vm.vmm:
        return None

    def judge(host: HostView) -> Verdict:
        if host.vmm == vm.vmm:
            return Verdict(True, host.vmm)
        return Verdict(False, f"needs driver {vm.vmm}, the host has {host.vmm}", lack=1.0)

    return judge


def cluster(vm: WaitingVm, view: View) -> Judge | None:
    """A VM runs only in a cluster that has its networks and images."""
    allowed = vm.cluster_ids
    if allowed is None:
        return None
    needed = ", ".join(map(str, sorted(allowed))) or "none"

    def judge(host: HostView) -> Verdict:
        if host.cluster_id in allowed:
            return Verdict(True, f"cluster {host.cluster_id}")
        text = f"is in cluster {host.cluster_id}, the VM's networks and images are in {needed}"
        return Verdict(False, text, f"if its networks and images were in cluster {host.cluster_id}", 0.9)

    return judge


def rights(vm: WaitingVm, view: View) -> Judge | None:
    """The owner of a VM must be allowed to use the host."""
    barred = view.barred_host_ids.get(vm.uid)
    if not barred:
        return None

    def judge(host: HostView) -> Verdict:
        if host.id not in barred:
            return Verdict(True, "its owner may use the host")
        text = "its owner may not use the host: it is in no virtual data centre of the owner's groups"
        return Verdict(False, text, f"if a virtual data centre of its owner had {host.name}", 0.9)

    return judge


def refusals(vm: WaitingVm, view: View) -> Judge | None:
    """A host that refused a VM lately is left alone for a while."""
    if not vm.banned_host_ids:
        return None

    def judge(host: HostView) -> Verdict:
        if host.id not in vm.banned_host_ids:
            return HOLDS
        return Verdict(False, "refused the VM lately and is not tried yet", "when it is tried again", 0.2)

    return judge


# -- requirements --------------------------------------------------------------------------------------


def requirement(vm: WaitingVm, view: View) -> Judge | None:
    """A host must meet the VM's requirement."""
    expression = vm.requirement
    if not expression.text.strip():
        return None
    text = any_of_the_vms(expression.text) if expression.dialect == "modern" else expression.text
    try:
        parts = requirement_parts(text, expression.dialect)
    except BadTemplate as bad:
        wrong = Verdict(False, f"{expression.attribute} is wrong: {bad.message}", "if it were corrected", 1.0)
        return lambda host: wrong
    met = Verdict(True, f"meets {shown(expression.text.strip())}")

    def judge(host: HostView) -> Verdict:
        obstacle = parts.obstacle(lambda name: values_of(host, name))
        return met if obstacle is None else against(obstacle, expression.attribute, lambda name: values_of(host, name))

    return judge


def against(obstacle: Obstacle, attribute: str, lookup: Lookup, has: str = "the host has") -> Verdict:
    """Return the verdict about what does not meet a requirement: which comparisons, and what is there instead."""
    told = [_told(one, lookup(one.name), has) for one in obstacle.comparisons]
    asked = [f"{shown(one.text)}{' not' if one.holds else ''}" for one in obstacle.comparisons]
    if obstacle.count > len(told):
        told.append(f"and {obstacle.count - len(told)} more")
        asked.append(f"{obstacle.count - len(asked)} more")
    negated = all(one.holds for one in obstacle.comparisons)
    change = (
        f"if {attribute} did not exclude {' and '.join(shown(one.text) for one in obstacle.comparisons)}"
        if negated and obstacle.count == len(obstacle.comparisons)
        else f"if {attribute} did not ask {' and '.join(asked)}"
    )
    return Verdict(False, "; ".join(told), change, min(1.0, 0.5 * obstacle.count))


def _told(comparison: InTheWay, values: list[str], has: str) -> str:
    present = ", ".join(shown(value) or '""' for value in values[:3]) if values else f"no {comparison.name}"
    must_not = " must not hold" if comparison.holds else ""
    return f"{shown(comparison.text)}{must_not}: {has} {present}"


def values_of(host: HostView, name: str) -> list[str]:
    """Return every occurrence of an attribute of a host."""
    if name == "CURRENT_VMS":
        return [str(vm_id) for vm_id in sorted(host.vm_ids)]
    if name == "RUNNING_VMS":
        return [str(host.running_vms)]
    return host.attributes.get(name, [])


# -- capacity ------------------------------------------------------------------------------------------


def cpu(vm: WaitingVm, view: View) -> Judge:
    """A host must have the CPU free that the VM asks for."""
    needed = vm.cpu_percent

    def judge(host: HostView) -> Verdict:
        free = host.free_cpu_percent
        text = f"needs {_cores(needed)}, {_free(free / 100)}"
        if needed <= free:
            return Verdict(True, text)
        if host.kept is not None and needed <= free + host.kept.cpu_percent:
            kept = [(one, _cores(one.cpu_percent), one.cpu_percent == 100) for one in host.kept.promises]
            text += f": {_promised(kept)}"
            if free <= 0:
                return Verdict(False, text, _without_kept(host.kept), _lack(needed, free))
        lacking = _cores(needed - free)
        change = f"with {lacking} less CPU" if free > 0 else f"with {lacking} more of CPU free there"
        return Verdict(False, text, change, _lack(needed, free))

    return judge


def memory(vm: WaitingVm, view: View) -> Judge:
    """A host must have the memory free that the VM asks for."""
    needed_kib = vm.memory_mib * 1024

    def judge(host: HostView) -> Verdict:
        free_kib = host.free_memory_kib
        text = f"needs {vm.memory_mib} MiB, {_free(free_kib // 1024)}"
        if needed_kib <= free_kib:
            return Verdict(True, text)
        if host.kept is not None and needed_kib <= free_kib + host.kept.memory_mib * 1024:
            text += f": {_promised([(one, f'{one.memory_mib} MiB', False) for one in host.kept.promises])}"
            if free_kib <= 0:
                return Verdict(False, text, _without_kept(host.kept), _lack(needed_kib, free_kib))
        lacking_mib = -((free_kib - needed_kib) // 1024)
        change = f"with {lacking_mib} MiB {'less memory' if free_kib > 0 else 'more of memory free there'}"
        return Verdict(False, text, change, _lack(needed_kib, free_kib))

    return judge


def _cores(percent: int) -> str:
    return f"{percent / 100:g} core{'' if percent == 100 else 's'}"


def _free(amount: float) -> str:
    return f"{amount:g} free" if amount >= 0 else f"{-amount:g} too many are promised"


def _promised(kept: Sequence[tuple[Promise, str, bool]]) -> str:
    """Return for whom room is kept: "3 cores are reserved from 2030-01-31 08:00:00 (UTC) for VM 7".

    Args:
        kept: with each promise, how much of it, and whether that is one.
    """
    told = []
    for promise, amount, is_one in kept[:PROMISES_TOLD_MAX]:
        since = f"reserved from {moment_text(promise.start)} (UTC)" if promise.start else "kept"
        told.append(f"{amount} {'is' if is_one else 'are'} {since} for VM {promise.vm_id}")
    if len(kept) > len(told):
        told.append(f"more is kept for {len(kept) - len(told)} others")
    return ", ".join(told)


def _without_kept(kept: Kept) -> str:
    first, *others = kept.promises
    return f"without what is kept for VM {first.vm_id}{f' and {len(others)} more' if others else ''}"


def _lack(needed: int, free: int) -> float:
    return min(1.0, (needed - free) / max(needed, 1))


# -- VM groups -----------------------------------------------------------------------------------------


def affinity(vm: WaitingVm, view: View) -> Judge | None:
    """A VM's group must allow the host, where the others of the group are."""
    group = next((one.group for one in view.groups if one.group.id == vm.vm_group_id), None)
    if group is None:
        return None
    now, called = _group_rules(view, view.hosts), f"VM group {group.name} [{group.id}]"

    def judge(host: HostView) -> Verdict:
        told = now if host.state == MONITORED else _group_rules(view, _with_up(view.hosts, host))
        why = told.reason(vm, host)
        if not why:
            return Verdict(True, f"allowed by {called}")
        return Verdict(False, why, f"if {called} allowed that host", 0.6)

    return judge


def _group_rules(view: View, hosts: Sequence[HostView]) -> Affinity:
    rules = Affinity()
    rules.begin(view, HostTable(hosts))
    return rules


def _with_up(hosts: Sequence[HostView], one: HostView) -> list[HostView]:
    """Return the hosts with one of them monitored: one that takes no VMs counts when it is asked about itself."""
    return [replace(host, state=MONITORED) if host.id == one.id else host for host in hosts]


# -- devices -------------------------------------------------------------------------------------------


def devices(vm: WaitingVm, view: View) -> Judge | None:
    """A host must have a free PCI device for each that the VM asks for."""
    if not vm.devices:
        return None

    def judge(host: HostView) -> Verdict:
        given = match(vm.devices, host.devices)
        missing = [wish for wish, device in zip(vm.devices, given, strict=True) if device is None]
        if not missing:
            return Verdict(True, f"{len(vm.devices)} of {len(host.devices)} free devices")
        wanted = ", ".join(wish.kind for wish in missing)
        text = f"no free device {wanted}, {len(host.devices)} free"
        return Verdict(False, text, f"if a device {wanted} were free there", len(missing) / len(vm.devices))

    return judge
