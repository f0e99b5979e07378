"""Which machine is meant: this one or another, and how libvirt is reached there."""

import ipaddress
import re
import socket
import urllib.parse
from functools import lru_cache

from trifid.drivers.kit import Failure
from trifid.drivers.remote.way import Way

_URI = re.compile(r"(?P<driver>[a-z]+)(?:\+(?P<transport>[a-z]+))?://(?P<server>[^/?]*)(?P<rest>/[^?]*)(?:\?(.*))?")
HOST = "{host}"
"""Stands for the host's name in a URI."""


@lru_cache(maxsize=4096)
def is_this_machine(name: str) -> bool:
    """Tell whether a host's name is that of the machine this process runs on, or one of its addresses."""
    own = socket.gethostname()
    if name.lower() in ("localhost", own.lower(), own.lower().partition(".")[0]):
        return True
    return any(_is_own_address(address) for address in _addresses(name))


def _addresses(name: str) -> list[str]:
    try:
        return [str(ipaddress.ip_address(name))]
    except ValueError:
        pass
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)]
    except (OSError, UnicodeError):
        return []


def _is_own_address(address: str) -> bool:
    """Tell whether a socket can be bound to an address, which is so for own ones only."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
            return not ipaddress.ip_address(address).is_unspecified
    except OSError:
        return False


def uri_for(pattern: str, host: str) -> str:
    """Return the libvirt URI of a host.

    `{host}` in the pattern becomes the host's name; for this machine the URI loses server and transport.

    A URI that leads to this machine's libvirt stands for the same libvirt of every host: of another one, it is
    reached through ssh.

    Raises:
        Failure: the pattern is none.
    """
    parts = _URI.fullmatch(pattern)
    if not parts:
        raise Failure(f"--uri {pattern} is not like qemu:///system or qemu+ssh://{HOST}/system")
    if HOST in pattern:
        if HOST in parts["server"] and is_this_machine(host):
            return f"{parts['driver']}://{parts['rest']}"
        return pattern.replace(HOST, _server(host))
    is_plain = not (parts["transport"] or parts["server"] or "?" in pattern or parts["driver"] == "test")
    if is_plain and not is_this_machine(host):
        return f"{parts['driver']}+ssh://{_server(host)}{parts['rest']}?no_tty=1"
    return pattern


def by_way(uri: str, way: Way, host: str) -> str:
    """Return a URI by which libvirt's ssh calls a host as all else here does; others as they are.

    One with a `command` of its own, or an engine without a home, keeps libvirt's ssh.
    Source: libvirt's page on URIs (parameters `command` and `no_tty` of the transport ssh).

    Raises:
        Failure, OSError: as of Way.program.
    """
    parts = urllib.parse.urlsplit(uri)
    names = {name for name, _ in urllib.parse.parse_qsl(parts.query, keep_blank_values=True)}
    if not parts.scheme.endswith("+ssh") or "command" in names or way.home is None:
        return uri
    account = f"{parts.username or ''}:{parts.port or ''}" if parts.username or parts.port else ""
    more = {"command": str(way.program(host, account)), **({} if "no_tty" in names else {"no_tty": "1"})}
    return f"{uri}{'&' if parts.query else '?'}{urllib.parse.urlencode(more)}"


def _server(host: str) -> str:
    """Return a host's name as URIs have it."""
    return f"[{host}]" if ":" in host else host
