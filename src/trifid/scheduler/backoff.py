"""What is not tried again yet: VMs that were refused, hosts where a VM failed, hosts where many failed.

Whoever fails waits twice as long each time, and nobody waits with them.  Nothing of this is kept: a scheduler that
is started again tries everything once more.
"""

from collections.abc import Collection, Iterable

import msgspec

VM_S, VM_S_MAX = 1.0, 300.0
"""A VM that the engine refused."""
PAIR_S, PAIR_S_MAX = 10.0, 600.0
"""A VM on the one host where it was refused, or was not deployed."""
HOST_S, HOST_S_MAX = 60.0, 600.0
"""A host where one VM after another failed."""
IN_A_ROW = 3
"""So many different VMs have to fail on a host, none running in between, until it is left out.

Those of one user say something of that user's VMs, and it is left out for these; those of several of the host.
"""
EVERYBODY = -1
FORGET_S = 3600.0
"""So long after the end of a pause it is remembered how long it was."""

_DEPLOYING = ("PROLOG", "BOOT")


class _Pause(msgspec.Struct, frozen=True):
    """Not to be tried before `until`."""

    until: float
    delay_s: float


def _longer(before: _Pause | None, now: float, first_s: float, max_s: float) -> _Pause:
    delay_s = min(max_s, before.delay_s * 2) if before else first_s
    return _Pause(now + delay_s, delay_s)


class BackOff:
    """Remembers failures; `now` is always in seconds of one clock that does not go back."""

    def __init__(self) -> None:
        self._vms: dict[int, _Pause] = {}
        self._pairs: dict[int, dict[int, _Pause]] = {}  # by VM, then host
        self._hosts: dict[tuple[int, int], _Pause] = {}  # by host and user, or EVERYBODY
        self._failed: dict[int, dict[int, int]] = {}  # by host: the VMs that failed there since one last ran, whose
        self._placed: dict[int, tuple[int, int]] = {}  # VMs on their way: to which host, whose

    # -- what happened -----------------------------------------------------------------------------

    def placed(self, vm_id: int, host_id: int, uid: int = 0) -> None:
        """The engine took a placement; whether the VM, a user's, comes to run there remains to be seen."""
        self._vms.pop(vm_id, None)
        self._placed[vm_id] = (host_id, uid)

    def refused(self, vm_id: int, host_id: int, now: float) -> float:
        """The engine refused a placement; return how long the VM is left alone, seconds."""
        pause = self._vms[vm_id] = _longer(self._vms.get(vm_id), now, VM_S, VM_S_MAX)
        self._ban(vm_id, host_id, now)
        return pause.delay_s

    def moved(self, vm_id: int, old: str, new: str, now: float, hosts: int) -> int | None:
        """Follow a VM from state to state; return the host that is to be left out from now on, if one is.

        Args:
            hosts: how many there are: never more than half of them are left out for the VM's owner, since then it is
                not the hosts.
        """
        if new.endswith("_FAILURE") and old.startswith(_DEPLOYING):
            placed = self._placed.pop(vm_id, None)
            return None if placed is None else self._failure(vm_id, *placed, now, hosts)
        if new == "RUNNING":
            placed = self._placed.pop(vm_id, None)
            if placed is not None and old.startswith(_DEPLOYING):
                self._failed.pop(placed[0], None)
                self._hosts = {key: pause for key, pause in self._hosts.items() if key[0] != placed[0]}
                self._pairs.pop(vm_id, None)
        elif new == "DONE":
            self._placed.pop(vm_id, None)
            self._pairs.pop(vm_id, None)
        return None

    def _failure(self, vm_id: int, host_id: int, uid: int, now: float, hosts: int) -> int | None:
        self._ban(vm_id, host_id, now)
        failed = self._failed.setdefault(host_id, {})
        failed[vm_id] = uid
        whose = EVERYBODY if len(failed) >= IN_A_ROW and len(set(failed.values())) > 1 else uid
        row = len(failed) if whose == EVERYBODY else list(failed.values()).count(uid)
        if row < IN_A_ROW or host_id in self.left_out(now, whose):
            return None
        if len(self.left_out(now, uid) | {host_id}) * 2 > hosts:
            return None
        self._hosts[host_id, whose] = _longer(self._hosts.get((host_id, whose)), now, HOST_S, HOST_S_MAX)
        return host_id

    def _ban(self, vm_id: int, host_id: int, now: float) -> None:
        pairs = self._pairs.setdefault(vm_id, {})
        pairs[host_id] = _longer(pairs.get(host_id), now, PAIR_S, PAIR_S_MAX)

    def lost_track(self) -> None:
        """Events were missed: of VMs on their way nothing is known any more."""
        self._placed.clear()

    # -- what follows ------------------------------------------------------------------------------

    def tidy(self, waiting: Collection[int], now: float) -> None:
        """Forget VMs that do not wait any more, and what is long over."""
        self._vms = {vm_id: pause for vm_id, pause in self._vms.items() if vm_id in waiting}
        old = now - FORGET_S
        self._hosts = {key: pause for key, pause in self._hosts.items() if pause.until > old}
        for vm_id in [vm_id for vm_id, pairs in self._pairs.items() if all(one.until <= old for one in pairs.values())]:
            del self._pairs[vm_id]

    def is_ready(self, vm_id: int, now: float) -> bool:
        """Whether a VM may be tried again."""
        return vm_id not in self._vms or self._vms[vm_id].until <= now

    def left_out(self, now: float, uid: int = 0) -> frozenset[int]:
        """Return the hosts that take no VM of a user for a while; of EVERYBODY those that take none at all."""
        mine = (EVERYBODY, uid)
        out = (host_id for (host_id, whose), pause in self._hosts.items() if whose in mine and pause.until > now)
        return frozenset(out)

    def row(self, host_id: int, now: float) -> tuple[float, int]:
        """Return how much longer a host is left out, seconds, and for which user, or EVERYBODY."""
        pauses = [(pause.until - now, whose) for (left, whose), pause in self._hosts.items() if left == host_id]
        return max(pauses, default=(0.0, EVERYBODY))

    def banned(self, vm_id: int, now: float, uid: int = 0) -> dict[int, float]:
        """Return the hosts that a VM of a user is not to try yet, each with how much longer, seconds; those left out
        as well.
        """
        mine = (EVERYBODY, uid)
        out = ((host_id, pause) for (host_id, whose), pause in self._hosts.items() if whose in mine)
        found: dict[int, float] = {}
        for host_id, pause in (*self._pairs.get(vm_id, {}).items(), *out):
            if pause.until > now:
                found[host_id] = max(found.get(host_id, 0.0), pause.until - now)
        return found

    def next_at(self, waiting: Iterable[int], now: float) -> float:
        """Return when the first pause is over that any of these VMs waits for; infinity when there is none."""
        ends = [pause.until for pause in self._hosts.values()]
        for vm_id in waiting:
            if vm_id in self._vms:
                ends.append(self._vms[vm_id].until)
            ends.extend(pause.until for pause in self._pairs.get(vm_id, {}).values())
        return min((end for end in ends if end > now), default=float("inf"))
