"""A connection to one libvirt, opened when it is needed and again when it broke.

libvirt's event loop runs in one thread; it keeps idle connections alive, notices dead ones, and
delivers the life-cycle events of domains.  Nothing that is called back from it may call libvirt.
"""

import contextlib
import getpass
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import libvirt

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.connector import Hypervisor, Place
from trifid.drivers.libvirt.options import Options, connector_of
from trifid.drivers.libvirt.place import by_way, uri_for
from trifid.drivers.remote.faults import explained
from trifid.drivers.remote.way import Way, way_of

KEEPALIVE_S, KEEPALIVE_LOST = 5, 4
"""A libvirt that did not answer for about 20 s is gone."""
OPEN_LIMIT_S = 30.0
"""So long a connection that is being opened is waited for."""

Heard = Callable[[str, int, int], None]
"""Told the name of a domain, its life-cycle event and the detail of it (libvirt's numbers)."""

_events = threading.Lock()
_is_serving = False


class Connection:
    """One libvirt, by its URI.

    Args:
        heard: told of life-cycle events.
        lost: told when the connection broke.
        way: to `host`, which libvirt's ssh takes, too; None = its own.

    Attributes:
        uri: where it is.
        is_local: whether it runs on this machine.
        connector: what its hypervisor is like.
    """

    def __init__(
        self,
        uri: str,
        options: Options,
        heard: Heard | None = None,
        lost: Callable[[], None] | None = None,
        way: Way | None = None,
        host: str = "",
    ) -> None:
        self.uri = uri
        self._way = way
        self._host = host
        self.is_local = "://" in uri and not uri.partition("://")[2].partition("/")[0]
        self.connector = connector_of(options)
        self._options = options
        self._heard: list[Heard] = [heard] if heard else []
        self._lost = lost
        self._lock = threading.Lock()
        self._libvirt: libvirt.virConnect | None = None
        self._opening: Future[libvirt.virConnect] | None = None
        self._hypervisor: Hypervisor | None = None

    @contextlib.contextmanager
    def open(self) -> Iterator["libvirt.virConnect"]:
        """Give the open connection, for calls whose faults become Failures with libvirt's own words.

        Raises:
            Failure: libvirt cannot be reached, or refuses what is asked within.
        """
        try:
            yield self._alive()
        except libvirt.libvirtError as fault:
            raise Failure(self.explained(fault)) from fault

    def _alive(self) -> "libvirt.virConnect":
        """Return the open connection; opening it holds nobody up for longer than a limit, and goes on meanwhile."""
        with self._lock:
            if self._libvirt is not None and self._libvirt.isAlive():
                return self._libvirt
            self._drop()
            if (opening := self._opening) is None:
                opening = self._opening = Future()
                threading.Thread(target=self._open, args=(opening,), name=f"open {self.uri}", daemon=True).start()
        try:
            return opening.result(OPEN_LIMIT_S)
        except TimeoutError:
            raise Failure(
                f"libvirt at {self.uri} has not answered for {OPEN_LIMIT_S:g} s: look whether libvirtd hangs there"
            ) from None

    def _open(self, opening: "Future[libvirt.virConnect]") -> None:
        try:
            serve_events()
            opened = libvirt.open(by_way(self.uri, self._way, self._host) if self._way else self.uri)
            with contextlib.suppress(libvirt.libvirtError):  # the test driver has none
                opened.setKeepAlive(KEEPALIVE_S, KEEPALIVE_LOST)
            opened.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._happened, None)
            with contextlib.suppress(libvirt.libvirtError):
                opened.registerCloseCallback(self._closed, None)
        except BaseException as fault:  # whoever waits raises it
            with self._lock:
                if self._opening is opening:
                    self._opening = None
            opening.set_exception(fault)
            return
        with self._lock:
            is_wanted = self._opening is opening
            if is_wanted:
                self._libvirt, self._opening = opened, None
        opening.set_result(opened)
        if not is_wanted:  # closed meanwhile
            with contextlib.suppress(libvirt.libvirtError):
                opened.close()

    def close(self) -> None:
        """Close it; it opens again when it is used."""
        with self._lock:
            self._opening = None
            self._drop()

    def _drop(self) -> None:
        if self._libvirt is not None:
            with contextlib.suppress(libvirt.libvirtError):
                self._libvirt.close()
        self._libvirt = None

    def _happened(self, _: object, domain: "libvirt.virDomain", event: int, detail: int, __: object) -> None:
        for heard in list(self._heard):
            heard(domain.name(), event, detail)

    def _closed(self, *_: object) -> None:
        if self._lost is not None:
            self._lost()

    @contextlib.contextmanager
    def listening(self, heard: Heard) -> Iterator[None]:
        """Tell `heard` of life-cycle events within a block."""
        self._heard.append(heard)
        try:
            yield
        finally:
            self._heard.remove(heard)

    def explained(self, fault: "libvirt.libvirtError") -> str:
        """Return libvirt's own words, and what to check when libvirt cannot be reached."""
        said = fault.get_error_message() or str(fault)
        opened = self._libvirt
        if opened is not None and opened.isAlive() and "client socket is closed" not in said:
            return said
        if (advice := explained(self._host, said)) != said:
            return f"libvirt at {self.uri} cannot be reached: {advice}"
        return (
            f"libvirt at {self.uri} cannot be reached: {said}: check that libvirtd runs there "
            f"and that user {getpass.getuser()} may use it (virsh -c {self.uri} list)"
        )

    def hypervisor(self) -> Hypervisor:
        """Return what domains are to be made for; what cannot be told from the options is found out once.

        Raises:
            Failure: libvirt cannot be reached, or is for another hypervisor than the connector.
        """
        if self._hypervisor is None:
            with self.open() as opened:
                kind = opened.getType().upper()
                if kind not in self.connector.types:
                    raise Failure(
                        f"libvirt at {self.uri} is for {kind}, and connector {self.connector.name} is for "
                        f"{' and '.join(self.connector.types)}: choose another with --connector, or another --uri"
                    )
                wanted = self._options.type, self._options.shares_per_core
                place = Place(self.uri, self.is_local, opened.getCapabilities(), *wanted)
                self._hypervisor = self.connector.hypervisor(place)
        return self._hypervisor


class Connections:
    """One connection for each libvirt that hosts lead to.

    Attributes:
        way: to the hosts, for libvirt and for all else.
    """

    def __init__(self, options: Options) -> None:
        self.way = way_of(Path(os.environ.get("TRIFID_HOME") or Path.cwd()), options.ssh_config)
        self._options = options
        self._lock = threading.Lock()
        self._by_uri: dict[str, Connection] = {}

    def to(self, host: str) -> Connection:
        """Return the connection for a host, not necessarily open.

        Raises:
            Failure: the URI of the options does not lead to this host.
        """
        uri = uri_for(self._options.uri, host)
        with self._lock:
            return self._by_uri.setdefault(uri, Connection(uri, self._options, way=self.way, host=host))


def serve_events() -> None:
    """Start libvirt's event loop, once in a process and before the first connection is opened."""
    global _is_serving
    with _events:
        if _is_serving:
            return
        libvirt.registerErrorHandler(lambda *_: None, None)  # errors are raised, and need not be printed as well
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_serve, name="libvirt-events", daemon=True).start()
        _is_serving = True


def _serve() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError as fault:
            print(f"libvirt's event loop: {fault}", file=sys.stderr, flush=True)
            time.sleep(1)
