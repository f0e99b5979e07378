"""One kept HTTP connection that posts, and nothing else.

The standard library's client loads its mail parser first, which takes longer than a whole call.
"""

import select
import socket
from typing import NamedTuple

import httptools

READ_BYTES = 256 * 1024


class BrokenOff(OSError):
    """The other side closed the connection before the answer was complete."""


class NotHttp(OSError):
    """The other side does not speak HTTP."""


class Response(NamedTuple):
    """What came back."""

    status: int
    reason: str
    body: bytes


class _Reader:
    """Collects one response; its methods are called by the parser."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.is_complete = False
        self.keeps_alive = False
        self.reason = b""
        self.body: list[bytes] = []
        self._is_bounded = False
        self._has_headers = False

    def on_status(self, reason: bytes) -> None:
        self.reason = reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._is_bounded = True

    def on_headers_complete(self) -> None:
        self._has_headers = True

    def on_body(self, piece: bytes) -> None:
        self.body.append(piece)

    def on_message_complete(self) -> None:
        # Informational answers (1xx) precede the one that counts.
        self.is_complete = self.parser.get_status_code() >= 200
        # Only now: the parser forgets what it has read before it returns.
        self.keeps_alive = self.parser.should_keep_alive()

    @property
    def ends_with_connection(self) -> bool:
        """Whether the end of the connection is the end of the answer."""
        return self._has_headers and not self._is_bounded


class Connection:
    """A connection to one server; `post` may be called again and again.

    Args:
        timeout_s: for connecting and for every wait while an answer comes.

    Raises:
        OSError: nobody answers there.
    """

    def __init__(self, host: str, port: int, timeout_s: float, *, tls: bool = False) -> None:
        self._host = f"[{host}]" if ":" in host else host
        self._port = port
        self._is_usable = True
        self._socket = socket.create_connection((host, port), timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            import ssl  # only here: it takes a while to load

            try:
                self._socket = ssl.create_default_context().wrap_socket(self._socket, server_hostname=host)
            except OSError:
                self._socket.close()
                raise

    @property
    def is_usable(self) -> bool:
        """Whether another call may be posted: nothing is waiting to be read, not even the end."""
        return self._is_usable and not select.select([self._socket], [], [], 0)[0]

    def post(self, path: str, body: bytes, content_type: str) -> Response:
        """Send a body and return the answer to it.

        Raises:
            TimeoutError: nothing came for too long.
            BrokenOff, NotHttp, OSError: the answer is lost.
        """
        self._is_usable = False
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nUser-Agent: trifid\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode("ascii") + body)
        reader = _Reader()
        while not reader.is_complete:
            data = self._socket.recv(READ_BYTES)
            if not data:
                if reader.ends_with_connection:
                    break
                raise BrokenOff("the connection was closed")
            try:
                reader.parser.feed_data(data)
            except httptools.HttpParserError as bad:
                raise NotHttp(f"it does not speak HTTP: {bad}") from None
        self._is_usable = reader.is_complete and reader.keeps_alive
        reason = reader.reason.decode("ascii", errors="replace")
        return Response(reader.parser.get_status_code(), reason, b"".join(reader.body))

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
