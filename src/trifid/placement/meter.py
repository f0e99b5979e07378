"""How much work a plan's expressions make: so that the expressions of one user cannot keep all others waiting.

It is counted and not timed, so that the same view always gives the same plan.  A unit is what it takes to match one
short text with a pattern, about 0.2 µs.
"""

from trifid.placement.view import WaitingVm

WORK_OF_USER_MAX = 10_000_000
"""Units for the expressions of one user's VMs in one plan: some seconds at most.

Ten thousand different requirements of the usual kind over 2500 hosts take about a fifth of it.
"""
TOO_MUCH = (
    "Requirements and ranks of its owner's VMs take too long: these were left for another round. "
    "Fewer wildcards, shorter ones, or the same for many VMs take less"
)
"""Why a VM was not looked at."""
COLUMN, COLUMN_HOSTS = 15, 100
"""Units of one comparison of all hosts at once: so many, and one more for so many hosts."""
HOST = 8
"""Units of one comparison that is made host by host, for each."""
CHARACTER = 8
"""Units of reading one character of an expression that was not read before."""


class Meter:
    """Counts.

    Attributes:
        done: units.
    """

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = 0

    def column(self, hosts: int) -> None:
        """Count a comparison, or a number, of so many hosts at once."""
        self.done += COLUMN + hosts // COLUMN_HOSTS


class Shares:
    """What the expressions of each user have taken."""

    def __init__(self) -> None:
        self._of: dict[int, int] = {}

    def is_used_up(self, vm: WaitingVm) -> bool:
        """Tell whether a VM asks for something though its user has had its share."""
        return self._of.get(vm.uid, 0) > WORK_OF_USER_MAX and _asks(vm)

    def charge(self, vm: WaitingVm, units: int) -> None:
        """Count what a VM's expressions have taken."""
        self._of[vm.uid] = self._of.get(vm.uid, 0) + units


def _asks(vm: WaitingVm) -> bool:
    asked = (vm.requirement, vm.rank, vm.datastore_requirement, vm.datastore_rank)
    return any(one.text for one in asked) or any(nic.requirement.text or nic.rank.text for nic in vm.nics)
