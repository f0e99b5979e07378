"""Hosts and guests that are network namespaces: as much of a computer as a network driver sees.

    host = Space("host-a")
    guest = Guest(host, "one-5-0", "02:00:0a:00:00:05", "10.0.0.5/24")
    guest.listen(22)

A guest's interface on its host has the name that the hypervisor would give it; it is plugged into a bridge as the
hypervisor would.
"""

import contextlib
import ctypes
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from trifid.drivers.remote.channel import PROGRAM
from trifid.drivers.remote.host import Host
from trifid.drivers.vnm.tools import Tools

PATIENCE_S = 0.5
"""What has not come by then does not come."""
SETTLES_S = 5.0
LOOK_EVERY_S = 0.02
_NETWORK = 0x40000000
_ALL_PROTOCOLS = 3
_libc = ctypes.CDLL(None, use_errno=True)

Result = TypeVar("Result")


class Space:
    """A network namespace; a host when something is applied to it."""

    def __init__(self, name: str) -> None:
        self.name = name
        # it is there when cat is, and ends when its standard input does
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo up; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"up\n"
        self.run("ip", "link", "set", "lo", "up")

    @property
    def pid(self) -> int:
        """Of a process in it."""
        return self._holder.pid

    def tools(self) -> Tools:
        """Return what the driver has for a host."""
        return Tools(Host(self.name, [*self._inside(), "sh", "-c", PROGRAM]))

    def run(self, *argv: str, text: str = "") -> str:
        """Return what a command in it printed."""
        done = subprocess.run([*self._inside(), *argv], input=text, capture_output=True, text=True)
        assert done.returncode == 0, f"{argv}: {done.stderr}{done.stdout}"
        return done.stdout

    def call(self, function: Callable[[], Result]) -> Result:
        """Return what a function returned that was called in it; sockets that it made stay in it."""
        outcome: list[Result] = []
        faults: list[BaseException] = []

        def inside() -> None:
            descriptor = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)
            try:
                if _libc.setns(descriptor, _NETWORK):
                    raise OSError(ctypes.get_errno(), "setns")
                outcome.append(function())
            except BaseException as fault:
                faults.append(fault)
            finally:
                os.close(descriptor)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if faults:
            raise faults[0]
        return outcome[0]

    def end(self) -> None:
        """Let go of it; the kernel removes what is in it."""
        self._holder.kill()
        self._holder.communicate()

    def _inside(self) -> list[str]:
        return ["nsenter", "--target", str(self.pid), "--net", "--"]


class Guest(Space):
    """A guest: a namespace whose only card is a cable to a host.

    Args:
        device: the cable's name on the host.
        addresses: of the guest, with prefix lengths.
    """

    def __init__(self, host: Space, device: str, mac: str, *addresses: str, mtu: int = 1450) -> None:
        super().__init__(device)
        self.host, self.device, self.mac = host, device, mac
        self._listeners: list[socket.socket] = []
        peer = ("peer", "name", "eth0", "address", mac, "mtu", str(mtu), "netns", str(self.pid))
        host.run("ip", "link", "add", "name", device, "mtu", str(mtu), "type", "veth", *peer)
        for address in addresses:
            self.run("ip", "address", "add", address, "dev", "eth0", "nodad")
        self.run("ip", "link", "set", "dev", "eth0", "up")

    def plug(self, bridge: str) -> None:
        """Do what the hypervisor does when the guest starts."""
        self.host.run("ip", "link", "set", "dev", self.device, "master", bridge, "up")
        self.settle()

    def settle(self) -> None:
        """Wait until both ends of the cable have seen that it is plugged in."""
        until = time.monotonic() + SETTLES_S
        while not (_is_up(self, "eth0") and _is_up(self.host, self.device)):
            assert time.monotonic() < until, f"{self.device} does not come up"
            time.sleep(LOOK_EVERY_S)

    def pings(self, address: str) -> bool:
        """Tell whether an address answers."""
        done = subprocess.run([*self._inside(), "ping", "-c2", "-i0.2", "-W0.5", address], capture_output=True)
        return done.returncode == 0

    def listen(self, port: int, family: int = socket.AF_INET) -> socket.socket:
        """Return a listening TCP socket."""

        def made() -> socket.socket:
            listener = socket.socket(family)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("", port))
            listener.listen()
            listener.settimeout(PATIENCE_S)
            return listener

        self._listeners.append(self.call(made))
        return self._listeners[-1]

    def connect(self, address: str, port: int) -> socket.socket:
        """Return a TCP connection; raises TimeoutError when nobody answers."""
        return self.call(lambda: socket.create_connection((address, port), timeout=PATIENCE_S))

    def reaches(self, address: str, port: int) -> bool:
        """Tell whether a TCP connection can be made."""
        try:
            self.connect(address, port).close()
        except TimeoutError:
            return False
        return True

    def datagrams(self, port: int) -> socket.socket:
        """Return a UDP socket."""

        def made() -> socket.socket:
            bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            bound.bind(("", port))
            bound.settimeout(PATIENCE_S)
            return bound

        return self.call(made)

    def wire(self) -> socket.socket:
        """Return a socket that sends and receives frames as they are."""

        def made() -> socket.socket:
            card = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
            card.bind(("eth0", 0))
            card.settimeout(PATIENCE_S)
            return card

        return self.call(made)


def _is_up(space: Space, card: str) -> bool:
    return '"operstate":"UP"' in space.run("ip", "-j", "link", "show", "dev", card)


def talks(client: socket.socket, server: socket.socket) -> bool:
    """Tell whether what one end of a connection says arrives at the other, both ways."""
    try:
        for one, other in ((client, server), (server, client)):
            one.settimeout(PATIENCE_S)
            other.settimeout(PATIENCE_S)
            one.sendall(b"x")
            if other.recv(1) != b"x":
                return False
    except TimeoutError:
        return False
    return True


@contextlib.contextmanager
def ended(*spaces: Space) -> Iterator[None]:
    """Let go of namespaces at the end."""
    try:
        yield
    finally:
        for space in spaces:
            space.end()
