"""Users and groups as records."""

import hashlib
import math
import re

import msgspec

from trifid.core.access import Permissions
from trifid.core.quota import NO_LIMITS, Limits
from trifid.core.template.model import Template
from trifid.errors import BadTemplate

WEIGHT = "SCHED_WEIGHT"
"""The attribute of a user that says how large a share schedulers give; only administrators change it."""
WEIGHT_MAX = 1e6


CORE, PUBLIC = "core", "public"
BUILT_IN_METHODS = (CORE, PUBLIC)
"""Ways of authentication that need no driver: a password, and none at all but login tokens."""
USER_NAME_LENGTH_MAX = 128
USER_NAME_FORBIDDEN = ":<>&\"' \t\n\r"
KEPT_LENGTH_MAX = 4096
"""Of what is kept of a user for a driver, such as public keys."""
_METHOD_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)
_TOKEN_ID_DIGITS = 12


def token_digest(token: str) -> str:
    """Return what is kept of a login token."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def is_method_name(name: str) -> bool:
    """Tell whether a text can be the name of a way of authentication; it names a directory of the driver."""
    return _METHOD_NAME.fullmatch(name) is not None


def is_user_name(name: str) -> bool:
    """Tell whether a text can be the name of a user, which is one word on the lines to drivers."""
    is_short = 0 < len(name) <= USER_NAME_LENGTH_MAX
    return is_short and name.isprintable() and not any(char in USER_NAME_FORBIDDEN for char in name)


def is_one_word(text: str) -> bool:
    """Tell whether a text can be kept for a driver, on whose lines it is one word."""
    return 0 < len(text) <= KEPT_LENGTH_MAX and text.isprintable() and " " not in text


def token_id(digest: str) -> str:
    """Return what a login token is called in lists, out of its digest; whoever has the token can work it out."""
    return hashlib.sha256(digest.encode()).hexdigest()[:_TOKEN_ID_DIGITS]


class LoginToken(msgspec.Struct, frozen=True):
    """A secret that stands for the password until it expires.

    Attributes:
        digest: SHA-256 of the token, hex; the token itself is shown once and never kept.
        expires_at: epoch seconds; -1 = never.
        egid: the only group the token acts in; -1 = all of the user's.
    """

    digest: str
    expires_at: int
    egid: int = -1


class User(msgspec.Struct, frozen=True):
    """A user.

    Attributes:
        gids: primary group first.
        password: how the secret is checked, `scheme$salt$hash`; empty = no password works.  Of another way than core:
            what its driver is told, such as a public key, one word.
        auth_driver: the way of authentication: core, public, or what a driver checks.
        limits: what it may have at most.
    """

    id: int
    name: str
    gids: tuple[int, ...]
    password: str = ""
    auth_driver: str = "core"
    enabled: bool = True
    tokens: tuple[LoginToken, ...] = ()
    template: Template = Template()
    limits: Limits = NO_LIMITS

    @property
    def uid(self) -> int:
        """A user owns itself: what the authorization gate asks."""
        return self.id

    @property
    def gid(self) -> int:
        """The primary group."""
        return self.gids[0]

    @property
    def permissions(self) -> Permissions:
        """A user may use and manage itself, nobody else may (group 0 aside)."""
        return Permissions(0o600)

    @property
    def weight(self) -> float:
        """How much of what is scarce the user is due, beside one of weight 1."""
        return _weight(self.template.single(WEIGHT, "1")) or 1.0


def check_weight(old: Template, new: Template) -> None:
    """Raise BadTemplate when a user would get a weight that is no number above 0; one that is there passes."""
    before, after = old.only(WEIGHT), new.only(WEIGHT)
    if after and before != after and (len(after) > 1 or not _weight(after.single(WEIGHT))):
        raise BadTemplate(f"{WEIGHT} must be one number above 0, up to {WEIGHT_MAX:g}: 2 is twice the usual share")


def _weight(text: str) -> float:
    """Return the number that a weight is, 0 for what is none."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) and 0 < number <= WEIGHT_MAX else 0.0


class Group(msgspec.Struct, frozen=True):
    """A group of users; members are those whose `gids` name it.

    Attributes:
        admins: ids of the members that administer it, in the order they became that.
    """

    id: int
    name: str
    template: Template = Template()
    admins: tuple[int, ...] = ()
    limits: Limits = NO_LIMITS

    @property
    def uid(self) -> int:
        """Groups belong to oneadmin."""
        return 0

    @property
    def gid(self) -> int:
        """A group is visible to its members."""
        return self.id

    @property
    def permissions(self) -> Permissions:
        """Members may look at their group."""
        return Permissions(0o640)
