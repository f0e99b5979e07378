"""Virtual networks for NICs that take any: what VMs wish, what networks there are, and who may use them."""

from collections.abc import Collection
from typing import Any

import msgspec

from trifid.core.access import Caller, Permissions, Right, allowed
from trifid.core.acl import Rule, RuleSet
from trifid.core.network.auto import is_undecided
from trifid.core.network.define import FREE
from trifid.core.vm.lock import USE
from trifid.placement.fields import branch, collected, integer, text
from trifid.placement.view import Expression, NetworkView, NicWish
from trifid.wire.elements import BadDocument, iter_elements, numbers, several

Element = dict[str, Any]
_FLAGS = tuple(f"{who}_{right}" for who in ("OWNER", "GROUP", "OTHER") for right in "UMA")


class _Net(msgspec.Struct, frozen=True):
    """What rights go by, of a network."""

    id: int
    uid: int
    gid: int
    permissions: Permissions
    cluster_ids: tuple[int, ...]


def nic_wishes(body: Element) -> tuple[NicWish, ...]:
    """Return the NICs in TEMPLATE of a VM whose network is still to be chosen."""
    nics = [one for one in several(body.get("NIC")) if isinstance(one, dict)]
    return tuple(wish_of(nic) for nic in nics if is_undecided({key: text(nic, key) for key in nic}))


def wish_of(nic: Element) -> NicWish:
    """Return what a NIC asks of its network."""

    def expression(name: str) -> Expression:
        return Expression(text(nic, name), "modern", name)

    return NicWish(integer(nic.get("NIC_ID")), expression("SCHED_REQUIREMENTS"), expression("SCHED_RANK"))


def owners(document: str, uids: Collection[int], rules: RuleSet) -> list[Caller]:
    """Return those users of a USER_POOL document that have one of these ids, with their groups and access rules.

    Raises:
        BadDocument: not XML.
    """
    found = ((integer(element.get("ID"), -1), element) for element in iter_elements(document, "USER"))
    wanted = ((uid, text(element, "NAME"), _groups(element)) for uid, element in found if uid in uids)
    return [Caller(uid, name, gids, rules=rules.of(uid, gids)) for uid, name, gids in wanted]


def access_rules(document: str) -> RuleSet:
    """Return the rules of an ACL_POOL document.

    Raises:
        BadDocument: not XML, or a word of a rule is no hexadecimal number.
    """
    return RuleSet(map(_rule, iter_elements(document, "ACL")))


def _rule(element: Element) -> Rule:
    try:
        user, resource, rights, zone = (int(text(element, name), 16) for name in ("USER", "RESOURCE", "RIGHTS", "ZONE"))
    except ValueError as bad:
        raise BadDocument(f"access rule {text(element, 'ID')} has a word that is no number: {bad}") from None
    return Rule(integer(element.get("ID"), -1), user, resource, rights, zone)


def _groups(element: Element) -> tuple[int, ...]:
    return tuple(dict.fromkeys((integer(element.get("GID"), -1), *numbers(element.get("GROUPS")))))


def networks(document: str, who: Collection[Caller]) -> list[NetworkView]:
    """Return the networks of a VNET_POOL document, lowest id first.

    Args:
        who: the owners of the VMs that wait for a network.

    Raises:
        BadDocument: not XML.
    """
    found = (_network(element, who) for element in iter_elements(document, "VNET"))
    return sorted(found, key=lambda one: one.id)


def _network(element: Element, who: Collection[Caller]) -> NetworkView:
    cluster_ids = numbers(element.get("CLUSTERS"))
    net = _net(element, tuple(cluster_ids))
    attributes = collected(element, ((), ("TEMPLATE",)))
    attributes["CLUSTERS/ID"] = [str(cluster_id) for cluster_id in cluster_ids]
    used = integer(element.get("USED_LEASES"))
    told = branch(element, ("TEMPLATE",)).get(FREE)
    is_closed = integer(branch(element, ("LOCK",)).get("LOCKED")) == USE
    return NetworkView(
        id=net.id,
        name=text(element, "NAME"),
        state=integer(element.get("STATE"), -1),
        cluster_ids=frozenset(cluster_ids),
        free=_size(element) - used if told is None else integer(told),
        used=used,
        uids=frozenset(one.uid for one in who if not is_closed and allowed(one, Right.USE, "NET", net)),
        attributes=attributes,
    )


def _net(element: Element, cluster_ids: tuple[int, ...]) -> _Net:
    flags = branch(element, ("PERMISSIONS",))
    permissions = Permissions(0).changed(tuple(integer(flags.get(name)) for name in _FLAGS))
    number, uid, gid = (integer(element.get(name), -1) for name in ("ID", "UID", "GID"))
    return _Net(number, uid, gid, permissions, cluster_ids)


def _size(element: Element) -> int:
    ranges: list[Any] = several(branch(element, ("AR_POOL",)).get("AR"))
    return sum(integer(one.get("SIZE")) for one in ranges if isinstance(one, dict))
