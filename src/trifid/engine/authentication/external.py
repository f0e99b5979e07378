"""Logins that a driver checks: one line out, SUCCESS or FAILURE back.

    AUTHENTICATE  REQUEST UID METHOD USER PASSWORD SECRET

UID is -1 for a user that does not exist, PASSWORD what is kept of the user (`-`: nothing), SECRET base64.  The secret
goes nowhere else: whatever a driver says is looked through for it before it is logged.
Source: reference/drivers.md §2.3 (Auth).
"""

import base64
import logging
from urllib.parse import quote
from xml.sax.saxutils import escape

import msgspec

from trifid.core.access import USERS_GID
from trifid.core.user import CORE, User, is_one_word, is_user_name
from trifid.engine.config import AuthenticationSettings
from trifid.engine.drivers import DriverSet
from trifid.engine.queries import NoAnswer, Queries
from trifid.errors import Refused

log = logging.getLogger("trifid.auth")

FAMILY = "auth"
UNKNOWN_UID = -1
NOTHING_KEPT = "-"
AT_ONCE_MAX = 64
"""So many logins the driver is asked about at the same time."""
SILENT_MAX = 3
"""A driver that lets so many logins in a row time out is ended and started again."""
_UNTIL = "UNTIL="
_NAMED_BY = 3
"""METHOD USER PASSWORD: so many words are before the groups."""
_DIGITS_MAX = 15
_GROUPS_MAX = 100
_LOGGED_MAX = 300


class Denied(Exception):
    """The driver says no; the text is its reason, for the log."""


class Unheard(Exception):
    """Nobody can tell: the driver is down, late or has too much to do; the text is why, for the log."""


class Newcomer(msgspec.Struct, frozen=True):
    """A user that a driver vouches for and that does not exist yet.

    Attributes:
        kept: what the driver wants to be told next time.
        gids: its groups, the first one is primary; empty: those of new users.
        admin_gids: those of them that it administers.
    """

    method: str
    name: str
    kept: str
    gids: tuple[int, ...] = ()
    admin_gids: tuple[int, ...] = ()


class Passed(msgspec.Struct, frozen=True):
    """A user whose secret is right.

    Attributes:
        until: when it ends to be right, epoch seconds; None = nobody said.
        gids: the groups that the user shall be in; empty: those that it is in.
    """

    until: int | None = None
    gids: tuple[int, ...] = ()


class External:
    """Asks the authentication driver."""

    def __init__(self, queries: Queries, drivers: DriverSet, settings: AuthenticationSettings) -> None:
        self._queries = queries
        self._drivers = drivers
        self._settings = settings
        self._asked = 0
        self._silent = 0

    @property
    def methods(self) -> tuple[str, ...]:
        """The ways of authentication that are configured."""
        return tuple(self._settings.methods)

    def knows(self, method: str) -> bool:
        """Tell whether a way of authentication is configured."""
        return method in self._settings.methods

    async def known(self, user: User, secret: str) -> Passed:
        """Return what the driver tells about a user whose secret is right.

        Raises:
            Denied, Unheard
        """
        info = await self._ask(user.auth_driver, user.id, user.name, user.password, secret)
        digits = info.removeprefix(_UNTIL)
        if digits != info:
            return Passed(int(digits) if digits.isdecimal() and len(digits) <= _DIGITS_MAX else None)
        if not self._settings.groups_follow or len(info.split()) < _NAMED_BY:
            return Passed()
        # whoever is in no group there any more must not keep what groups gave here
        return Passed(gids=self._newcomer(info).gids or (USERS_GID,))

    async def unknown(self, name: str, secret: str) -> Newcomer:
        """Return who comes with a name that no user has.

        Raises:
            Denied, Unheard: nobody vouches for it, or not in a way that makes a user.
        """
        info = await self._ask(self._settings.default, UNKNOWN_UID, name, NOTHING_KEPT, secret)
        return self._newcomer(info)

    def _newcomer(self, info: str) -> Newcomer:
        words = info.split()
        if len(words) < 2:
            raise Denied("it is right, but the answer does not say METHOD USER PASSWORD, so no user can be made")
        method, name, kept, groups = words[0], words[1], (words[2:3] or [NOTHING_KEPT])[0], words[_NAMED_BY:]
        if method == CORE or not self.knows(method):
            raise Denied(f"the answer names the method {_shown(method)}, which is not in [authentication] methods")
        if not is_user_name(name) or not is_one_word(kept):
            raise Denied("the answer names a user, or something to keep of it, that cannot be")
        if len(groups) > _GROUPS_MAX or not all(gid.removeprefix("*").isdecimal() and len(gid) < 10 for gid in groups):
            raise Denied("the answer names groups that are no ids")
        gids = tuple(dict.fromkeys(int(gid.removeprefix("*")) for gid in groups))
        return Newcomer(method, name, kept, gids, tuple(int(gid[1:]) for gid in groups if gid.startswith("*")))

    async def _ask(self, method: str, uid: int, name: str, kept: str, secret: str) -> str:
        if self._asked >= AT_ONCE_MAX:
            raise Unheard(f"the driver is asked about {self._asked} logins already")
        encoded = base64.b64encode(secret.encode(errors="replace")).decode()
        line = f"{uid} {method} {name} {kept or NOTHING_KEPT} {encoded}"
        self._asked += 1
        try:
            told = await self._queries.ask(FAMILY, self._settings.driver, "AUTHENTICATE", line)
        except NoAnswer as fault:
            self._was_silent()
            raise Unheard(without(fault.message, secret)) from None
        except Refused as no:
            self._silent = 0
            raise Denied(without(no.message, secret)) from None
        finally:
            self._asked -= 1
        self._silent = 0
        return told

    def _was_silent(self) -> None:
        driver = self._drivers.get(FAMILY, self._settings.driver)
        if driver is None or not driver.is_ready:
            return
        self._silent += 1
        if self._silent >= SILENT_MAX:
            log.error("%s let %d logins in a row go unanswered: it is ended and started again", driver, self._silent)
            self._silent = 0
            driver.restart()


def without(text: str, secret: str) -> str:
    """Return a text for the log, or what says that there was one, when it holds the secret in any of its forms."""
    encoded = base64.b64encode(secret.encode(errors="replace")).decode().rstrip("=")
    forms = {secret, encoded, quote(secret, safe="", errors="replace"), escape(secret), repr(secret)[1:-1]}
    if secret and any(form in text for form in forms):
        return "a reason that is not shown, because it has the secret in it"
    return _shown(text)


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:_LOGGED_MAX])
