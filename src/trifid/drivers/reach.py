"""Which machines a file may be fetched from: public ones, and networks that the administrator names.

Whoever may name a URL could otherwise read, through the front-end, what only the front-end can reach: services of
its own machine, of the management network, the metadata service of a cloud (169.254.169.254).  So names are
resolved here, all addresses of a name are looked at, and the connection goes to one of these very addresses: a
name that resolves to another one a moment later leads nowhere.

Source: the special-purpose address registries of RFC 6890, by way of `ipaddress`; RFC 6052 and 8215 (NAT64),
RFC 3056 (6to4), RFC 4380 (Teredo) for addresses that have an IPv4 address in them.
"""

import ipaddress
import socket
from collections.abc import Iterable

import msgspec

from trifid.drivers.kit import Failure

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_V4_IN_V6 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
_NOT_GLOBAL = (ipaddress.IPv6Network("64:ff9b:1::/48"), ipaddress.IPv6Network("fec0::/10"))


class Reach(msgspec.Struct, frozen=True):
    """From where may be fetched.

    Attributes:
        networks: that may be fetched from although they are not public.
        is_first_free: the machine that the URL itself names is allowed whatever its address; where it
            sends us on is checked.
    """

    networks: tuple[Network, ...] = ()
    is_first_free: bool = False


def reach_of(download_from: str) -> Reach:
    """Return what the setting download_from says: networks (CIDR) with blanks between.

    Raises:
        Failure: one is no network.
    """
    try:
        return Reach(tuple(ipaddress.ip_network(word, strict=False) for word in download_from.split()))
    except ValueError as fault:
        raise Failure(f"download_from: {fault}, expected networks such as 10.0.0.0/8") from None


def addresses_of(host: str, port: int, reach: Reach | None) -> list[str]:
    """Return the addresses of a machine, every one of which may be fetched from; None = any may.

    Raises:
        Failure: the name is not known, or one of its addresses is neither public nor allowed.
    """
    found = resolve(host, port)
    if reach is not None:
        check(host, found, reach)
    return found


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a name, as text, in the order of preference of this machine.

    Raises:
        Failure: there are none.
    """
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as fault:
        raise Failure(f"{host}: {getattr(fault, 'strerror', None) or fault}") from None
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def check(host: str, addresses: Iterable[str], reach: Reach) -> None:
    """Refuse a machine that has an address which may not be fetched from.

    Raises:
        Failure: with that address.
    """
    for text in addresses:
        address = _innermost(ipaddress.ip_address(text.partition("%")[0]))
        if not is_public(address) and not any(address in network for network in reach.networks):
            raise Failure(
                f"{host} has the address {text}, which is not public: nothing is fetched from there unless "
                "download_from in trifid.toml names its network"
            )


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the public internet, and of one machine."""
    address = _innermost(address)
    return address.is_global and not address.is_multicast and not any(address in network for network in _NOT_GLOBAL)


def is_of_this_machine(address: Address) -> bool:
    """Tell whether an address leads to the machine itself, to its link, or to nobody: 127.0.0.1, 169.254.169.254 …"""
    address = _innermost(address)
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
    )


def _innermost(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address leads to, or the address itself."""
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if any(address in network for network in _V4_IN_V6) and int(address) > 1:  # but ::1 and ::
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)
