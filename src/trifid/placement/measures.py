"""How good a plan is, in figures: what is placed, how hosts are loaded then, what room is left, how users fare."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from statistics import fmean, median, pstdev

import msgspec

from trifid.placement.plan import Plan
from trifid.placement.view import MONITORED, HostView, View

BINS = 10
"""Of the spread of utilisation: 0 to 10 %, 10 to 20 % …"""

_EXPRESSION = re.compile(r"(?<=not match the expression ).*?(?=, [0-9]+ |$)", re.DOTALL)
_VERB = re.compile(r"\b[0-9]+ (lacks|does|has|is)\b")
_HOSTS = re.compile(r"\b[0-9]+ hosts?, ")
_DETAIL = re.compile(r"\([^()]*\)|\"[^\"]*\"|'[^']*'|[0-9]+(?:\.[0-9]+)?")
_BLANKS = re.compile(r"\s+")
_PLURAL = {"lacks": "lack", "does": "do", "has": "have", "is": "are"}


class Measures(msgspec.Struct, frozen=True):
    """What a plan comes to.  Hosts are those that are up.

    Attributes:
        reasons: kind of reason to how many VMs were refused for it.
        cpu_mean, memory_mean: what is promised of what may be, over all hosts.
        spread: standard deviation of the hosts' utilisations, the larger one of CPU and memory of each.
        bins: hosts by utilisation, in tenths; what is more than full counts as full.
        hosts_used: those that carry any VM.
        fragmentation: how many of the VMs of middle size that would still fit if all room that is left were
            in one place do not, since it is in pieces; 0 = all fit.
        fairness: Jain's index of what users who waited have now, by their weights: 1 = all have the same.
    """

    placed: int
    refused: int
    reasons: dict[str, int]
    cpu_mean: float
    memory_mean: float
    spread: float
    bins: tuple[int, ...]
    hosts_used: int
    fragmentation: float
    fairness: float


class _Room(msgspec.Struct):
    """What is left on a host."""

    cpu_percent: int
    memory_mib: int
    vms: int


def measured(view: View, plan: Plan) -> Measures:
    """Return the figures of a plan; of no plan at all those of the cluster as it is."""
    up = [host for host in view.hosts if host.state == MONITORED]
    rooms = {host.id: _Room(host.free_cpu_percent, host.free_memory_kib // 1024, host.running_vms) for host in up}
    vms = {vm.id: vm for vm in view.vms}
    for vm_id, host_id, *_ in plan.placements:
        vm, room = vms.get(vm_id), rooms.get(host_id)
        if vm is not None and room is not None:
            room.cpu_percent -= vm.cpu_percent
            room.memory_mib -= vm.memory_mib
            room.vms += 1
    shares = [_shares(host, rooms[host.id]) for host in up]
    loads = [max(pair) for pair in shares]
    bins = Counter(min(BINS - 1, max(0, int(load * BINS))) for load in loads)
    return Measures(
        placed=len(plan.placements),
        refused=len(plan.refusals),
        reasons=_reasons(plan.refusals),
        cpu_mean=_mean(cpu for cpu, _ in shares),
        memory_mean=_mean(memory for _, memory in shares),
        spread=pstdev(loads) if loads else 0.0,
        bins=tuple(bins[n] for n in range(BINS)),
        hosts_used=sum(room.vms > 0 for room in rooms.values()),
        fragmentation=_fragmentation(view, rooms.values()),
        fairness=_fairness(view, plan, up),
    )


def _shares(host: HostView, room: _Room) -> tuple[float, float]:
    """Return which parts of a host's CPU and memory are promised."""
    memory_mib = host.max_memory_kib // 1024
    cpu = 1 - room.cpu_percent / host.max_cpu_percent if host.max_cpu_percent > 0 else 0.0
    memory = 1 - room.memory_mib / memory_mib if memory_mib > 0 else 0.0
    return cpu, memory


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return fmean(found) if found else 0.0


def _reasons(refusals: Mapping[int, str]) -> dict[str, int]:
    """Return reasons without names, numbers and expressions, most frequent first."""
    return dict(Counter(map(_kind, refusals.values())).most_common())


def _kind(reason: str) -> str:
    plain = _VERB.sub(lambda found: _PLURAL[found[1]], _HOSTS.sub("", _EXPRESSION.sub("", reason)))
    return _BLANKS.sub(" ", _DETAIL.sub("", plain)).replace(" ,", ",").strip()


def _fragmentation(view: View, rooms: Iterable[_Room]) -> float:
    if not view.vms:
        return 0.0
    cpu = max(1, round(median(vm.cpu_percent for vm in view.vms)))
    memory = max(1, round(median(vm.memory_mib for vm in view.vms)))
    free = [(max(0, room.cpu_percent), max(0, room.memory_mib)) for room in rooms]
    in_pieces = sum(min(of_cpu // cpu, of_memory // memory) for of_cpu, of_memory in free)
    in_one = min(sum(of_cpu for of_cpu, _ in free) // cpu, sum(of_memory for _, of_memory in free) // memory)
    return 1 - in_pieces / in_one if in_one else 0.0


def _fairness(view: View, plan: Plan, hosts: Iterable[HostView]) -> float:
    """Return Jain's index of the dominant shares of the users who waited, each divided by its weight."""
    vms = {vm.id: vm for vm in view.vms}
    cpu: defaultdict[int, int] = defaultdict(int, {one.uid: one.cpu_percent for one in view.usages})
    memory: defaultdict[int, int] = defaultdict(int, {one.uid: one.memory_mib for one in view.usages})
    for vm_id, *_ in plan.placements:
        if (vm := vms.get(vm_id)) is not None and vm.host_id < 0:  # one that moves is counted already
            cpu[vm.uid] += vm.cpu_percent
            memory[vm.uid] += vm.memory_mib
    all_cpu = sum(host.max_cpu_percent for host in hosts) or 1
    all_memory = sum(host.max_memory_kib for host in hosts) // 1024 or 1
    weights = {one.uid: one.weight for one in view.usages}
    users = {vm.uid for vm in view.vms}
    due = [max(cpu[uid] / all_cpu, memory[uid] / all_memory) / weights.get(uid, 1.0) for uid in users]
    squares = sum(one * one for one in due)
    return sum(due) ** 2 / (len(due) * squares) if squares else 1.0
