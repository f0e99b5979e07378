"""Whether the VM group of a VM lets it be on a host: the rule, in the words of the engine's own check.

Source: core/affinity.py.
"""

import msgspec

from trifid.core.affinity import Places, Rules, Values, why_not
from trifid.placement.rule import Judge, Rule, Verdict
from trifid.placement.view import MONITORED, HostView, View, WaitingVm

NAME = "affinity"
_LACK = 0.6


class Membership(msgspec.Struct, frozen=True):
    """What a VM's group says of it, and where the others are.

    Attributes:
        group: as messages call it.
        values: what each host has of that over which the role is spread.
        leaving: VMs that are to move too, so that they hold nobody where they are.
    """

    group: str
    rules: Rules
    places: Places
    values: Values
    leaving: frozenset[int] = frozenset()


def affinity(membership: Membership) -> Rule:
    """Return the rule of a VM's group."""

    def judge(vm: WaitingVm, view: View) -> Judge:
        names = {host.id: host.name for host in view.hosts}
        taking = {host.id: membership.values.get(host.id, "") for host in view.hosts if host.state == MONITORED}

        def called(host_id: int) -> str:
            return names.get(host_id, f"host [{host_id}]")

        def verdict(host: HostView) -> Verdict:
            # A host that takes no VMs counts for the others only when it is asked about itself.
            values = taking if host.id in taking else {**taking, host.id: membership.values.get(host.id, "")}
            why = why_not(
                membership.rules,
                membership.places,
                vm.id,
                host.id,
                called=called,
                leaving=membership.leaving,
                values=values,
            )
            if not why:
                return Verdict(True, f"allowed by {membership.group}")
            return Verdict(False, why, f"if {membership.group} allowed it", _LACK)

        return verdict

    return Rule(NAME, judge)
