"""A plan while it is carried out: which migrations are to be asked for now, and whether it still holds."""

from collections.abc import Mapping, Sequence

import msgspec

from trifid.placement.planners.steps import Step


class Seen(msgspec.Struct, frozen=True):
    """A VM as it was seen a moment ago.

    Attributes:
        host_id: of its last stay: the target while it moves.
        state: as people know it.
    """

    host_id: int
    state: str

    @property
    def runs(self) -> bool:
        return self.state == "RUNNING"

    @property
    def moves(self) -> bool:
        """Whether it is on its way to another host."""
        return self.state.startswith(("MIGRATE", "SAVE_MIGRATE", "PROLOG_MIGRATE", "BOOT_MIGRATE")) and (
            "FAILURE" not in self.state
        )


class PlanBroken(Exception):
    """The plan does not hold any more; the text says why."""


class Progress:
    """How far the steps of a plan are.

    Attributes:
        asked: those under way.
        done: how many are done.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._left = list(steps)
        self.asked: list[Step] = []
        self.done = 0

    @property
    def is_over(self) -> bool:
        return not self._left and not self.asked

    def watched(self) -> list[int]:
        """Return the ids of the VMs that matter now: under way, or next."""
        return [step.vm_id for step in (*self.asked, *self._wave())]

    def go_on(self, seen: Mapping[int, Seen]) -> list[Step]:
        """Return the migrations to ask for now; they count as asked for.

        A wave is asked for when the one before is done.

        Args:
            seen: the VMs of `watched`, as far as there are any more.

        Raises:
            PlanBroken: a migration failed, or a VM is not where the plan needs it.
        """
        self.asked = [step for step in self.asked if not self._is_done(step, seen.get(step.vm_id))]
        if self.asked:
            return []
        wave = self._wave()
        for step in wave:
            vm = seen.get(step.vm_id)
            if vm is None or not vm.runs or vm.host_id != step.source_id:
                raise PlanBroken(f"VM {step.vm_id} {_found(vm)}, it should run on host {step.source_id} by now")
        self._left = self._left[len(wave) :]
        self.asked = list(wave)
        return wave

    def _wave(self) -> list[Step]:
        return [step for step in self._left if step.wave == self._left[0].wave]

    def _is_done(self, step: Step, vm: Seen | None) -> bool:
        if vm is not None and vm.moves:
            return False
        if vm is None or not vm.runs or vm.host_id != step.target_id:
            raise PlanBroken(f"VM {step.vm_id} {_found(vm)} after its migration to host {step.target_id}")
        self.done += 1
        return True


def _found(vm: Seen | None) -> str:
    return "is gone" if vm is None else f"is {vm.state} on host {vm.host_id}"
