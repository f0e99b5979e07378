"""What every way of authentication has in common."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from trifid.drivers.kit import Request

_METHOD = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)
_NAME_LENGTH_MAX = 256
NOTHING_KEPT = "-"
UNKNOWN_UID = -1


def is_method(text: str) -> bool:
    """Tell whether a text can be the name of a method, which is that of a file as well."""
    return _METHOD.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Tell whether a text can be the name of a user."""
    return 0 < len(text) <= _NAME_LENGTH_MAX and text.isprintable()


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
