"""trifid.vm.explain: why a VM waits, and which hosts would take it."""

from typing import TYPE_CHECKING, Any

import msgspec

from trifid.core.access import Right, check
from trifid.core.template.amend import DECISION
from trifid.core.vm.record import VM
from trifid.core.vm_group.record import membership
from trifid.engine.transaction import Draft
from trifid.errors import BadRequest, NotFound, Refused
from trifid.methods.cluster_view import ClusterTexts, asking, cluster_texts, pace_of, wanting, wanting_document, worked
from trifid.methods.registry import Call, method

if TYPE_CHECKING:
    from trifid.placement.explain import Explanation, HostTold

_HOSTS_TOLD = 10
_ALL = -1


@method("trifid.vm.explain")
async def explain_vm(call: Call, vm_id: int, hosts: int = _HOSTS_TOLD) -> str:
    """Tell as JSON which hosts would take a VM now, why the others would not, and what would help.

    Of a VM that is on a host it is told where it could move to.  At most `hosts` hosts are told rule by rule, the
    best and the nearest first, -1 = all.  Hosts that the caller may not see are counted; neither their names nor
    their attributes are told.
    """
    if hosts < _ALL:
        raise BadRequest(f"hosts must be how many hosts to tell of, or -1 for all, is {hosts}")
    vm = call.engine.turns.memory.vms.get(vm_id)
    if vm is None:
        if 0 <= vm_id < call.engine.turns.memory.counters.get("vm", 0):
            raise Refused(f"VM {vm_id} is finished: it needs no host any more", vm_id)
        raise NotFound("virtual machine", vm_id)
    check(call.caller, Right.USE, "VM", vm)
    with asking(call.caller):
        return await _explained(call, vm, hosts)


async def _explained(call: Call, vm: VM, hosts: int) -> str:
    now = await call.ask(lambda draft: draft.now)
    texts = cluster_texts(call, Draft(call.engine.turns.memory, now), _moving_with(call, vm), [vm])
    document, settings = wanting_document(call, vm), call.placement

    def work() -> str:
        from trifid.placement.explain import explain  # loads numpy: not before somebody asks
        from trifid.placement.lease_room import beside_leases
        from trifid.placement.place import place

        policies = (settings.host_policy, settings.storage_policy)
        asked = wanting(document)
        view = beside_leases(asked, texts.view([asked]), lambda seen: place(seen, *policies), pace_of(settings))
        found = explain(asked, view, *policies)
        answer = _answer(vm, found, texts, hosts) | {"not_asked": settings.not_asked}
        return msgspec.json.encode(answer).decode()

    return await worked(work)


def _moving_with(call: Call, vm: VM) -> list[VM]:
    """Return the VMs of the same group that are to move too."""
    group = membership(vm)
    others = call.engine.turns.memory.vms.values() if group is not None else ()
    return [one for one in others if one.resched and (membership(one) or (None,))[0] == (group or (None,))[0]]


def _answer(vm: VM, found: "Explanation", texts: ClusterTexts, count: int) -> dict[str, Any]:
    seen = [host for host in found.hosts if host.id not in texts.hidden_ids]
    names = {host.id: host.name for host in seen}
    chosen = found.chosen if found.chosen is not None and found.chosen[0] in names else None
    told = vm.user_template
    return {
        "id": vm.id,
        "name": vm.name,
        "state": vm.state.printable,
        "moves": found.vm.host_id >= 0,
        "host_id": found.vm.host_id,
        "host": names.get(found.vm.host_id, ""),
        "cpu_percent": found.vm.cpu_percent,
        "memory_mib": found.vm.memory_mib,
        "hosts_total": len(found.hosts),
        "hosts_fitting": found.fitting,
        "hosts_hidden": len(found.hosts) - len(seen),
        "ranked_by": {"attribute": found.rank.attribute, "text": found.rank.text.strip()},
        "chosen": {"id": chosen[0], "name": names[chosen[0]], "datastore_id": chosen[1]} if chosen else None,
        "why": found.why,
        "warning": found.warning,
        "change": found.change,
        "failing": [{"rule": one.rule, "hosts": one.hosts} for one in found.counts],
        "hosts": [_host(host) for host in (seen if count == _ALL else seen[:count])],
        "message": told.single("SCHED_MESSAGE"),
        "decision": told.single(DECISION),
    }


def _host(host: "HostTold") -> dict[str, Any]:
    rules = [{"rule": one.rule, "holds": one.holds, "text": one.text, "change": one.change} for one in host.verdicts]
    return {"id": host.id, "name": host.name, "fits": host.fits, "rank": host.rank, "rules": rules}
