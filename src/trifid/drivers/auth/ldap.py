"""LDAP: the user is searched in a directory, and its secret is right if the directory lets it in with that.

The password is never empty here: a directory takes that for somebody who does not say who it is, and lets it in.
Source: RFC 4511 (bind), RFC 4513 §5.1.2 (unauthenticated bind), RFC 4515 (filters).
"""

import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trifid.drivers.auth.ldap_settings import LdapSettings, bind_password, read_settings
from trifid.drivers.auth.method import NOTHING_KEPT, Login, is_name
from trifid.drivers.kit import Failure, Request

_GROUPS_MAX = 1000
_OLD_TLS = ("OP_NO_TLSv1", "OP_NO_TLSv1_1")


def ldap(request: Request, login: Login) -> str:
    """Search the user, log in as it, and look which groups it is in."""
    try:
        from ldap3.core.exceptions import LDAPException
    except ImportError:
        raise Failure("the Python package ldap3 is not installed: pip install 'trifid[ldap]'") from None
    settings = read_settings(login.place)
    if not is_name(login.name) or not login.secret:
        raise Failure("no user has such a name, or there is no password")
    try:
        with _connection(settings, settings.bind_dn, bind_password(settings, login.place)) as search:
            dn, entry = _user(search, settings, login.name)
            name = _first(entry, settings.user_field) or login.name
            with _connection(settings, dn, login.secret):
                pass
            groups = _groups(search, settings, dn, entry)
    except LDAPException as fault:
        raise Failure(f"{settings.url}: {type(fault).__name__}: {fault}") from None
    if settings.required_group and settings.required_group.lower() not in groups:
        raise Failure(f"{dn} is not a member of {settings.required_group}")
    return " ".join((login.method, name, NOTHING_KEPT, *_ids(settings, groups)))


@contextlib.contextmanager
def _connection(settings: LdapSettings, dn: str, password: str) -> Iterator[Any]:
    """Give a connection on which somebody is logged in; an empty DN is nobody in particular.

    Raises:
        Failure: the directory does not let it in.
    """
    import ldap3
    from ldap3.core.exceptions import LDAPException

    tls = ldap3.Tls(
        validate=ssl.CERT_REQUIRED,
        ca_certs_file=_existing(settings.ca_file),
        ssl_options=[getattr(ssl, name) for name in _OLD_TLS],
        sni=settings.host,
    )
    server = ldap3.Server(
        settings.host,
        port=settings.port,
        use_ssl=settings.scheme == "ldaps",
        tls=tls if settings.is_encrypted else None,
        get_info=ldap3.NONE,
        connect_timeout=settings.timeout_s,
    )
    connection = ldap3.Connection(
        server,
        user=dn or None,
        password=password or None,
        authentication=ldap3.SIMPLE if dn else ldap3.ANONYMOUS,
        receive_timeout=settings.timeout_s,
        auto_referrals=False,
        read_only=True,
        raise_exceptions=False,
    )
    try:
        connection.open()
        if settings.start_tls and not connection.start_tls():
            raise Failure(f"{settings.url} does not encrypt: {_why(connection)}")
        if not connection.bind():
            raise Failure(f"{settings.url} does not let {dn or 'anybody'} in: {_why(connection)}")
        yield connection
    finally:
        with contextlib.suppress(LDAPException):  # what went wrong before is what is told
            connection.unbind()


def _user(search: Any, settings: LdapSettings, name: str) -> tuple[str, dict[str, Any]]:
    """Return DN and attributes of the one user of a name; raises Failure."""
    from ldap3.utils.conv import escape_filter_chars

    wanted = f"({settings.user_field}={escape_filter_chars(name)})"
    if settings.user_filter:
        wanted = f"(&{wanted}{settings.user_filter})"
    attributes = [settings.user_field]
    if settings.group_user_field.lower() != "dn":
        attributes.append(settings.group_user_field)
    found = _found(search, settings.base, wanted, attributes, most=2)
    if len(found) != 1:
        raise Failure(f"{'no user' if not found else 'more than one user'} of {settings.base} matches {wanted}")
    return found[0]


def _groups(search: Any, settings: LdapSettings, dn: str, entry: dict[str, Any]) -> set[str]:
    """Return the DNs, in small letters, of the groups that somebody is a member of."""
    from ldap3.utils.conv import escape_filter_chars

    if not settings.group_base:
        return set()
    member = dn if settings.group_user_field.lower() == "dn" else _first(entry, settings.group_user_field)
    wanted = f"({settings.group_field}={escape_filter_chars(member)})"
    return {group.lower() for group, _ in _found(search, settings.group_base, wanted, [], most=_GROUPS_MAX)}


def _ids(settings: LdapSettings, groups: set[str]) -> list[str]:
    """Return the ids of the engine's groups, in the order of the settings; those that are administered have a `*`."""
    admins = {dn.lower() for dn in settings.group_admins}
    found: dict[int, str] = {}
    for dn, gid in settings.groups.items():
        if dn.lower() in groups and (gid not in found or dn.lower() in admins):
            found[gid] = "*" if dn.lower() in admins else ""
    return [f"{mark}{gid}" for gid, mark in found.items()]


def _found(search: Any, base: str, wanted: str, attributes: list[str], most: int) -> list[tuple[str, dict[str, Any]]]:
    search.search(base, wanted, attributes=attributes or ["1.1"], size_limit=most)
    if search.result["description"] not in ("success", "sizeLimitExceeded", "noSuchObject"):
        raise Failure(f"{base} cannot be searched: {_why(search)}")
    return [(one["dn"], one["attributes"]) for one in search.response or () if one.get("type") == "searchResEntry"]


def _first(entry: dict[str, Any], field: str) -> str:
    """Return the first value of an attribute as text."""
    for name, value in entry.items():
        if name.lower() == field.lower():
            first = value[0] if isinstance(value, list) and value else value
            return first.decode(errors="replace") if isinstance(first, bytes) else str(first or "")
    return ""


def _why(connection: Any) -> str:
    result = connection.result or {}
    return f"{result.get('description', 'no answer')} {result.get('message', '')}".strip()


def _existing(path: str) -> str | None:
    if path and not Path(path).is_file():
        raise Failure(f"ca_file {path} is not there")
    return path or None
