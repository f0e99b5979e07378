"""Who may do what: owners, groups, permissions and rules, and the one gate that every call passes.

Pure.  The gate is `check`; nothing else in the project decides about rights.
Source: reference/xmlrpc.md §3, reference/api-modern.md §3 and §5.1.
"""

import enum
from typing import Any, Protocol

import msgspec

from trifid.errors import Locked, NotAllowed

ONEADMIN_UID = 0
ONEADMIN_GID = 0
USERS_GID = 1


class Right(enum.IntEnum):
    """What a caller wants with an object; the value is the bit of an access rule."""

    USE = 1
    MANAGE = 2
    ADMIN = 4
    CREATE = 8


class Permissions(msgspec.Struct, frozen=True, array_like=True):
    """Owner, group and other × USE, MANAGE, ADMIN as nine bits, highest bit owner USE.

    `0o600` is owner use+manage: in each octal digit 4 = use, 2 = manage, 1 = admin.
    """

    bits: int = 0o600

    def allows(self, who: int, right: Right) -> bool:
        """Tell whether class `who` (0 owner, 1 group, 2 other) has `right`."""
        digit = (self.bits >> (6 - 3 * who)) & 7
        return bool(digit & {Right.USE: 4, Right.MANAGE: 2, Right.ADMIN: 1}.get(right, 0))

    def flags(self) -> tuple[int, ...]:
        """Return the nine flags OWNER_U … OTHER_A, each 0 or 1."""
        return tuple((self.bits >> (8 - i)) & 1 for i in range(9))

    def changed(self, flags: tuple[int, ...]) -> "Permissions":
        """Return these permissions with nine flags applied: 1 set, 0 clear, -1 keep."""
        bits = self.bits
        for i, flag in enumerate(flags):
            mask = 1 << (8 - i)
            bits = bits if flag == -1 else (bits | mask if flag else bits & ~mask)
        return Permissions(bits)


class Caller(msgspec.Struct, frozen=True):
    """The authenticated user behind a request.

    Attributes:
        uid: user id; -1 for the engine itself.
        gids: primary group first.
        egid: the group that the login token is limited to; -1 = it is not.
    """

    uid: int
    name: str
    gids: tuple[int, ...]
    egid: int = -1

    @property
    def is_limited(self) -> bool:
        """Whether the caller came with a token that acts in one group only."""
        return self.egid >= 0

    @property
    def is_admin(self) -> bool:
        """Whether the caller belongs to group 0, which bypasses every check."""
        return ONEADMIN_GID in self.gids

    @property
    def gid(self) -> int:
        """The primary group."""
        return self.gids[0]


ENGINE = Caller(uid=-1, name="engine", gids=(ONEADMIN_GID,))


class Owned(Protocol):
    """What the gate must know of an object."""

    @property
    def id(self) -> int: ...
    @property
    def uid(self) -> int: ...
    @property
    def gid(self) -> int: ...
    @property
    def permissions(self) -> Permissions: ...


class Rule(msgspec.Struct, frozen=True):
    """An access rule: any member of `gid` has `rights` on every object of these kinds, or on those of `ids`.

    The rules of a fresh installation are below; rules made by users come with the access-list calls.
    Users may not make virtual networks, as they may by upstream's rules: a network names a bridge or a
    device of every host, and the addresses that its VMs answer to (docs/decisions/0014).
    """

    gid: int
    kinds: frozenset[str]
    rights: int
    ids: frozenset[int] | None = None

    def grants(self, caller: Caller, right: Right, kind: str, target: "Owned | None") -> bool:
        """Tell whether this rule gives a caller a right on an object, or on the whole kind."""
        if self.gid not in caller.gids or kind not in self.kinds or not self.rights & right:
            return False
        return self.ids is None or (target is not None and target.id in self.ids)


DEFAULT_RULES = (
    Rule(USERS_GID, frozenset({"VM", "IMAGE", "TEMPLATE", "SECGROUP", "VMGROUP"}), Right.CREATE),
    Rule(USERS_GID, frozenset({"HOST"}), Right.MANAGE),
    Rule(USERS_GID, frozenset({"DATASTORE"}), Right.USE, frozenset({0, 1, 2})),
)
"""The first datastores are for all users; those made later are for whom their permissions name."""


def allowed(
    caller: Caller, right: Right, kind: str, target: Owned | None, rules: tuple[Rule, ...] = DEFAULT_RULES
) -> bool:
    """Tell whether `caller` has `right` on `target`, or on the whole kind when there is no target.

    Args:
        kind: the type word of rules and messages: VM, HOST, NET, USER, GROUP …
    """
    if caller.is_admin:
        return True
    if target is not None and right != Right.CREATE:
        if target.uid == caller.uid and target.permissions.allows(0, right):
            return True
        if target.gid in caller.gids and target.permissions.allows(1, right):
            return True
        if target.permissions.allows(2, right):
            return True
    return any(rule.grants(caller, right, kind, target) for rule in rules)


def check(caller: Caller, right: Right, kind: str, target: Owned | None = None) -> None:
    """Raise unless `caller` has `right`: the one authorization gate.

    A lock stops everybody; who may see an object may see it when it is locked.

    Raises:
        NotAllowed: with the text that today's clients know (reference/api-modern.md §2).
        Locked: the object has a lock that forbids this.
    """
    if not allowed(caller, right, kind, target):
        which = f" [{target.id}]" if target is not None else ""
        text = f"User [{caller.uid}] : Not authorized to perform {right.name} {kind}{which}."
        raise NotAllowed(text, -1 if target is None else target.id)
    lock: Any = getattr(target, "lock", None)
    if lock is not None and right != Right.USE and lock.forbids(right):
        assert target is not None
        raise Locked(_locked(caller, right, kind, target.id), target.id)


def check_use(caller: Caller, kind: str, target: Owned) -> None:
    """Raise unless `caller` may use what is there for something new: a lock of the first level forbids that as well.

    Raises:
        NotAllowed, Locked: as `check`.
    """
    check(caller, Right.USE, kind, target)
    lock: Any = getattr(target, "lock", None)
    if lock is not None and lock.forbids(Right.USE):
        raise Locked(_locked(caller, Right.USE, kind, target.id), target.id)


def _locked(caller: Caller, right: Right, kind: str, object_id: int) -> str:
    """Return the text about a lock; users see what they see when they may not (reference/api-modern.md §2)."""
    if caller.is_admin:
        return f"User [{caller.uid}] : {kind} is locked. [{object_id}]."
    return f"User [{caller.uid}] : Not authorized to perform {right.name} {kind} [{object_id}]. It is locked."
