"""Pieces that many methods share: finding, checking, listing, renaming, changing permissions."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from trifid.core.access import Caller, Permissions, Right, allowed, check
from trifid.core.template.model import Template
from trifid.core.template.scanner import parse
from trifid.engine.transaction import WORDS
from trifid.errors import BadRequest, BadTemplate, NotFound, Refused

R = TypeVar("R")

FILTER_PRIMARY_GROUP, FILTER_MINE, FILTER_ALL, FILTER_MINE_AND_GROUPS = -4, -3, -2, -1
NAME_LENGTH_MAX = 128


def read(pool: dict[int, R], words: str, object_id: int) -> R:
    """Return a record from memory; raises NotFound."""
    found = pool.get(object_id)
    if found is None:
        raise NotFound(WORDS[words], object_id)
    return found


def parse_update(text: str) -> Template:
    """Parse the template of an update call, whose errors carry another code (reference/api-modern.md §7.5)."""
    try:
        return parse(text)
    except BadTemplate as bad:
        raise Refused(f"Parse error: {bad.message}") from bad


def parse_allocate(text: str) -> Template:
    """Parse the template of an allocate call."""
    try:
        return parse(text)
    except BadTemplate as bad:
        raise BadTemplate(f"Parse error: {bad.message}") from bad


def updated(old: Template, text: str, append: int) -> Template:
    """Return a template after an update call: `append` 0 replaces it, 1 merges into it."""
    if append not in (0, 1):
        raise BadRequest("Wrong update type")
    new = parse_update(text)
    return old.merged(new) if append else new


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


def listed(records: Iterable[R], caller: Caller, kind: str, filter_flag: int, start: int, end: int) -> list[R]:
    """Return the records that a filtered pool call answers, newest first.

    Args:
        filter_flag, start, end: reference/api-modern.md §3: whose; a range of ids (end >= -1), or a
            page (end < -1: offset `start`, size `-end`).

    Raises:
        BadRequest: no such filter.
    """
    if filter_flag < FILTER_PRIMARY_GROUP:
        raise BadRequest("Incorrect filter_flag")
    wanted = _filter(caller, kind, filter_flag)
    found: list[Any] = sorted((r for r in records if wanted(r)), key=lambda r: r.id, reverse=True)
    if end < -1:
        return found[max(start, 0) : max(start, 0) - end]
    if start < 0 and end == -1:
        return found
    return [r for r in found if r.id >= start and (end == -1 or r.id <= end)]


def _filter(caller: Caller, kind: str, flag: int) -> Callable[[Any], bool]:
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


def permissions_changed(caller: Caller, kind: str, record: Any, flags: tuple[int, ...]) -> Permissions:
    """Return the permissions after a chmod call; changing others' or ADMIN bits needs ADMIN.

    Raises:
        NotAllowed: the caller may not.
        BadRequest: a flag is not -1, 0 or 1.
    """
    if any(flag not in (-1, 0, 1) for flag in flags):
        raise BadRequest("Wrong permission, each must be -1, 0 or 1")
    needs_admin = any(flags[i] != -1 for i in (2, 5, 6, 7, 8))
    check(caller, Right.ADMIN if needs_admin else Right.MANAGE, kind, record)
    changed: Permissions = record.permissions.changed(flags)
    return changed
