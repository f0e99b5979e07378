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
OWNER, GROUP, OTHER = range(3)
"""Whom permissions tell apart."""


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
        """Tell whether class `who` (OWNER, GROUP, OTHER) has `right`."""
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


class Why(enum.StrEnum):
    """On what ground the gate decided."""

    ADMINISTRATOR = "administrator"
    OWNER = "owner"
    GROUP = "group"
    OTHER = "other"
    RULE = "rule"
    NOTHING = "nothing allows it"
    LOCK = "lock"


class Ground(msgspec.Struct, frozen=True):
    """One decision of the gate, for the audit.

    Attributes:
        kind: type word of the object, as in rules and messages.
        object_id: -1 = the whole kind.
        rule_id: the access rule that allowed it; -1 = none did.
    """

    right: Right
    kind: str
    object_id: int
    allowed: bool
    why: Why
    rule_id: int = -1


class OfOneadmin(msgspec.Struct, frozen=True):
    """What belongs to oneadmin and its group: only administrators may see or change it, and whom a rule lets."""

    @property
    def uid(self) -> int:
        """The owner."""
        return ONEADMIN_UID

    @property
    def gid(self) -> int:
        """The group."""
        return ONEADMIN_GID

    @property
    def permissions(self) -> Permissions:
        """Of the owner, and of nobody else."""
        return Permissions(0o600)


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


class Rules(Protocol):
    """The access rules that apply to a caller."""

    def granting(self, right: Right, kind: str, target: Owned | None, gid: int) -> int:
        """Return the id of a rule that gives a right, -1 when none does.

        Args:
            target: None = the whole kind.
            gid: with CREATE and no target: the group that the new object will belong to.
        """
        ...


class Caller(msgspec.Struct, frozen=True):
    """The authenticated user behind a request.

    Attributes:
        uid: user id; -1 for the engine itself.
        gids: primary group first.
        egid: the group that the login token is limited to; -1 = it is not.
        rules: the access rules that apply to this caller; None = none do.
        grounds: takes what the gate decides in a call; None = nobody wants to know.
        oldest_first: whether lists begin with the lowest id.
    """

    uid: int
    name: str
    gids: tuple[int, ...]
    egid: int = -1
    rules: Rules | None = None
    grounds: list[Ground] | None = None
    oldest_first: bool = False

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


def allowed(caller: Caller, right: Right, kind: str, target: Owned | None, gid: int | None = None) -> bool:
    """Tell whether `caller` has `right` on `target`, or on the whole kind when there is no target.

    Args:
        kind: the type word of rules and messages: VM, HOST, NET, USER, GROUP …
        gid: with CREATE: the group that the new object will belong to; None = the caller's primary one.
    """
    return _decided(caller, right, kind, target, gid)[0] is not Why.NOTHING


def check(caller: Caller, right: Right, kind: str, target: Owned | None = None, gid: int | None = None) -> None:
    """Raise unless `caller` has `right`: the one authorization gate.

    A lock stops everybody; who may see an object may see it when it is locked.

    Args:
        gid: as `allowed` takes it.

    Raises:
        NotAllowed: with the text that today's clients know (reference/api-modern.md §2).
        Locked: the object has a lock that forbids this.
    """
    why, rule_id = _decided(caller, right, kind, target, gid)
    lock: Any = getattr(target, "lock", None)
    is_locked = why is not Why.NOTHING and lock is not None and right != Right.USE and lock.forbids(right)
    _note(caller, right, kind, target, Why.LOCK if is_locked else why, rule_id)
    if why is Why.NOTHING:
        which = f" [{target.id}]" if target is not None else ""
        text = f"User [{caller.uid}] : Not authorized to perform {right.name} {kind}{which}."
        raise NotAllowed(text, -1 if target is None else target.id)
    if is_locked:
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
        _note(caller, Right.USE, kind, target, Why.LOCK)
        raise Locked(_locked(caller, Right.USE, kind, target.id), target.id)


def _locked(caller: Caller, right: Right, kind: str, object_id: int) -> str:
    """Return the text about a lock; users see what they see when they may not (reference/api-modern.md §2)."""
    if caller.is_admin:
        return f"User [{caller.uid}] : {kind} is locked. [{object_id}]."
    return f"User [{caller.uid}] : Not authorized to perform {right.name} {kind} [{object_id}]. It is locked."


def _decided(caller: Caller, right: Right, kind: str, target: Owned | None, gid: int | None) -> tuple[Why, int]:
    """Return why a caller has a right, or NOTHING; and the rule that gives it, -1 when it is no rule."""
    if caller.is_admin:
        return Why.ADMINISTRATOR, -1
    if target is not None and right != Right.CREATE:
        if target.uid == caller.uid and target.permissions.allows(OWNER, right):
            return Why.OWNER, -1
        if target.gid in caller.gids and target.permissions.allows(GROUP, right):
            return Why.GROUP, -1
        if target.permissions.allows(OTHER, right):
            return Why.OTHER, -1
    if caller.rules is None:
        return Why.NOTHING, -1
    gid = caller.gid if gid is None else gid
    if _is_beyond_rules(right, kind, target, gid):
        return Why.NOTHING, -1
    rule_id = caller.rules.granting(right, kind, target, gid)
    return (Why.RULE, rule_id) if rule_id >= 0 else (Why.NOTHING, -1)


def _is_beyond_rules(right: Right, kind: str, target: Owned | None, gid: int) -> bool:
    """Tell whether this would let somebody become an administrator, or act as one: no rule gives that.

    Whoever may change group 0 or its members passes every check: a rule about all users means the others.
    """
    if right == Right.USE or kind not in ("USER", "GROUP"):
        return False
    if target is None:
        return kind == "USER" and gid == ONEADMIN_GID
    gids: Any = getattr(target, "gids", (target.gid,))
    return ONEADMIN_GID in gids


def _note(caller: Caller, right: Right, kind: str, target: Owned | None, why: Why, rule_id: int = -1) -> None:
    if caller.grounds is not None:
        may = why not in (Why.NOTHING, Why.LOCK)
        caller.grounds.append(Ground(right, kind, -1 if target is None else target.id, may, why, rule_id))
