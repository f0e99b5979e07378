"""Pieces that several documents share.

Documents are one line of text without declaration, namespace or blanks between elements; what lives in
a template is CDATA, numbers and names are plain (reference/api-modern.md §5.1).  Numbers are never empty.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from trifid.core.access import Permissions
from trifid.core.template.model import Template
from trifid.core.template.xml import fragment, text
from trifid.core.vm.lock import Lock
from trifid.wire.xmlrpc import Escaped
from trifid.wire.xmltext import escape, writable

DEFAULT_CLUSTER = "default"

_PERMISSION_NAMES = (
    "OWNER_U",
    "OWNER_M",
    "OWNER_A",
    "GROUP_U",
    "GROUP_M",
    "GROUP_A",
    "OTHER_U",
    "OTHER_M",
    "OTHER_A",
)
_PERMISSIONS: dict[int, str] = {}


def words(text: str) -> tuple[str, ...]:
    """Return the words of `text`: a readable way to write many names."""
    return tuple(text.split())


class Names(Protocol):
    """Tells names that documents show beside ids."""

    def user(self, uid: int) -> str:
        """Return the name of a user; a text for one that is gone."""

    def group(self, gid: int) -> str:
        """Return the name of a group; a text for one that is gone."""


def permissions(granted: Permissions) -> str:
    """Return the PERMISSIONS element."""
    found = _PERMISSIONS.get(granted.bits)
    if found is None:
        flags = zip(_PERMISSION_NAMES, granted.flags(), strict=True)
        inner = "".join(f"<{name}>{flag}</{name}>" for name, flag in flags)
        found = _PERMISSIONS[granted.bits] = f"<PERMISSIONS>{inner}</PERMISSIONS>"
    return found


def owner(uid: int, gid: int, names: Names) -> str:
    """Return UID, GID, UNAME and GNAME."""
    user, group = escape(names.user(uid)), escape(names.group(gid))
    return f"<UID>{uid}</UID><GID>{gid}</GID><UNAME>{user}</UNAME><GNAME>{group}</GNAME>"


def lock(of: Lock | None) -> str:
    """Return the LOCK element; nothing for what is not locked."""
    if of is None:
        return ""
    return (
        f"<LOCK><LOCKED>{of.level}</LOCKED><OWNER>{of.uid}</OWNER><TIME>{of.at}</TIME>"
        f"<REQ_ID>{escape(of.request_id)}</REQ_ID></LOCK>"
    )


def ids(name: str, numbers: Iterable[int]) -> str:
    """Return an element with one ID for each number, lowest first."""
    return f"<{name}>{''.join([f'<ID>{number}</ID>' for number in sorted(numbers)])}</{name}>"


def cdata(value: str) -> str:
    """Return a free string of an object as character data."""
    return text(writable(value))


def texts(values: Mapping[str, str]) -> str:
    """Return one element for each name and text, in their order."""
    return "".join([f"<{name}>{cdata(value)}</{name}>" for name, value in values.items()])


def body(root: str, template: Template) -> str:
    """Return a template as an element."""
    return f"<{root}>{writable(fragment(template))}</{root}>"


def pool(name: str, entries: Iterable[str], tail: str = "") -> list[str]:
    """Return a pool document in pieces, each of them well-formed text.

    Args:
        entries: the documents of its objects.
        tail: what follows the last one (DEFAULT_USER_QUOTAS …).
    """
    return [f"<{name}>", *entries, f"{tail}</{name}>"]


def escaped_pool(name: str, escaped_entries: Iterable[str], tail: str = "") -> Escaped:
    """Return a pool document made of entries that are XML-escaped already, ready to be sent."""
    return Escaped([escape(f"<{name}>"), *escaped_entries, escape(f"{tail}</{name}>")])
