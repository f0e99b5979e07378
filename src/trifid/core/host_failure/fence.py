"""The mark on a host that shall not run anything, or is proven not to; it is durable, as part of the host's record."""

import enum
from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

FENCED = "FENCED"
"""Attribute of a marked host's document: NO while it is asked for, YES once there is proof."""


class FenceState(enum.StrEnum):
    """How far it is."""

    ASKED = "asked"
    """It was asked to be switched off; whether it is, nobody knows yet."""
    CONFIRMED = "confirmed"
    """It is proven to run nothing of what the mark covers."""


class Fence(msgspec.Struct, frozen=True):
    """A host's mark.

    A proof is worth something only for what was begun before it was sought.  So the mark names each VM that it covers
    with the step at which it was then: whatever happens to a VM counts its step on, and takes it from under the mark.

    Attributes:
        at: epoch seconds when the state was reached.
        proof: what proves it, for people; empty until then.
        trouble: why the last attempt to switch it off, or to have that confirmed, came to nothing.
        covers: (VM id, its step when the proof was begun to be sought).
        released: ids of VMs that were started elsewhere on the strength of it.
    """

    state: FenceState
    at: int
    proof: str = ""
    trouble: str = ""
    covers: tuple[tuple[int, int], ...] = ()
    released: tuple[int, ...] = ()

    @property
    def is_confirmed(self) -> bool:
        """Whether there is proof."""
        return self.state is FenceState.CONFIRMED

    def does_cover(self, vm_id: int, step: int) -> bool:
        """Tell whether it proves that a VM does not run on the host: nothing happened to it since."""
        return self.is_confirmed and (vm_id, step) in self.covers

    def covering(self, more: Iterable[tuple[int, int]], proof: str, now: int) -> "Fence":
        """Return the mark with a proof, of more VMs than before."""
        covers = dict(self.covers) | dict(more)
        at = self.at if self.is_confirmed else now
        return replace(
            self, state=FenceState.CONFIRMED, at=at, proof=proof, trouble="", covers=tuple(sorted(covers.items()))
        )

    def without(self, vm_id: int, *, released: bool) -> "Fence":
        """Return the mark that does not cover a VM any more: it has gone on, on the strength of it or otherwise."""
        covers = tuple(pair for pair in self.covers if pair[0] != vm_id)
        is_new = released and vm_id not in self.released  # one that is looked for may be so again and again
        return replace(self, covers=covers, released=(*self.released, vm_id) if is_new else self.released)
