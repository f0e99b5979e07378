"""The HTTP server under the doors: uvicorn, told to leave signals, logging and files alone."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn

CONNECTIONS_MAX = 900
"""Below the usual limit of 1024 open files; a connection beyond is answered 503."""
KEEP_ALIVE_S = 75
STOP_WITHIN_S = 3


class CannotListen(OSError):
    """The address cannot be listened at; the text says which, why and what to do."""


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
async def serve(app: Any, listen: str, port: int, *, stop_within_s: int = STOP_WITHIN_S) -> AsyncIterator[int]:
    """Serve an ASGI application for as long as the block lasts; give the port, useful when 0 was asked for.

    At the end calls under way get `stop_within_s` seconds to finish, then they are cancelled.

    Raises:
        CannotListen: the port is taken or the address is not this machine's.
    """
    listening = _listening_socket(listen, port)
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
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
