"""The HTTP server under the doors: uvicorn, told to leave signals, logging and files alone."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

CONNECTIONS_MAX = 900
"""Below the usual limit of 1024 open files; a connection beyond is answered 503."""
KEEP_ALIVE_S = 75
HEAD_TIMEOUT_S = 30.0
"""For the headers of a request, from its first byte or from the beginning of the connection."""
HEAD_BYTES_MAX = 64 * 1024
"""Of the headers of a request; a little more may come with one read."""
STOP_WITHIN_S = 3
ABORT = "trifid.abort"
"""Extension of ASGI by which an application closes a connection at once, whatever is still to be sent."""

_HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class CannotListen(OSError):
    """The address cannot be listened at; the text says which, why and what to do."""


def _connection(head_timeout_s: float) -> type[HttpToolsProtocol]:
    """Return the protocol of connections, which are closed when they begin a request and do not go on.

    Without this a connection that never says anything stays, and as many as are accepted shut out
    everybody else.  So does a head that never ends, which is kept in memory.
    """

    class Connection(HttpToolsProtocol):
        late: asyncio.TimerHandle | None = None
        head_bytes = 0

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.expect_head()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.scope["extensions"] = {ABORT: {"call": self.transport.abort}}

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self.forget_head()  # from here on the door watches the time
                return
            if self.late is None:
                self.expect_head()
            self.head_bytes += len(data)
            if self.head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
                self.transport.write(_HEAD_TOO_LARGE)
                self.transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            self.forget_head()
            super().connection_lost(exc)

        def expect_head(self) -> None:
            self.late = self.loop.call_later(head_timeout_s, self.transport.close)

        def forget_head(self) -> None:
            self.head_bytes = 0
            if self.late is not None:
                self.late.cancel()
                self.late = None

    return Connection


class _Server(uvicorn.Server):
    """A server whose signals are the engine's and that tells when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the engine."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        await super().startup(sockets)
        self.is_up.set()


@contextlib.asynccontextmanager
async def serve(
    app: Any,
    listen: str,
    port: int,
    *,
    proxies: Sequence[str] = (),
    stop_within_s: int = STOP_WITHIN_S,
    head_timeout_s: float = HEAD_TIMEOUT_S,
) -> AsyncIterator[int]:
    """Serve an ASGI application for as long as the block lasts; give the port, useful when 0 was asked for.

    At the end calls under way get `stop_within_s` seconds to finish, then they are cancelled.

    Args:
        proxies: addresses and networks whose X-Forwarded-For is believed; others may write there what they like.

    Raises:
        CannotListen: the port is taken or the address is not this machine's.
    """
    listening = _listening_socket(listen, port)
    config = uvicorn.Config(
        app,
        http=_connection(head_timeout_s),
        lifespan="off",
        ws="none",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        server_header=False,
        date_header=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=stop_within_s,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve([listening]), name="http")
    up = asyncio.create_task(server.is_up.wait())
    try:
        await asyncio.wait({serving, up}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            await serving  # raises what kept it from starting
        yield listening.getsockname()[1]
    finally:
        up.cancel()
        server.should_exit = True
        await serving


def _listening_socket(listen: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    try:
        return socket.create_server((listen, port), family=family, backlog=1024)
    except OSError as fault:
        where = f"[{listen}]:{port}" if ":" in listen else f"{listen}:{port}"
        if fault.errno == errno.EADDRINUSE:
            why = f"another program listens there already: stop it (ss -ltnp 'sport = :{port}' shows it) or set"
        elif fault.errno == errno.EADDRNOTAVAIL or isinstance(fault, socket.gaierror):
            why = "that is not an address of this machine: set"
        else:
            why = f"{fault.strerror or fault}: set"
        raise CannotListen(f"cannot listen at {where}: {why} listen and port in [api] of trifid.toml") from fault
