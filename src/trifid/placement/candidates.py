"""Which hosts a VM may go to at all, for programs that decide without knowing the language of requirements."""

from collections.abc import Iterable
from functools import partial

from trifid.core.template.requirements import compile_requirement
from trifid.errors import BadTemplate
from trifid.placement.problem import Candidates
from trifid.placement.view import MONITORED, Expression, HostView, View, WaitingVm


def candidates(view: View) -> tuple[Candidates, ...]:
    """Return the hosts of every VM, VMs with the same hosts together: those that are up and meet what it asks for.

    How much room a host has is another question.  A VM whose requirement is wrong has none.
    """
    meeting: dict[Expression, frozenset[int]] = {}
    groups: dict[frozenset[int], list[int]] = {}
    for vm in view.vms:
        if vm.requirement not in meeting:
            meeting[vm.requirement] = frozenset(_meeting(vm.requirement, view.hosts))
        hosts = frozenset(host.id for host in view.hosts if host.id in meeting[vm.requirement] and _takes(host, vm))
        groups.setdefault(hosts, []).append(vm.id)
    return tuple(Candidates(tuple(vms), tuple(sorted(hosts))) for hosts, vms in groups.items())


def _takes(host: HostView, vm: WaitingVm) -> bool:
    """Tell whether a host may be considered, capacity and requirement apart."""
    if host.state != MONITORED or host.id == vm.host_id or host.id in vm.banned_host_ids:
        return False
    return vm.vmm in ("", host.vmm) and (vm.cluster_ids is None or host.cluster_id in vm.cluster_ids)


def _meeting(expression: Expression, hosts: Iterable[HostView]) -> Iterable[int]:
    try:
        requirement = compile_requirement(expression.text, expression.dialect)
    except BadTemplate:
        return
    for host in hosts:
        if requirement.matches(partial(_all_of, host)):
            yield host.id


def _all_of(host: HostView, name: str) -> list[str]:
    return host.attributes.get(name, [])
