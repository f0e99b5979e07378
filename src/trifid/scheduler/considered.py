"""Whose turn it is when a round considers only so many VMs."""

from collections.abc import Sequence

from trifid.placement.view import WaitingVm


class Considered:
    """Gives every waiting VM a turn before any has a second one.

    Else those that come first in the order, and fit nowhere, would keep all others from being looked at.

    Args:
        vm_max: VMs of one round.
    """

    def __init__(self, vm_max: int) -> None:
        self._vm_max = vm_max
        self._had: set[int] = set()

    def next(self, vms: Sequence[WaitingVm]) -> tuple[list[WaitingVm], bool]:
        """Return the VMs of this round, and whether others have not had their turn yet."""
        new = [vm for vm in vms if vm.id not in self._had]
        if not new:
            self._had.clear()
            new = list(vms)
        taken = new[: self._vm_max]
        self._had.update(vm.id for vm in taken)
        is_unfinished = len(new) > len(taken)
        if not is_unfinished:
            self._had.clear()
        return taken, is_unfinished
