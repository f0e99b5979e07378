"""What the commands say when something goes wrong: what is, and what to do next.

Every failure ends the process with status 255, as it always did (reference/xmlrpc.md §5.1).
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trifid.client.errors import ClientError

FAILED = 255
INTERRUPTED = 130

_NEXT = {
    0x0100: "check USER:PASSWORD in the credentials file: $ONE_AUTH, $TRIFID_HOME/one_auth or ~/.one/one_auth",
    0x2000: "correct what the message names and try again",
    0x4000: "correct what the message names and try again",
}

_NOT_FOUND = re.compile(r"Error getting ([a-z ]+) \[")
_LISTED_BY = {
    "cluster": "onecluster",
    "datastore": "onedatastore",
    "host": "onehost",
    "image": "oneimage",
    "user": "oneuser",
    "virtual machine": "onevm",
    "virtual network": "onevnet",
    "vm group": "onevmgroup",
}
"""What is not found, as the engine calls it -> the command that lists what there is."""

_LOCKED = re.compile(r"\b(IMAGE|NET|TEMPLATE|VMGROUP|VM)(?: is locked\.)? \[(\d+)\]")
_UNLOCKED_BY = {
    "IMAGE": "oneimage",
    "NET": "onevnet",
    "TEMPLATE": "onetemplate",
    "VM": "onevm",
    "VMGROUP": "onevmgroup",
}


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
    about = getattr(error, "object_id", -1)
    if type(error).__name__ == "ApiFault":
        return Failure(str(error), 'this engine does not know the call: compare its version, see "trifid status"')
    locked = _LOCKED.search(str(error)) if code == 0x0200 and "locked" in str(error) else None
    if locked:
        unlock = f"{_UNLOCKED_BY[locked[1]]} unlock {locked[2]}"
        return Failure(str(error), f'who may manage it takes the lock away: "{unlock}"')
    if code == 0x0200:
        is_for_owners = max(about, object_id) >= 0 and "perform ADMIN" not in str(error)
        owner = "its owner, or " if is_for_owners else ""
        return Failure(str(error), f"ask {owner}a member of the group oneadmin")
    if code == 0x0400:
        missing = _NOT_FOUND.search(str(error))
        lister = _LISTED_BY.get(missing[1], command) if missing else command
        return Failure(str(error), f'see "{lister} list" for what there is')
    if code in (0x0800, 0x8000) and object_id >= 0:  # else what it is about may be of another kind, or not be made
        look = f'see "{command} show {object_id}"'
        return Failure(str(error), "" if look in str(error) else f"{look} for its state")
    if code == 0x1000:
        return Failure(str(error), f'see "{command} --help" for what is accepted')
    return Failure(str(error), _NEXT.get(code, ""))
