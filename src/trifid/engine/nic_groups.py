"""Which security groups the NICs of a VM may have."""

from collections.abc import Iterable

from trifid.core.access import Caller, Right, check
from trifid.core.network.record import Network
from trifid.core.network.security_group import SecurityGroup, groups_of, merged
from trifid.core.template.model import Template
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


def check_network_groups(draft: Draft, caller: Caller, before: Template, after: Template) -> None:
    """Return when the security groups that somebody adds to a network are there and may be used.

    Args:
        before, after: the attributes of the network.

    Raises:
        BadTemplate: SECURITY_GROUPS is no list of ids.
        NotAllocated, NotAllowed: as `check_groups` tells.
    """
    name = "SECURITY_GROUPS"
    text = merged(after.single(name)) if after.single(name) else ""
    added = groups_of({name: text}) - groups_of({name: before.single(name)})
    _check_added(draft, caller, added)


def check_range_groups(draft: Draft, caller: Caller, before: Network | None, after: Network) -> None:
    """Do the same for the address ranges of a network; `before` is None for a new one."""
    added = _of_ranges(after) - (_of_ranges(before) if before is not None else frozenset())
    _check_added(draft, caller, added)


def _check_added(draft: Draft, caller: Caller, group_ids: Iterable[int]) -> None:
    for group_id in sorted(group_ids):
        check(caller, Right.USE, "SECGROUP", _present(draft, group_id, "the network"))


def _of_ranges(network: Network) -> frozenset[int]:
    return frozenset[int]().union(*(groups_of(ar.attributes) for ar in network.ranges))


def _present(draft: Draft, group_id: int, of: str) -> SecurityGroup:
    group = draft.find_security_group(group_id)
    if group is None:
        raise NotAllocated(f"Security group with ID: {group_id} does not exist: SECURITY_GROUPS of {of} names it")
    return group
