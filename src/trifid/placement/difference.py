"""What two plans for the same view decide differently."""

import msgspec

from trifid.placement.plan import Plan


class Difference(msgspec.Struct, frozen=True):
    """From one plan to another; lists are by VM id.

    Attributes:
        elsewhere: (VM id, host before, host now).
        placed: (VM id, host): only now.
        refused: (VM id, why): only now.
        same: VMs that go to the same host.
    """

    elsewhere: tuple[tuple[int, int, int], ...]
    placed: tuple[tuple[int, int], ...]
    refused: tuple[tuple[int, str], ...]
    same: int

    @property
    def is_nothing(self) -> bool:
        """Whether both plans place the same VMs on the same hosts."""
        return not (self.elsewhere or self.placed or self.refused)


def difference(before: Plan, now: Plan) -> Difference:
    """Return what is different now."""
    old = {vm_id: host_id for vm_id, host_id, *_ in before.placements}
    new = {vm_id: host_id for vm_id, host_id, *_ in now.placements}
    both = sorted(old.keys() & new.keys())
    return Difference(
        elsewhere=tuple((vm_id, old[vm_id], new[vm_id]) for vm_id in both if old[vm_id] != new[vm_id]),
        placed=tuple((vm_id, new[vm_id]) for vm_id in sorted(new.keys() - old.keys())),
        refused=tuple((vm_id, now.refusals.get(vm_id, "")) for vm_id in sorted(old.keys() - new.keys())),
        same=sum(old[vm_id] == new[vm_id] for vm_id in both),
    )
