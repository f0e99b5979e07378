"""What every way of authentication has in common."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from trifid.drivers.kit import Request

NOTHING_KEPT = "-"
UNKNOWN_UID = -1


class Login(NamedTuple):
    """Somebody who wants in.

    Attributes:
        uid: of the user; -1 = there is none of this name.
        kept: what is kept of the user for this method, one word; `-` = nothing.
        secret: what was said; never empty.
        place: the directory of this driver's settings and programs, HOME/auth.
    """

    uid: int
    method: str
    name: str
    kept: str
    secret: str
    place: Path

    @property
    def is_known(self) -> bool:
        """Whether there is a user of this name."""
        return self.uid != UNKNOWN_UID


Authenticate = Callable[[Request, Login], str]
"""Returns what makes a user of somebody who is none yet, `METHOD NAME KEPT GROUPS`; of a user, "" or `UNTIL=EPOCH`.

Raises Failure when the secret is wrong, or when nothing tells whether it is.
"""
