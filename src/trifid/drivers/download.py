"""One file of the web: http and https only, from machines that may be fetched from, taken up again when it breaks off.

Redirections are followed here and not by a library, since each of them may lead to another machine; see
drivers/reach.py for what is allowed.  Where the environment names a proxy it is used; the machine that the URL names
is then checked as far as its name is known here, and the proxy sees to the rest.

Source: RFC 9110 (§13.1.5 If-Range, §14 ranges, §15.4 redirections).
"""

import base64
import contextlib
import http.client
import re
import socket
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from types import TracebackType
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from trifid.drivers.in_time import in_time
from trifid.drivers.kit import Failure
from trifid.drivers.reach import Reach, addresses_of, check, resolve

SILENCE_MAX_S = 60.0
"""A server that sends nothing for so long has failed; the head of its answer is whole in this time or it has, too."""
ADDRESSES_MAX = 4
"""How many addresses of a machine are tried, one after the other."""
REDIRECTIONS_MAX = 5
BREAKS_MAX = 5
"""How often a download that broke off is taken up again."""
READ_BYTES = 1 << 16
SCHEMES = {"http": 80, "https": 443}

_REDIRECTIONS = (301, 302, 303, 307, 308)
_OK, _PARTIAL = 200, 206
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_BROKEN = (ConnectionError, TimeoutError, http.client.IncompleteRead, ssl.SSLError)


def _never() -> None:
    """Stop nothing."""


def is_url(operand: str) -> bool:
    """Tell whether an operand is a URL and no path."""
    return "://" in operand


def shown(url: str) -> str:
    """Return a URL as messages may show it: without user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class Remote:
    """A file of the web, opened.

    Args:
        reach: from where may be fetched.
        first_bytes: ask for no more than so many bytes of it; 0 = for all.
        stop: called whenever something has come, be it a byte; raises Failure when nobody wants the file any more.

    Attributes:
        size: of the whole file in bytes, None when the server does not say.

    Raises:
        Failure: from here and from `blocks`: not http(s), not allowed, refused, cut short, too slow.
    """

    def __init__(self, url: str, reach: Reach, first_bytes: int = 0, stop: Callable[[], None] = _never) -> None:
        self._url = url
        self._stop = stop
        self._reach = reach
        self._first_bytes = first_bytes
        self._done = 0
        with _told(url):
            self._answer = self._open()
            self.size = _size_of(self._answer)
        headers = self._answer.headers
        is_whole = self._answer.status == _OK and headers.get("Accept-Ranges", "").strip().lower() == "bytes"
        tag = headers.get("ETag", "")
        version = headers.get("Last-Modified", "") if tag.startswith("W/") or not tag else tag
        self._version = version if is_whole else ""

    def __enter__(self) -> "Remote":
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._answer.close()

    def blocks(self) -> Iterator[bytes]:
        """Yield what comes, in order, to the end or to as many bytes as were asked for."""
        breaks = 0
        expected = self.size if not self._first_bytes else min(self._first_bytes, self.size or self._first_bytes)
        with _told(self._url):
            while True:
                try:
                    yield from self._read(expected)
                except _BROKEN as fault:
                    if not self._version:
                        raise
                    why: Exception | None = fault
                else:
                    if self._done == expected or (expected is None or self._first_bytes):
                        return
                    why = None
                if not self._version or breaks >= BREAKS_MAX:
                    raise Failure(f"cut short after {self._done} of {expected} bytes") from why
                breaks += 1
                self._take_up()

    def _read(self, expected: int | None) -> Iterator[bytes]:
        # read1 returns what is there: a server that sends a byte a minute must not keep a worker from being cancelled
        while block := self._answer.read1(READ_BYTES if expected is None else min(READ_BYTES, expected - self._done)):
            self._stop()
            self._done += len(block)
            yield block

    def _take_up(self) -> None:
        """Ask for the rest of the same version of the file."""
        self._answer.close()
        self._answer = self._open({"Range": f"bytes={self._done}-", "If-Range": self._version})
        found = _CONTENT_RANGE.fullmatch(self._answer.headers.get("Content-Range", ""))
        if (
            self._answer.status != _PARTIAL
            or not found
            or int(found[1]) != self._done
            or _size_of(self._answer) != self.size
        ):
            raise Failure(f"cut short after {self._done} of {self.size} bytes, and it is not sent from there on")

    def _open(self, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
        """Return the answer to a GET, after redirections."""
        if headers is None:
            headers = {"Range": f"bytes=0-{self._first_bytes - 1}"} if self._first_bytes else {}
        url, first = self._url, urlsplit(self._url)
        for _ in range(REDIRECTIONS_MAX + 1):
            self._stop()
            parts = _parts(url)
            is_free = self._reach.is_first_free and _is_same_server(parts, first)
            answer = _get(parts, headers, None if is_free else self._reach)
            if answer.status not in _REDIRECTIONS:
                if answer.status != _OK and not (answer.status == _PARTIAL and "Range" in headers):
                    answer.close()
                    raise Failure(f"HTTP Error {answer.status}: {answer.reason}")
                return answer
            answer.close()
            url = urljoin(url, answer.headers.get("Location", ""))
        raise Failure(f"more than {REDIRECTIONS_MAX} redirections, the last one to {shown(url)}")


@contextlib.contextmanager
def _told(url: str) -> Iterator[None]:
    """Let every fault of the network name the URL."""
    try:
        yield
    except Failure as failure:
        raise Failure(f"{shown(url)}: {failure}") from failure
    except TimeoutError as fault:
        raise Failure(f"{shown(url)}: nothing came for {SILENCE_MAX_S:g} s") from fault
    except (http.client.HTTPException, ConnectionError, ssl.SSLError, ValueError) as fault:
        raise Failure(f"{shown(url)}: {fault or type(fault).__name__}") from fault


def _parts(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise Failure(f"only http and https are fetched, not {shown(url)}")
    if not parts.hostname:
        raise Failure(f"{shown(url)} names no machine")
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or SCHEMES[parts.scheme]


def _is_same_server(one: SplitResult, other: SplitResult) -> bool:
    """Tell whether two URLs are of one server; that it moves from http to https makes it no other."""
    ports = {_port(one), _port(other)}
    return one.hostname == other.hostname and (len(ports) == 1 or ports == set(SCHEMES.values()))


def _get(parts: SplitResult, headers: dict[str, str], reach: Reach | None) -> http.client.HTTPResponse:
    host, port = parts.hostname or "", _port(parts)
    proxy = "" if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get(parts.scheme, "")
    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    if any(character <= " " or character > "~" for character in target):
        raise Failure("its path has a blank or a letter that is not ASCII: percent-encode it")
    headers = {"User-Agent": "trifid", "Accept-Encoding": "identity", "Connection": "close", **headers}
    if parts.username is not None:
        headers["Authorization"] = _basic(parts)
    connection: http.client.HTTPConnection
    if proxy:
        _check_by_name(host, port, reach)
        by = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        authorization = {"Proxy-Authorization": _basic(by)} if by.username is not None else {}
        connection = _by_proxy(by, parts, authorization)
        if parts.scheme == "http":
            place = parts.netloc.rpartition("@")[2]
            target = f"http://{place}{target}"
            headers |= {"Host": place, **authorization}
    else:
        kind = _DirectTLS if parts.scheme == "https" else _Direct
        connection = kind(host, port, addresses_of(host, port, reach))
    try:
        connection.connect()
        with _in_time(connection.sock):
            connection.request("GET", target, headers=headers)
            return connection.getresponse()
    except OSError as fault:
        connection.close()
        if isinstance(fault, (ConnectionError, TimeoutError, ssl.SSLError)):
            raise
        raise Failure(f"{host}: {fault.strerror or fault}") from fault


def _in_time(connected: socket.socket) -> contextlib.AbstractContextManager[None]:
    """End a connection on which not all that is waited for has come in time; raises TimeoutError then."""
    return in_time(lambda: socket.socket.shutdown(connected, socket.SHUT_RDWR), SILENCE_MAX_S)


def _check_by_name(host: str, port: int, reach: Reach | None) -> None:
    """Check a machine that a proxy connects to; a name that is known only to the proxy is the proxy's to judge."""
    if reach is None:
        return
    try:
        found = resolve(host, port)
    except Failure:
        return
    check(host, found, reach)


