"""Users and groups as records."""

import msgspec

from trifid.core.access import Permissions
from trifid.core.template.model import Template


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
        password: how the secret is checked, `scheme$parameters$salt$hash`; empty = no password works.
    """

    id: int
    name: str
    gids: tuple[int, ...]
    password: str = ""
    auth_driver: str = "core"
    enabled: bool = True
    tokens: tuple[LoginToken, ...] = ()
    template: Template = Template()

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


class Group(msgspec.Struct, frozen=True):
    """A group of users; members are those whose `gids` name it."""

    id: int
    name: str
    template: Template = Template()

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
