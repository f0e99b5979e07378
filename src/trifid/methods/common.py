"""Pieces that many methods share: finding, checking, listing, renaming, changing owners and permissions."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from msgspec.structs import replace

from trifid.core.access import Caller, Permissions, Right, allowed, check
from trifid.core.template.model import Template
from trifid.core.template.scanner import ATTRIBUTES_MAX, TEXT_LENGTH_MAX, parse
from trifid.engine.looking import WORDS
from trifid.engine.transaction import Draft
from trifid.errors import BadRequest, BadTemplate, NotAllocated, NotFound, Refused, TrifidError
from trifid.methods.registry import Call

R = TypeVar("R")

FILTER_PRIMARY_GROUP, FILTER_MINE, FILTER_ALL, FILTER_MINE_AND_GROUPS = -4, -3, -2, -1
NAME_LENGTH_MAX = 128

POOLS = {
    "VM": "vms",
    "HOST": "hosts",
    "NET": "networks",
    "SECGROUP": "security_groups",
    "VMGROUP": "vm_groups",
    "CLUSTER": "clusters",
    "VNTEMPLATE": "vn_templates",
    "DATASTORE": "datastores",
    "IMAGE": "images",
    "TEMPLATE": "vm_templates",
    "DOCUMENT": "documents",
    "USER": "users",
    "GROUP": "groups",
    "VDC": "vdcs",
    "HOOK": "hooks",
}
"""Where the objects of a kind are kept."""


class BadUpdate(Refused):
    """What an update call was given cannot be taken; the text quotes it, so that it is never logged."""


def read(pool: dict[int, R], words: str, object_id: int) -> R:
    """Return a record from memory; raises NotFound."""
    found = pool.get(object_id)
    if found is None:
        raise NotFound(WORDS[words], object_id)
    return found


# -- templates ---------------------------------------------------------------------------------------


def parse_update(text: str) -> Template:
    """Parse the template of an update call, whose errors carry another code (reference/api-modern.md §7.5)."""
    try:
        return parse(text)
    except BadTemplate as bad:
        raise BadUpdate(f"Parse error: {bad.message}") from bad


def parse_allocate(text: str) -> Template:
    """Parse the template of an allocate call."""
    try:
        return parse(text)
    except BadTemplate as bad:
        raise BadTemplate(f"Parse error: {bad.message}") from bad


def is_merge(append: int) -> bool:
    """Tell what an update call does: `append` 0 replaces the template, 1 merges into it; raises BadRequest."""
    if append not in (0, 1):
        raise BadRequest("Wrong update type")
    return append == 1


def updated(old: Template, text: str, append: int) -> Template:
    """Return a template after an update call.

    Raises:
        BadRequest, BadUpdate, Refused: as `is_merge`, `parse_update` and `bounded` do.
    """
    merges = is_merge(append)
    new = parse_update(text)
    return bounded(old.merged(new) if merges else new)


def bounded(template: Template) -> Template:
    """Return a template of an object; raises Refused for one that has grown beyond what a single text may be."""
    if template.length > TEXT_LENGTH_MAX:
        raise Refused(
            f"the attributes would have {template.length} characters together, {TEXT_LENGTH_MAX} are accepted: "
            "remove some, an update with type 0 replaces all"
        )
    if len(template) > ATTRIBUTES_MAX:
        raise Refused(f"there would be {len(template)} attributes, {ATTRIBUTES_MAX} are accepted: remove some")
    return template


# -- names -------------------------------------------------------------------------------------------


def name_checked(name: str, forbidden: str = "<>&\"'\n\t\r", what: str = "NAME") -> str:
    """Return `name` stripped; raises Refused for one that cannot be a name."""
    name = name.strip()
    if not name:
        raise Refused(f"Invalid {what}, it cannot be empty")
    if len(name) > NAME_LENGTH_MAX:
        raise Refused(f"Invalid {what}, it is longer than {NAME_LENGTH_MAX} characters")
    for char in name:
        if char in forbidden or not char.isprintable():
            raise Refused(f"Invalid {what}, char '{char}' is not allowed")
    return name


def refuse_taken(
    draft: Draft,
    kind: str,
    name: str,
    *,
    object_id: int = -1,
    uid: int | None = None,
    error: Callable[[str], TrifidError] = NotAllocated,
) -> None:
    """Raise when another object of that kind has the name.

    Args:
        object_id: which one may have it.
        uid: look only among the objects of this owner: names of networks, images … are per owner.
        error: what is raised.
    """
    taken = draft.named(kind.lower(), name) if uid is None else draft.owned(POOLS[kind], uid, name)
    if taken not in (None, object_id):
        raise error(f"NAME is already taken by {kind} {taken}.")


# -- lists -------------------------------------------------------------------------------------------


def listed(records: Iterable[R], caller: Caller, kind: str, filter_flag: int, start: int, end: int) -> list[R]:
    """Return the records that a filtered pool call answers, newest first unless the caller wants the oldest.

    Args:
        filter_flag, start, end: reference/api-modern.md §3: whose; a range of ids (end >= -1), or a
            page (end < -1: offset `start`, size `-end`).

    Raises:
        BadRequest: no such filter.
    """
    wanted = wanted_by(caller, kind, filter_flag)
    found: list[Any] = sorted((r for r in records if wanted(r)), key=lambda r: r.id, reverse=not caller.oldest_first)
    if end < -1:
        return found[max(start, 0) : max(start, 0) - end]
    if start < 0 and end == -1:
        return found
    return [r for r in found if r.id >= start and (end == -1 or r.id <= end)]


def wanted_by(caller: Caller, kind: str, flag: int) -> Callable[[Any], bool]:
    """Return the test of a filter flag; raises BadRequest when there is no such filter."""
    if flag < FILTER_PRIMARY_GROUP:
        raise BadRequest("Incorrect filter_flag")

    def visible(record: Any) -> bool:
        return allowed(caller, Right.USE, kind, record)

    if flag == FILTER_ALL:
        return visible
    if flag == FILTER_MINE:
        return lambda r: r.uid == caller.uid
    if flag == FILTER_MINE_AND_GROUPS:
        return lambda r: r.uid == caller.uid or (r.gid in caller.gids and visible(r))
    if flag == FILTER_PRIMARY_GROUP:
        return lambda r: r.gid == caller.gid and visible(r)
    return lambda r: r.uid == flag and visible(r)


# -- changes -----------------------------------------------------------------------------------------


def permissions_changed(caller: Caller, kind: str, record: Any, flags: tuple[int, ...]) -> Any:
    """Return a record after a chmod call; changing ADMIN bits needs ADMIN, the rest MANAGE.

    Clients send all nine flags, so that one which is as it was counts as none.

    Raises:
        NotAllowed: the caller may not.
        BadRequest: a flag is not -1, 0 or 1.
    """
    if any(flag not in (-1, 0, 1) for flag in flags):
        raise BadRequest("Wrong permission, each must be -1, 0 or 1")
    before: Permissions = record.permissions
    after = before.changed(flags)
    differs = [old != new for old, new in zip(before.flags(), after.flags(), strict=True)]
    needs_admin = any(differs[i] for i in (2, 5, 8))
    check(caller, Right.ADMIN if needs_admin else Right.MANAGE, kind, record)
    return replace(record, permissions=after)


def owner_changed(caller: Caller, draft: Draft, record: Any, user_id: int, group_id: int) -> Any:
    """Return a record after a chown call; -1 keeps.

    Nobody is given an object who is not the caller's to manage, and no group that the caller cannot use.

    Raises:
        NotFound: no such user or group.
        NotAllowed: the caller may not.
    """
    if user_id != -1:
        user = draft.user(user_id)
        check(caller, Right.MANAGE, "USER", user)
        record = replace(record, uid=user.id)
    if group_id != -1:
        group = draft.group(group_id)
        check(caller, Right.USE, "GROUP", group)
        record = replace(record, gid=group.id)
    return record


async def changed(
    call: Call,
    kind: str,
    object_id: int,
    right: Right,
    what: str,
    change: Callable[[Draft, Any], Any],
    find: Callable[[Draft, int], Any] | None = None,
) -> int:
    """Change one object for whoever has the right, note it, and return its id.

    Args:
        what: for the journal, which also tells a new name.
        change: returns the record as it shall be.
        find: returns the record as it is, where "no such object" is told in another way.

    Raises:
        NotFound, NotAllowed; BadUpdate for a BadTemplate of `change`; and what else it raises.
    """

    def command(draft: Draft) -> int:
        old = find(draft, object_id) if find else draft.record(POOLS[kind], object_id)
        check(call.caller, right, kind, old)
        try:
            new = change(draft, old)
        except BadTemplate as bad:
            raise BadUpdate(bad.message, object_id) from bad
        draft.put(new)
        text = "" if old.name == new.name else f"{old.name} -> {new.name}"
        is_other = getattr(old, "state", None) is not getattr(new, "state", None)
        before, after = (old.state.name, new.state.name) if is_other else ("", "")
        draft.note(kind, object_id, call.caller, what, before, after, text)
        return object_id

    return await call.ask(command)


def usable(call: Call) -> Callable[[str, int], bool]:
    """Return what tells whether the caller may use a VM or a network, by the kind (VM, NET) and its id."""
    memory = call.engine.turns.memory

    def may_use(kind: str, object_id: int) -> bool:
        target = memory.vms.get(object_id) if kind == "VM" else memory.networks.get(object_id)
        return target is not None and allowed(call.caller, Right.USE, kind, target)

    return may_use
