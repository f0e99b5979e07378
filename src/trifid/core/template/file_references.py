"""`$FILE[IMAGE="name"]`: how a template names files of the catalogue, in FILES_DS, KERNEL_DS and INITRD_DS.

Which image that is, and whether its user may use it, is found out by whoever knows the images.
Source: reference/drivers.md §8.2, reference/templates.md §2.2.
"""

import re

from trifid.core.template.validate import shown
from trifid.errors import BadTemplate

REFERENCES_MAX = 100
"""Most files of the catalogue in one attribute."""
_ONE = re.compile(r"\$FILE\[((?:[^\]$]|\$(?!FILE\[))*+)\]", re.IGNORECASE)
_PAIR = re.compile(r'\s*([A-Za-z_]+)\s*=\s*(?:"([^"]*)"|([^\s",]+))\s*(,|$)')
_KEYS = ("IMAGE", "IMAGE_ID", "IMAGE_UNAME", "IMAGE_UID")
_NUMBER = re.compile(r"[0-9]{1,9}")
_USAGE = '$FILE[IMAGE="name"] or $FILE[IMAGE_ID=3]'


FileReference = dict[str, str]
"""IMAGE or IMAGE_ID, and where the reference has them IMAGE_UNAME and IMAGE_UID: as a DISK names its image."""


def file_references(text: str, where: str) -> list[FileReference]:
    """Return the references in a text of nothing else, in order.

    Args:
        where: how messages call the attribute, like `CONTEXT FILES_DS`.

    Raises:
        BadTemplate: there is something else in it, or a reference is malformed.
    """
    rest = _ONE.sub("", text).replace(",", " ").strip()
    if rest:
        raise BadTemplate(f"{where}: expected {_USAGE}, with blanks between several, found {shown(rest)}")
    found = [_reference(inner, where) for inner in _ONE.findall(text)]
    if len(found) > REFERENCES_MAX:
        raise BadTemplate(f"{where}: {len(found)} files, at most {REFERENCES_MAX} are taken")
    return found


def one_file_reference(text: str, where: str) -> FileReference:
    """Return the only reference in a text, for KERNEL_DS and INITRD_DS; raises as `file_references` does."""
    found = file_references(text, where)
    if len(found) != 1:
        raise BadTemplate(f"{where}: expected one {_USAGE}, found {len(found)}")
    return found[0]


def _reference(inner: str, where: str) -> FileReference:
    pairs: FileReference = {}
    at = 0
    while at < len(inner):
        pair = _PAIR.match(inner, at)
        if pair is None or pair[1].upper() not in _KEYS:
            raise _malformed(inner, where)
        pairs[pair[1].upper()] = pair[3] if pair[2] is None else pair[2]
        at = pair.end()
    if bool(pairs.get("IMAGE")) == bool(pairs.get("IMAGE_ID")):
        raise _malformed(inner, where)
    if any(not _NUMBER.fullmatch(pairs.get(key, "0")) for key in ("IMAGE_ID", "IMAGE_UID")):
        raise _malformed(inner, where)
    return pairs


def _malformed(inner: str, where: str) -> BadTemplate:
    return BadTemplate(f"{where}: expected {_USAGE}, found $FILE[{shown(inner)}]")
