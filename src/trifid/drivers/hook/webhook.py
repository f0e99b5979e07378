"""Sending an event to a URL: one POST of JSON, signed, to an address that was looked at, and no further.

The signature is `Trifid-Signature: t=SECONDS,v1=HEX`: HMAC-SHA256 with the hook's SECRET over `SECONDS.BODY`.  A
receiver compares it, and refuses what is older than a few minutes.
"""

import contextlib
import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
from urllib.parse import urlsplit

from trifid.drivers.hook.bounded import OUTPUT_BYTES_MAX, Ran
from trifid.drivers.in_time import in_time
from trifid.drivers.kit import Failure
from trifid.drivers.reach import Network, is_of_this_machine, resolve
from trifid.wire.hook_message import HookOrder

ADDRESSES_MAX = 4
ACCEPTED = range(200, 300)
NOT_REACHED = 255


def signature(secret: str, at: int, body: bytes) -> str:
    """Return the value of the header `Trifid-Signature`."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def deliver(order: HookOrder, at: int) -> Ran:
    """Send an event and return what the other side said: code 0 when it accepted, else its HTTP status.

    Redirects are not followed: where they lead nobody has looked at.

    Args:
        at: epoch seconds.

    Raises:
        Failure: not sent, or no answer in time; without the URL, whose path may be a secret.
    """
    parts = urlsplit(order.command)
    host = parts.hostname or ""
    body = order.body.encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "trifid",
        "Connection": "close",
        "Trifid-Delivery": order.delivery,
        "Trifid-Signature": signature(order.secret, at, body),
    }
    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        connection = _connection(parts.scheme, host, port, _addresses(host, port, order.allow), order.timeout_s)
        with contextlib.closing(connection), in_time(lambda: _cut(connection), order.timeout_s):
            connection.request("POST", target, body=body, headers=headers)
            answer = connection.getresponse()
            said = answer.read(OUTPUT_BYTES_MAX).decode(errors="replace")
    except TimeoutError:
        raise Failure(f"{host}: no answer within {order.timeout_s} s") from None
    except (OSError, http.client.HTTPException, ValueError) as fault:
        why = getattr(fault, "strerror", None) or type(fault).__name__
        raise Failure(f"{host}: not sent: {why}") from fault
    if answer.status in ACCEPTED:
        return Ran(0, f"HTTP {answer.status}", "")
    more = ": redirects are not followed" if answer.status // 100 == 3 else ""
    return Ran(answer.status, said, f"HTTP {answer.status}{more}")


def _addresses(host: str, port: int, allow: str) -> list[str]:
    """Return the addresses of a machine; raises Failure for one that is the front-end's own, unless it is allowed."""
    networks: list[Network] = [ipaddress.ip_network(word, strict=False) for word in allow.split()]
    found = resolve(host, port)
    for text in found:
        address = ipaddress.ip_address(text.partition("%")[0])
        if is_of_this_machine(address) and not any(address in network for network in networks):
            raise Failure(
                f"{host} has the address {text}, which is of the front-end itself or its link: nothing is sent there "
                "unless webhooks_to in [hooks] of trifid.toml names its network"
            )
    return found


def _connection(scheme: str, host: str, port: int, addresses: list[str], timeout_s: int) -> "_Direct | _DirectTLS":
    return (_DirectTLS if scheme == "https" else _Direct)(host, port, addresses, timeout_s)


class _Direct(http.client.HTTPConnection):
    """A connection to addresses that were looked at, whatever the name resolves to by now."""

    def __init__(self, host: str, port: int, addresses: list[str], timeout_s: int) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self.addresses = addresses

    def connect(self) -> None:
        self.sock = _connected(self.addresses, self.port, self.timeout or 0.0)


class _DirectTLS(http.client.HTTPSConnection):
    """The same with TLS; the certificate must be of the name."""

    def __init__(self, host: str, port: int, addresses: list[str], timeout_s: int) -> None:
        self._tls = ssl.create_default_context()
        super().__init__(host, port, timeout=timeout_s, context=self._tls)
        self.addresses = addresses

    def connect(self) -> None:
        connected = _connected(self.addresses, self.port, self.timeout or 0.0)
        self.sock = self._tls.wrap_socket(connected, server_hostname=self.host)


def _connected(addresses: list[str], port: int, timeout_s: float) -> socket.socket:
    """Return a connection to the first address that takes it, of the first few, which share the time."""
    *others, last = addresses[:ADDRESSES_MAX]
    each_s = timeout_s / (len(others) + 1)
    for address in others:
        with contextlib.suppress(OSError):
            return socket.create_connection((address, port), each_s)
    return socket.create_connection((last, port), each_s)


def _cut(connection: http.client.HTTPConnection) -> None:
    """Break a connection off, if it is there yet."""
    if connection.sock is not None:
        connection.sock.shutdown(socket.SHUT_RDWR)
