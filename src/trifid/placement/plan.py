"""A plan: which VM goes where, and why the others do not."""

from collections.abc import Callable, Iterator, MutableMapping

import msgspec

from trifid.core.network.auto import Choice
from trifid.placement.view import Expression, WaitingVm


class Reasons(MutableMapping[int, str]):
    """VM id to why it has no host; a reason is put into words when somebody asks for it.

    Args:
        say: gives the reason of a VM.
    """

    def __init__(self, say: Callable[[WaitingVm], str]) -> None:
        self._say = say
        self._known: dict[int, str | WaitingVm] = {}

    def note(self, vm: WaitingVm) -> None:
        """Keep a VM whose reason can be said later."""
        self._known[vm.id] = vm

    def __getitem__(self, vm_id: int) -> str:
        known = self._known[vm_id]
        if not isinstance(known, str):
            known = self._known[vm_id] = self._say(known)
        return known

    def __setitem__(self, vm_id: int, reason: str) -> None:
        self._known[vm_id] = reason

    def __delitem__(self, vm_id: int) -> None:
        del self._known[vm_id]

    def __iter__(self) -> Iterator[int]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class Taken(msgspec.Struct, frozen=True, gc=False):
    """Why a host was taken.

    Attributes:
        rank: by what hosts were compared: the VM's own rank, or the policy's under the policy's name.
        value: of the host that was taken.
        fitting: hosts that would have done, this one included.
        runner_up: id and value of the next best host.
    """

    rank: Expression
    value: float
    fitting: int
    runner_up: tuple[int, float] | None = None


class Plan(msgspec.Struct):
    """What should be done.

    Attributes:
        placements: (VM id, host id, datastore id) in the order to be carried out.
        refusals: VM id to why no host takes it.
        warnings: VM id to what is wrong with it though it was placed or will be.
        networks: VM id to the networks of its NICs that take any, for VMs that have such.
        taken: VM id to why it goes where it goes; what others decided need not say.
    """

    placements: list[tuple[int, int, int]] = msgspec.field(default_factory=list)
    refusals: MutableMapping[int, str] = msgspec.field(default_factory=dict)
    warnings: dict[int, str] = msgspec.field(default_factory=dict)
    networks: dict[int, Choice] = msgspec.field(default_factory=dict)
    taken: dict[int, Taken] = msgspec.field(default_factory=dict)
