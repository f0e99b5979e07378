"""rename, chmod and chown, the same for everything that belongs to somebody: declared from what a kind is called."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from trifid.core.access import GROUP, OWNER, Caller, Right, check
from trifid.engine.looking import WORDS
from trifid.engine.transaction import Draft
from trifid.errors import NotAllocated, Refused
from trifid.methods.common import POOLS, changed, name_checked, owner_changed, permissions_changed
from trifid.methods.registry import Call, method

OWNED_POOLS = (
    *("vms", "networks", "images", "vm_templates", "datastores"),
    *("security_groups", "vm_groups", "vn_templates", "documents"),
)
"""Where the records are that belong to users: a user that has one is not deleted."""


def refuse_name_of_owner(draft: Draft, kind: str, record: Any) -> None:
    """Raise Refused for a name that another object of that kind and of the same owner has.

    Args:
        record: the object as it shall be.
    """
    _refuse_collision(kind, record, draft.owned(POOLS[kind], record.uid, record.name))


def refuse_name_of_any(draft: Draft, kind: str, record: Any) -> None:
    """Raise Refused for a name that another object of that kind has, whoever's it is.

    Args:
        record: the object as it shall be.
    """
    _refuse_collision(kind, record, draft.named(kind.lower(), record.name))


def _refuse_collision(kind: str, record: Any, taken: int | None) -> None:
    if taken not in (None, record.id):
        word = WORDS[POOLS[kind]]
        raise Refused(f"{word} cannot be renamed to {record.name} because it collides with {word} {taken}", record.id)


def allow_any_name(draft: Draft, kind: str, record: Any) -> None:
    """Refuse no name: several VMs may have the same."""


class Owned(msgspec.Struct, frozen=True):
    """A kind of objects, as far as their names, owners and permissions are concerned.

    Attributes:
        api: what the names of its methods begin with, `one.image`.
        kind: how rights and the journal call it, `IMAGE`.
        id_name: how its methods call the argument that says which one.
        word: one of them in a sentence, `an image`.
        refuse_name: raises for a new name that an object, as it shall be, must not have.
        find: returns the record as it is, where "no such object" is told in another way.
    """

    api: str
    kind: str
    id_name: str
    word: str
    refuse_name: Callable[[Draft, str, Any], None] = refuse_name_of_owner
    find: Callable[[Draft, int], Any] | None = None


# -- what they do ------------------------------------------------------------------------------------


async def rename_object(call: Call, owned: Owned, object_id: int, name: str) -> int:
    """Give an object another name, for whoever may MANAGE it, and return its id.

    Raises:
        NotFound, NotAllowed: no such object, or the caller may not.
        Refused: this cannot be a name; and what `refuse_name` of the kind raises.
    """
    new_name = name_checked(name)

    def change(draft: Draft, record: Any) -> Any:
        new = replace(record, name=new_name)
        owned.refuse_name(draft, owned.kind, new)
        return new

    return await changed(call, owned.kind, object_id, Right.MANAGE, "renamed", change, owned.find)


async def chmod_object(
    call: Call,
    owned: Owned,
    object_id: int,
    flags: tuple[int, ...],
    also: Callable[[Draft, Any], None] | None = None,
) -> int:
    """Change the permissions of an object, and return its id.

    Args:
        flags: nine, in the order of `Permissions.flags`: 1 set, 0 clear, -1 keep.
        also: changes what goes with the object, once that the caller may change this one is known.

    Raises:
        NotFound, NotAllowed, BadRequest: no such object; or as `permissions_changed` does.
    """

    def change(draft: Draft, record: Any) -> Any:
        new = permissions_changed(call.caller, owned.kind, record, flags)
        if also:
            also(draft, record)
        return new

    return await changed(call, owned.kind, object_id, Right.USE, "permissions changed", change, owned.find)


async def chown_object(call: Call, owned: Owned, object_id: int, user_id: int, group_id: int) -> int:
    """Give an object to another user or group, for whoever may MANAGE it, and return its id; -1 keeps.

    Who gives it to a user must MANAGE that one, too, and USE the group: nobody gets what he has not asked for.  To
    make oneself its owner takes ADMIN: an owner may do more than whoever may MANAGE.  Nobody lets its new owner, or
    the members of its new group, do what is not allowed to the caller: they may be the caller under another name.

    Raises:
        NotFound, NotAllowed: no such object, user or group; or the caller may not.
        NotAllocated: the new owner has one of that name, where names of the kind are their owner's.
    """

    def change(draft: Draft, record: Any) -> Any:
        if user_id == call.caller.uid != record.uid:
            check(call.caller, Right.ADMIN, owned.kind, record)
        new = owner_changed(call.caller, draft, record, user_id, group_id)
        _check_what_others_get(call.caller, owned.kind, record, new)
        if owned.refuse_name is refuse_name_of_owner:
            _refuse_second(draft, owned.kind, new)
        return new

    return await changed(call, owned.kind, object_id, Right.MANAGE, "owner changed", change, owned.find)


def _check_what_others_get(caller: Caller, kind: str, old: Any, new: Any) -> None:
    for who, is_other in ((OWNER, new.uid != old.uid), (GROUP, new.gid != old.gid)):
        for right in (Right.USE, Right.MANAGE, Right.ADMIN):
            if is_other and old.permissions.allows(who, right):
                check(caller, right, kind, old)


def _refuse_second(draft: Draft, kind: str, record: Any) -> None:
    """Raise NotAllocated when the owner that an object shall have has another one of its name."""
    pool = POOLS[kind]
    taken = draft.owned(pool, record.uid, record.name)
    if taken not in (None, record.id):
        raise NotAllocated(
            f"user [{record.uid}] already owns {WORDS[pool]} [{taken}] with NAME {record.name}", record.id
        )


def owned_by(draft: Draft, uid: int) -> list[str]:
    """Return what belongs to a user, as messages call it: `image 4`."""
    return [f"{WORDS[pool]} {one.id}" for pool in OWNED_POOLS for one in draft.each(pool) if one.uid == uid]


# -- declaring them ----------------------------------------------------------------------------------


def declare_ownership(owned: Owned) -> None:
    """Declare rename, chmod and chown of a kind, in that order; each is declared once, else AssertionError."""
    declare_rename(owned)
    declare_chmod(owned)
    declare_chown(owned)


def declare_rename(owned: Owned) -> None:
    """Declare `rename` of a kind."""

    async def rename(call: Call, object_id: int, name: str) -> int:
        return await rename_object(call, owned, object_id, name)

    rename.__doc__ = f"Give {owned.word} another name."
    method(f"{owned.api}.rename", object_id=owned.id_name)(rename)


def declare_chmod(owned: Owned) -> None:
    """Declare `chmod` of a kind."""

    async def chmod(
        call: Call, object_id: int, ou: int, om: int, oa: int, gu: int, gm: int, ga: int, tu: int, tm: int, ta: int
    ) -> int:
        """Change permissions: nine flags, each 1 set, 0 clear, -1 keep."""
        return await chmod_object(call, owned, object_id, (ou, om, oa, gu, gm, ga, tu, tm, ta))

    method(f"{owned.api}.chmod", object_id=owned.id_name)(chmod)


def declare_chown(owned: Owned, summary: str = "Change owner and group; -1 keeps.", gid_name: str = "group_id") -> None:
    """Declare `chown` of a kind.

    Args:
        summary: what the manual says of it.
        gid_name: how it calls the argument that is the new group.
    """

    async def chown(call: Call, object_id: int, user_id: int, group_id: int) -> int:
        return await chown_object(call, owned, object_id, user_id, group_id)

    chown.__doc__ = summary
    method(f"{owned.api}.chown", object_id=owned.id_name, group_id=gid_name)(chown)
