"""UMASK: what is taken away of the permissions of the objects that a user makes.

Source: reference/xmlrpc.md §3 (Permissions).
"""

from trifid.core.template.model import Template
from trifid.errors import BadTemplate

UMASK = "UMASK"
"""The attribute of a user: three octal digits, for the owner, the group and others."""
USUAL = 0o177
"""The owner uses and manages, nobody else may do anything."""
_ALL, _ALL_BUT_ADMIN = 0o777, 0o666
_DIGITS = 3


def parse_umask(text: str) -> int:
    """Return the number of a umask like 137; raises BadTemplate for what is none."""
    digits = text.strip()
    if len(digits) != _DIGITS or not set(digits) <= set("01234567"):
        raise BadTemplate(f'{UMASK} must be three digits from 0 to 7, like 137, is "{digits[:20]}"')
    return int(digits, 8)


def umask_of(template: Template) -> int | None:
    """Return the umask of a user with these attributes, None for one who has none that can be read."""
    try:
        return parse_umask(template.single(UMASK))
    except BadTemplate:
        return None


def check_umask(before: Template, after: Template) -> None:
    """Raise BadTemplate when a user would get a UMASK that is none; one that is there already passes."""
    if after.all(UMASK) != before.all(UMASK) and UMASK in after:
        if len(after.all(UMASK)) > 1 or after.vectors(UMASK):
            raise BadTemplate(f"{UMASK} must be given once, as a single value")
        if after.single(UMASK).strip():
            parse_umask(after.single(UMASK))


def first_bits(umask: int, *, is_admin: bool) -> int:
    """Return the permission bits that a umask leaves; only administrators give ADMIN."""
    return (_ALL if is_admin else _ALL_BUT_ADMIN) & ~umask
