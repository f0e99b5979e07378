"""What the commands say when something goes wrong: what is, and what to do next.

Every failure ends the process with status 255, as it always did (reference/xmlrpc.md §5.1).
"""

import re  # patterns are compiled where they are used: most commands need none
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trifid.client.errors import ClientError

FAILED = 255
INTERRUPTED = 130

_NEXT = {
    0x2000: "correct what the message names and try again",
    0x4000: "correct what the message names and try again",
}

_NOT_FOUND = r"Error getting ([A-Za-z ]+) \["
_LISTED_BY = {
    "ACL": "oneacl",
    "VDC": "onevdc",
    "cluster": "onecluster",
    "datastore": "onedatastore",
    "group": "onegroup",
    "hook": "onehook",
    "host": "onehost",
    "image": "oneimage",
    "security group": "onesecgroup",
    "user": "oneuser",
    "virtual machine": "onevm",
    "virtual machine template": "onetemplate",
    "virtual network": "onevnet",
    "virtual network template": "onevntemplate",
    "vm group": "onevmgroup",
    "zone": "onezone",
}
"""What is not found, as the engine calls it -> the command that lists what there is."""

_OWNED = {
    "DATASTORE": "onedatastore",
    "IMAGE": "oneimage",
    "NET": "onevnet",
    "SECGROUP": "onesecgroup",
    "TEMPLATE": "onetemplate",
    "VM": "onevm",
    "VMGROUP": "onevmgroup",
    "VNTEMPLATE": "onevntemplate",
}
"""Kinds that have owners, as rules and refusals call them -> their command."""
_WITHOUT_RULES = ("ACL", "HOOK", "SYSTEM")
"""Kinds that no rule can be about."""
_LOCKABLE = {**_OWNED, "HOOK": "onehook"}
_LOCKED = rf"\b({'|'.join(_LOCKABLE)})(?: is locked\.)? \[(\d+)\]"
_LIMIT = r"(?:User \[(\d+)\] : )?(?i:(user|group)) \[(\d+)\] limit of"
_MISSING_RIGHT = r"(?:User \[(\d+)\] : )?Not authorized to perform ([A-Z]+) ([A-Z]+)(?: \[(\d+)\])?"


class Failure(Exception):
    """A command cannot do what it was asked.

    Attributes:
        text: what is wrong, about which object.
        next: what to do about it; may be empty when the text says it.
        code: of the engine's refusal (reference/api-modern.md §2), 0 for what was not asked of it.
        object_id: what it is about, -1 for nothing.
    """

    def __init__(self, text: str, next: str = "", code: int = 0, object_id: int = -1) -> None:
        super().__init__(text)
        self.text = text
        self.next = next
        self.code = code
        self.object_id = object_id

    def about(self, what: str) -> "Failure":
        """Return the same about one of several things, such as a file."""
        return Failure(f"{what}: {self.text}", self.next, self.code, self.object_id)


def explain(error: "ClientError", command: str, object_id: int = -1) -> Failure:
    """Return what to tell about a call that brought no result, with what its refusal is about.

    Args:
        command: onevm, onehost …: where the object can be looked at.
        object_id: what the call was about, -1 for nothing.
    """
    failure = _explained(error, command, object_id)
    failure.code = getattr(error, "code", 0)
    about: int = getattr(error, "object_id", -1)
    failure.object_id = object_id if object_id >= 0 else about
    return failure


def _explained(error: "ClientError", command: str, object_id: int) -> Failure:
    code = getattr(error, "code", 0)
    if type(error).__name__ == "ApiFault":
        return Failure(str(error), 'this engine does not know the call: compare its version, see "trifid status"')
    if code == 0x0200:
        return Failure(str(error), _who_may_give(str(error)))
    if code == 0x0400:
        missing = re.search(_NOT_FOUND, str(error))
        lister = _LISTED_BY.get(missing[1], command) if missing else command
        return Failure(str(error), f'see "{lister} list" for what there is')
    if code in (0x0800, 0x8000) and object_id >= 0:  # else what it is about may be of another kind, or not be made
        look = f'see "{command} show {object_id}"'
        return Failure(str(error), "" if look in str(error) else f"{look} for its state")
    if code == 0x1000:
        return Failure(str(error), f'see "{command} --help" for what is accepted')
    return Failure(str(error), _NEXT.get(code, ""))


def _who_may_give(refusal: str) -> str:
    """Return what is missing for what was refused, and who may give it."""
    locked = re.search(_LOCKED, refusal) if "locked" in refusal else None
    if locked:
        return f'who may manage it takes the lock away: "{_LOCKABLE[locked[1]]} unlock {locked[2]}"'
    if "restricted attribute" in refusal:
        return "leave it out, or ask a member of the group oneadmin to set it"
    if "quota" in refusal and "limit" in refusal:
        return _where_the_limit_is(refusal)
    if "limited to group" in refusal:
        return ""  # the text says what to do, and no administrator can help
    if "token of another user's groups" in refusal:
        return 'name one of its groups: "oneuser token-create USER --group GROUP"'
    missing = re.search(_MISSING_RIGHT, refusal)
    if not missing or missing[3] in _WITHOUT_RULES:
        return "ask a member of the group oneadmin"
    uid, right, kind, object_id = missing.groups()
    resource = f"{kind}/#{object_id}" if object_id else f"{kind}/*"
    rule = f'a member of the group oneadmin by: oneacl create "#{uid or "USER"} {resource} {right}"'
    if object_id and kind in _OWNED and right != "ADMIN":  # owners cannot give what they have not by themselves
        rule = f'its owner by "{_OWNED[kind]} chmod {object_id} MODE", {rule}'
    return f"{right} on {kind}{f' {object_id}' if object_id else ''} is missing; who may give it: {rule}"


def _where_the_limit_is(refusal: str) -> str:
    """Return which command tells the limit that was reached: the caller's, another user's or that of a group."""
    found = re.search(_LIMIT, refusal)
    if found and found[2].lower() == "group":
        return f'"onegroup show {found[3]}" tells its limits and what of them is used'
    if found and found[1] and found[1] != found[3]:
        return f'"oneuser show {found[3]}" tells its limits and what of them is used'
    return '"oneuser show" tells your limits and what of them is used'