def _by_proxy(proxy: SplitResult, parts: SplitResult, authorization: dict[str, str]) -> http.client.HTTPConnection:
    if proxy.scheme != "http" or not proxy.hostname:
        raise Failure(f"the proxy {shown(proxy.geturl())} is not one of http, which alone is supported")
    place = (proxy.hostname, _port(proxy))
    if parts.scheme == "https":
        tunnel = http.client.HTTPSConnection(*place, timeout=SILENCE_MAX_S, context=ssl.create_default_context())
        tunnel.set_tunnel(parts.hostname or "", _port(parts), authorization)
        return tunnel
    return http.client.HTTPConnection(*place, timeout=SILENCE_MAX_S)


def _basic(parts: SplitResult) -> str:
    secret = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(secret.encode()).decode()}"


def _size_of(answer: http.client.HTTPResponse) -> int | None:
    """Return the size of the whole file, as far as the server says it."""
    if answer.status == _PARTIAL:
        found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        return int(found[3]) if found and found[3] != "*" else None
    length = answer.headers.get("Content-Length", "").strip()
    is_number = length.isascii() and length.isdigit() and len(length) < 19
    return int(length) if is_number and not answer.headers.get("Transfer-Encoding") else None


class _Direct(http.client.HTTPConnection):
    """A connection to addresses that were looked at, whatever its name resolves to by now."""

    def __init__(self, host: str, port: int, addresses: list[str]) -> None:
        super().__init__(host, port, timeout=SILENCE_MAX_S)
        self._addresses = addresses

    def connect(self) -> None:
        self.sock = _connected(self._addresses, self.port)


class _DirectTLS(http.client.HTTPSConnection):
    """The same with TLS; the certificate must be of the name."""

    def __init__(self, host: str, port: int, addresses: list[str]) -> None:
        self._tls = ssl.create_default_context()
        super().__init__(host, port, timeout=SILENCE_MAX_S, context=self._tls)
        self._addresses = addresses

    def connect(self) -> None:
        connected = _connected(self._addresses, self.port)
        self.sock = self._tls.wrap_socket(connected, server_hostname=self.host, do_handshake_on_connect=False)
        with _in_time(self.sock):
            self.sock.do_handshake()


def _connected(addresses: list[str], port: int) -> socket.socket:
    """Return a connection to the first address that takes it, of the first few."""
    *others, last = addresses[:ADDRESSES_MAX]
    for address in others:
        with contextlib.suppress(OSError):
            return socket.create_connection((address, port), SILENCE_MAX_S)
    return socket.create_connection((last, port), SILENCE_MAX_S)
