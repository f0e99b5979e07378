"""The transfer driver `ssh` as a program.

Hosts have the datastores' directories on disks of their own; images come from the front-end and go back to it.

    [drivers.tm.ssh]
    executable = "trifid-tm-ssh"
    arguments = "--ssh-config /etc/trifid/ssh_config"

Source: reference/drivers.md §4.
"""

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import NoReturn

from trifid.drivers.kit import Failure, Kit, Request
from trifid.drivers.remote.host import LOCALHOST, Hosts
from trifid.drivers.remote.way import way_of
from trifid.drivers.tm.commands import Commands
from trifid.drivers.tm.room import step_of
from trifid.drivers.tm.shared import WORKERS, transfer
from trifid.drivers.tm.ssh.commands import commands_on

ROOM = "USED_MB=0 TOTAL_MB=0 FREE_MB=0"
"""What MONITOR says: the datastore has no room of its own, each host's probes tell the host's."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Failure(f"arguments: {message}; {' '.join(self.format_usage().split())}")


class Driver:
    """What the verbs have in common; the arguments are read when the engine says INIT, so it hears what is wrong."""

    def __init__(self, arguments: str) -> None:
        self._arguments = arguments
        self._commands: Commands = {}

    def begin(self, kit: Kit) -> None:
        """Read the arguments.

        Raises:
            Failure: an unknown or wrong one, or no home.
        """
        home = os.environ.get("TRIFID_HOME")
        if not home:
            raise Failure("TRIFID_HOME is not set, expected the engine's home")
        self._commands = commands_on(parse(self._arguments, Path(home)))

    def transfer(self, request: Request) -> str:
        """Carry out a script."""
        return transfer(request, self._commands)


def parse(arguments: str, home: Path) -> Hosts:
    """Return the machines, as the driver's argument says how to reach them.

    Raises:
        Failure: an unknown or wrong argument.
    """
    parser = _Parser(prog="trifid-tm-ssh", add_help=False, allow_abbrev=False)
    parser.add_argument("--ssh-config", default="", metavar="FILE")
    parser.add_argument("--frontend", default=LOCALHOST, metavar="NAME")
    parser.add_argument("--connect-timeout", default=10, type=int, metavar="SECONDS")
    try:
        words = shlex.split(arguments)
    except ValueError as fault:
        raise Failure(f"arguments: {fault}: {arguments}") from fault
    found = parser.parse_args(words)
    if found.ssh_config and not Path(found.ssh_config).is_file():
        raise Failure(f"arguments: --ssh-config {found.ssh_config}: there is no such file")
    way = way_of(home, found.ssh_config, found.connect_timeout)
    return Hosts(way, found.frontend)


def monitor(request: Request) -> str:
    """Return how much room the datastore has."""
    return ROOM


def main() -> None:
    """Run the driver until the engine ends it."""
    driver = Driver(" ".join(sys.argv[1:]))
    verbs = {"TRANSFER": driver.transfer, "MONITOR": monitor}
    Kit("tm-ssh", verbs, step_of=step_of, begin=driver.begin, workers=WORKERS).run()


if __name__ == "__main__":
    main()
