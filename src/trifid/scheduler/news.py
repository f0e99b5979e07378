"""Which events may let a waiting VM be placed: all others must not wake the scheduler."""

from collections import Counter

import msgspec

_GIVES_CAPACITY_BACK = frozenset(("DONE", "POWEROFF", "UNDEPLOYED", "STOPPED", "SUSPENDED"))
_CHANGES_GROUP = ("joined VM group", "left its VM group")


class Event(msgspec.Struct, frozen=True):
    """An entry of the engine's journal, as far as it is needed here."""

    kind: str
    object_id: int
    what: str
    old: str = ""
    new: str = ""


class News:
    """Judges events one by one.

    Attributes:
        moving: VMs that were told to move; to be looked at until they have.
        wants_networks: a VM waits for a network that may be made, opened or given addresses at any time.
    """

    def __init__(self) -> None:
        self.moving: set[int] = set()
        self.wants_networks = False
        self._own_updates: Counter[int] = Counter()

    def wrote(self, vm_id: int) -> None:
        """Remember that the scheduler itself updated a VM: that event is no news."""
        self._own_updates[vm_id] += 1

    def forget(self) -> None:
        """Forget what was written: its events may never come, the engine was away."""
        self._own_updates.clear()

    def matters(self, event: Event) -> bool:
        """Tell whether something may be placed now that could not before."""
        if event.kind in ("HOST", "DATASTORE", "CLUSTER", "VMGROUP"):
            return True
        if event.kind == "NET":
            return self.wants_networks or event.what == "cluster changed"
        if event.kind != "VM":
            return False
        if event.what.startswith(_CHANGES_GROUP):
            return True
        vm_id, old, new = event.object_id, event.old, event.new
        if event.what == "updated":
            if self._own_updates[vm_id] > 0:
                self._own_updates[vm_id] -= 1
                return False
            return True
        if old == new == "RUNNING":
            self.moving.add(vm_id)
            return True
        return new.startswith("PENDING") or new in _GIVES_CAPACITY_BACK or (new == "RUNNING" and "MIGRATE" in old)
