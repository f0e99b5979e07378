"""HOME/auth/ldap.toml: where the directory is, how users are found in it, and which groups they get."""

import stat
import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from trifid.drivers.kit import Failure

FILE = "ldap.toml"
_PORTS = {"ldap": 389, "ldaps": 636}
_FILE_BYTES_MAX = 1 << 20


class LdapSettings(msgspec.Struct, forbid_unknown_fields=True):
    """A directory.

    Attributes:
        url: ldap://HOST[:PORT] or ldaps://HOST[:PORT].
        start_tls: ldap:// that is encrypted before anything is said.
        ca_file: certificates that that of the server must be signed by; empty: those of the system.
        insecure: passwords may go over the network in clear text.
        bind_dn, bind_password_file: who searches, and the file beside this one with its password; empty: anybody may.
        base: where users are.
        user_field: attribute that is the user's name.
        user_filter: what else must be true of a user.
        required_group: DN of a group that users must be members of.
        group_base: where groups are; empty: nobody gets any.
        group_field: attribute of a group with its members.
        group_user_field: attribute of a user that stands in there; "dn": its DN.
        groups: DN of a group of the directory -> id of a group of the engine.
        group_admins: DNs of groups whose members administer the engine's group.
        timeout_s: of each thing that is asked.
    """

    url: str
    base: str
    start_tls: bool = False
    ca_file: str = ""
    insecure: bool = False
    bind_dn: str = ""
    bind_password_file: str = ""
    user_field: str = "uid"
    user_filter: str = ""
    required_group: str = ""
    group_base: str = ""
    group_field: str = "member"
    group_user_field: str = "dn"
    groups: dict[str, Annotated[int, msgspec.Meta(ge=0)]] = {}
    group_admins: list[str] = []
    timeout_s: Annotated[int, msgspec.Meta(ge=1, le=60)] = 10

    @property
    def scheme(self) -> str:
        """Return ldap or ldaps."""
        return urlsplit(self.url).scheme.lower()

    @property
    def host(self) -> str:
        """Return the server's name or address."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Return the server's port."""
        return urlsplit(self.url).port or _PORTS[self.scheme]

    @property
    def is_encrypted(self) -> bool:
        """Whether nothing goes over the network in clear text."""
        return self.scheme == "ldaps" or self.start_tls


def read_settings(place: Path) -> LdapSettings:
    """Return the settings.

    Raises:
        Failure: there are none, or they cannot be used; says what was expected.
    """
    path = place / FILE
    try:
        with path.open("rb") as file:
            text = file.read(_FILE_BYTES_MAX).decode()
        settings = msgspec.convert(tomllib.loads(text), LdapSettings)
    except OSError as fault:
        raise Failure(f"{path}: {fault.strerror}: it says where the directory is (docs/authentication.md)") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as fault:
        raise Failure(f"{path}: {fault}") from None
    try:
        is_url = settings.scheme in _PORTS and bool(settings.host) and settings.port > 0
    except ValueError:
        is_url = False
    if not is_url:
        raise Failure(f"{path}: url must be ldap://HOST[:PORT] or ldaps://HOST[:PORT]")
    if settings.scheme == "ldaps" and settings.start_tls:
        raise Failure(f"{path}: start_tls is for ldap://; ldaps:// is encrypted from its beginning")
    if not settings.is_encrypted and not settings.insecure and not _is_this_machine(settings.host):
        raise Failure(
            f"{path}: passwords would go to {settings.host} in clear text: "
            "write ldaps://, or start_tls = true, or insecure = true if they may"
        )
    return settings


def bind_password(settings: LdapSettings, place: Path) -> str:
    """Return the password of who searches, "" when anybody may; raises Failure."""
    if not settings.bind_dn:
        return ""
    path = place / settings.bind_password_file
    try:
        about = path.stat()
        with path.open(encoding="utf-8") as file:
            password = file.readline(_FILE_BYTES_MAX).rstrip("\n")
    except (OSError, UnicodeDecodeError) as fault:
        raise Failure(f"{path}: {fault}: bind_password_file names it, it has the password of bind_dn") from None
    if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Failure(f"{path} holds a password: only its owner may read it (chmod 600)")
    if not password:
        raise Failure(f"{path} must hold the password of bind_dn in its first line")
    return password


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
