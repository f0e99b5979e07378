"""The network driver of hosts with Linux bridges, as a program: bridges, VLANs, vxlans, filters, limits.

    [drivers.vnm.linux]
    executable = "trifid-vnm-linux"
    arguments = "--ssh-config /etc/trifid/ssh_config --sudo"

`APPLY host-id document` makes a host what the document says (core/network/host_document.py), whatever it was before.
Filters come first and go by the names of interfaces, so a guest's is closed from its first packet; then links, then
limits, then services.  Killed in the middle and asked again it ends in the same place.
"""

import argparse
import os
import shlex
import sys
import threading
from pathlib import Path
from typing import NoReturn

import msgspec

from trifid.core.network.host_document import HostDocument
from trifid.drivers.kit import Failure, Kit, Request
from trifid.drivers.remote.host import LOCALHOST, Host, Hosts
from trifid.drivers.remote.way import way_of
from trifid.drivers.vnm import names
from trifid.drivers.vnm.apply import apply
from trifid.drivers.vnm.links import VXLAN_PORT
from trifid.drivers.vnm.tools import AsRoot, Tools
from trifid.errors import DriverFault
from trifid.wire.host_networks import parse as parse_document
from trifid.wire.host_networks import render_answer


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Failure(f"arguments: {message}; {' '.join(self.format_usage().split())}")


class Settings(msgspec.Struct, frozen=True):
    """What the driver is told.

    Attributes:
        has_sudo: whether commands are run through `sudo -n`.
        vxlan_port: UDP port of vxlans.
    """

    hosts: Hosts
    has_sudo: bool = False
    vxlan_port: int = VXLAN_PORT

    def host(self, name: str) -> Host:
        """Return a host on which commands are run as root; raises Failure."""
        host = self.hosts.named(name)
        return AsRoot(host) if self.has_sudo else host


def parse(arguments: str, home: Path) -> Settings:
    """Return what the driver's argument says.

    Raises:
        Failure: an unknown or wrong one.
    """
    parser = _Parser(prog="trifid-vnm-linux", add_help=False, allow_abbrev=False)
    parser.add_argument("--ssh-config", default="", metavar="FILE")
    parser.add_argument("--frontend", default=LOCALHOST, metavar="NAME")
    parser.add_argument("--connect-timeout", default=10, type=int, metavar="SECONDS")
    parser.add_argument("--sudo", action="store_true")
    parser.add_argument("--vxlan-port", default=VXLAN_PORT, type=int, metavar="PORT")
    try:
        words = shlex.split(arguments)
    except ValueError as fault:
        raise Failure(f"arguments: {fault}: {arguments}") from fault
    found = parser.parse_args(words)
    if found.ssh_config and not Path(found.ssh_config).is_file():
        raise Failure(f"arguments: --ssh-config {found.ssh_config}: there is no such file")
    if not 0 < found.vxlan_port <= names.PORT_MAX:
        raise Failure(f"arguments: --vxlan-port {found.vxlan_port}: expected 1 to {names.PORT_MAX}")
    way = way_of(home, found.ssh_config, found.connect_timeout)
    return Settings(Hosts(way, found.frontend), found.sudo, found.vxlan_port)


class Driver:
    """What the verb needs; the arguments are read when the engine says INIT, so it hears what is wrong."""

    def __init__(self, arguments: str) -> None:
        self._arguments = arguments
        self._settings: Settings | None = None
        self._newest: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def begin(self, kit: Kit) -> None:
        """Read the arguments.

        Raises:
            Failure: an unknown or wrong one, or no home.
        """
        home = os.environ.get("TRIFID_HOME")
        if not home:
            raise Failure("TRIFID_HOME is not set, expected the engine's home")
        self._settings = parse(self._arguments, Path(home))

    def step_of(self, payload: str) -> int:
        """Return a document's version, and remember it: it supersedes those that wait.

        Raises:
            DriverFault: it is no document.
        """
        document = parse_document(payload)
        with self._lock:
            key = (document.engine_id, document.host)
            self._newest[key] = max(document.version, self._newest.get(key, 0))
        return document.version

    def apply(self, request: Request) -> str:
        """Make a host what its document says; return its version, and the networks that could not be made.

        Raises:
            Failure: nothing of it can be; a newer document waits already.
        """
        assert self._settings is not None  # noqa: S101  (begin has been called)
        document = self._document(request)
        with self._lock:
            newest = self._newest.get((document.engine_id, document.host), 0)
        if document.version < newest:
            raise Failure(f"version {document.version} is superseded by version {newest}, which waits")

        def stop() -> None:
            request.wait(0)

        tools = Tools(self._settings.host(document.host), stop)
        troubles = apply(tools, document, vxlan_port=self._settings.vxlan_port)
        stop()  # what was cancelled in the middle is no trouble of networks
        for why in troubles.of_none:
            request.log(why, "W")
        return render_answer(document.version, troubles.by_network)

    def _document(self, request: Request) -> HostDocument:
        try:
            return names.check(parse_document(request.payload))
        except DriverFault as fault:
            raise Failure(str(fault)) from fault


def main() -> None:
    """Run the driver until the engine ends it."""
    driver = Driver(" ".join(sys.argv[1:]))
    Kit("vnm-linux", {"APPLY": driver.apply}, step_of=driver.step_of, begin=driver.begin, kept_in="hosts").run()


if __name__ == "__main__":
    main()
