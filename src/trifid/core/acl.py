"""Access rules: records, the 64-bit words that they are made of, and the rules of one caller, ready to be asked.

A rule says who (a user, a group, everybody) has which rights on which objects of some kinds (one object, those of
a group, those in a cluster, all).
Source: reference/xmlrpc.md §3, reference/api-modern.md §5.6.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from trifid.core.access import Owned, Right

INDIVIDUAL, GROUP, ALL, CLUSTER = 1 << 32, 1 << 33, 1 << 34, 1 << 35
"""Which of the objects, or of the users: the one with the id, those of the group, all, those in the cluster."""
ID_MAX = (1 << 31) - 1
SCOPES = INDIVIDUAL | GROUP | ALL | CLUSTER
SCOPE_AND_ID = (1 << 36) - 1

KINDS: Mapping[str, int] = {
    kind: 1 << (36 + number)
    for number, kind in enumerate(
        (
            *("VM", "HOST", "NET", "IMAGE", "USER", "TEMPLATE", "GROUP", "ACL", "DATASTORE", "CLUSTER", "DOCUMENT"),
            *("ZONE", "SECGROUP", "VDC", "VROUTER", "MARKETPLACE", "MARKETPLACEAPP", "VMGROUP", "VNTEMPLATE", "HOOK"),
            "BACKUPJOB",
        )
    )
}
"""The kinds that rules know, with their bits."""
ALL_KINDS = sum(KINDS.values())
CLUSTERED = frozenset({"HOST", "NET", "DATASTORE"})
"""The kinds whose objects are in clusters."""
ALL_RIGHTS = sum(Right)
_KEPT_MAX = 10_000


class Words(msgspec.Struct, frozen=True):
    """What a rule says, without who asked for it.

    Attributes:
        user: one of the bits INDIVIDUAL, GROUP and ALL, and the id of the user or group.
        resource: bits of kinds, one of the bits INDIVIDUAL, GROUP, CLUSTER and ALL, and the id.
        rights: sum of the bits of `Right`.
        zone: INDIVIDUAL and the id of the zone, or ALL.
    """

    user: int
    resource: int
    rights: int
    zone: int


class Rule(msgspec.Struct, frozen=True):
    """An access rule: `Words` with an id.

    Attributes:
        is_derived: virtual data centres or administrators of groups ask for it; it comes and goes with them.
    """

    id: int
    user: int
    resource: int
    rights: int
    zone: int
    is_derived: bool = False

    @property
    def words(self) -> Words:
        """What it says."""
        return Words(self.user, self.resource, self.rights, self.zone)


def words(who: int, kinds: str, which: int, rights: int, zone: int = ALL) -> Words:
    """Return what a rule says, such as `words(GROUP | 1, "VM+IMAGE", ALL, Right.CREATE)`."""
    return Words(who, sum(KINDS[kind] for kind in kinds.split("+")) | which, rights, zone)


class CallerRules:
    """The rules that apply to one caller, found by what they are about: asking takes a few look-ups."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._granting: dict[str, dict[int, list[Rule]]] = {}
        for rule in rules:
            which = rule.resource & SCOPE_AND_ID
            for kind, bit in KINDS.items():
                if rule.resource & bit:
                    self._granting.setdefault(kind, {}).setdefault(which, []).append(rule)

    def granting(self, right: Right, kind: str, target: Owned | None, gid: int) -> int:
        """Return the id of a rule that gives a right, -1 when none does.

        Args:
            target: None = the whole kind.
            gid: with CREATE and no target: the group that the new object will belong to.
        """
        about = self._granting.get(kind)
        if about is None:
            return -1
        for which in _matching(right, kind, target, gid):
            for rule in about.get(which, ()):
                if rule.rights & right:
                    return rule.id
        return -1


def _matching(right: Right, kind: str, target: Owned | None, gid: int) -> list[int]:
    """Return what a rule may say of an object to be about it, as scope and id."""
    if target is None:
        return [ALL, GROUP | gid] if right == Right.CREATE else [ALL]
    which = [ALL, INDIVIDUAL | target.id, GROUP | target.gid]
    if kind in CLUSTERED:
        which += [CLUSTER | cluster_id for cluster_id in _cluster_ids(target)]
    return which


def _cluster_ids(target: Any) -> Iterable[int]:
    """Return the clusters that a host, a network or a datastore is in."""
    one = getattr(target, "cluster_id", None)
    return (one,) if one is not None else getattr(target, "cluster_ids", ())


class RuleSet:
    """All rules, found by whom they speak of.  They never change: other rules are another set."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._about: dict[int, list[Rule]] = defaultdict(list)
        self._of: dict[tuple[int, tuple[int, ...], int], CallerRules] = {}
        self._named: set[int] = set()
        for rule in rules:
            if rule.resource & INDIVIDUAL:
                self._named.add(rule.resource & ID_MAX)
            if rule.zone in (ALL, INDIVIDUAL):
                self._about[rule.user].append(rule)

    def __eq__(self, other: object) -> bool:
        """Two sets of the same rules are equal, whoever has asked them."""
        return isinstance(other, RuleSet) and self._about == other._about

    __hash__ = None  # type: ignore[assignment]

    def may_name(self, object_id: int) -> bool:
        """Tell, fast, whether a rule is about a single object of this id, of whatever kind."""
        return object_id in self._named

    def of(self, uid: int, gids: tuple[int, ...], egid: int = -1) -> CallerRules:
        """Return the rules that apply to a user who acts in these groups; kept, as each of a user's calls asks.

        Args:
            egid: the only group that the user acts in, -1 = in all of its own: of others it is no administrator.
        """
        key = (uid, gids, egid)
        known = self._of.get(key)
        if known is None:
            about = (INDIVIDUAL | uid, *(GROUP | gid for gid in gids), ALL)
            rules = (rule for who in about for rule in self._about.get(who, ()))
            known = CallerRules(rule for rule in rules if egid < 0 or not _is_of_administrator(rule, egid))
            if len(self._of) >= _KEPT_MAX:
                self._of.clear()
            self._of[key] = known
        return known


def _is_of_administrator(rule: Rule, but: int) -> bool:
    """Tell whether a rule is that of an administrator of any group but one."""
    is_of_one = rule.is_derived and rule.user & INDIVIDUAL != 0
    return is_of_one and rule.resource & SCOPE_AND_ID not in (GROUP | but, INDIVIDUAL | but)
