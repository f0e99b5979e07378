"""Which security groups the NICs of a VM may have."""

from collections.abc import Iterable

from trifid.core.access import Caller, Right, check
from trifid.core.network.security_group import SecurityGroup, groups_of
from trifid.engine.transaction import Draft
from trifid.errors import NotAllocated

Nic = dict[str, str]


def check_groups(draft: Draft, caller: Caller, written: Iterable[Nic], filled: Iterable[Nic]) -> None:
    """Return when all security groups of NICs are there, and those that somebody wrote into a NIC may be used.

    The groups of a network are its administrator's choice: who may use the network has them.

    Args:
        written: the NICs as they were submitted.
        filled: the same with their networks' groups.

    Raises:
        NotAllocated: there is no such group.
        NotAllowed: the caller may not use one.
    """
    for nic in written:
        for group_id in sorted(groups_of(nic)):
            check(caller, Right.USE, "SECGROUP", _present(draft, group_id, "NIC"))
    for nic in filled:
        for group_id in sorted(groups_of(nic)):
            _present(draft, group_id, f"network {nic.get('NETWORK', '')} [{nic.get('NETWORK_ID', '')}]")


def _present(draft: Draft, group_id: int, of: str) -> SecurityGroup:
    group = draft.find_security_group(group_id)
    if group is None:
        raise NotAllocated(f"Security group with ID: {group_id} does not exist: SECURITY_GROUPS of {of} names it")
    return group
