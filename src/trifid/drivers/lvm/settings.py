"""What the LVM drivers are told: their arguments, and which engine runs them.

    [drivers.ds.lvm]
    executable = "trifid-ds-lvm"
    arguments = "--sudo"

    [drivers.tm.lvm]
    executable = "trifid-tm-lvm"
    arguments = "--sudo --here node1"

--pool      name of the thin pool in each volume group, `trifid` when not given:
            lvcreate --type thin-pool -L 500g -n trifid GROUP
--sudo      LVM's commands need root: they are run through `sudo -n`; the user is in the group that owns the
            devices (disk) in any case
--group     volume group of swap and data disks, when the script of a transfer does not say
--here      what the engine calls this machine as a host, if not by its host name; may be given again
"""

import argparse
import os
import re
import shlex
import socket
from collections.abc import Mapping
from typing import NoReturn

import msgspec

from trifid.drivers.kit import Failure

POOL = "trifid"
_NAME = re.compile(r"[A-Za-z0-9_.+][A-Za-z0-9_.+-]*", re.ASCII)
_ENGINE_ID = re.compile(r"[0-9a-z]{4,64}", re.ASCII)


class Settings(msgspec.Struct, frozen=True):
    """What it is told.

    Attributes:
        engine_id: of the engine whose volumes these are.
        pool: name of the thin pool.
        has_sudo: whether LVM's commands are run through sudo.
        group: of disks that come from no image; empty = not said.
        here: names of this machine as a host.
    """

    engine_id: str
    pool: str = POOL
    has_sudo: bool = False
    group: str = ""
    here: tuple[str, ...] = ()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Failure(f"arguments: {message}; {' '.join(self.format_usage().split())}")


def parse(name: str, arguments: str, environment: Mapping[str, str] = os.environ) -> Settings:
    """Return what a driver is told.

    Raises:
        Failure: an unknown or wrong argument; no engine has said its id.
    """
    parser = _Parser(prog=name, add_help=False, allow_abbrev=False)
    parser.add_argument("--pool", default=POOL, metavar="NAME")
    parser.add_argument("--sudo", action="store_true")
    parser.add_argument("--group", default="", metavar="NAME")
    parser.add_argument("--here", action="append", default=[], metavar="HOST")
    try:
        words = shlex.split(arguments)
    except ValueError as fault:
        raise Failure(f"arguments: {fault}: {arguments}") from fault
    found = parser.parse_args(words)
    for option, value in (("--pool", found.pool), ("--group", found.group or "none")):
        if _NAME.fullmatch(value) is None:
            raise Failure(f"arguments: {option} {value[:80]!r} is not a name that LVM takes")
    engine_id = environment.get("TRIFID_ENGINE_ID", "")
    if _ENGINE_ID.fullmatch(engine_id) is None:
        raise Failure("TRIFID_ENGINE_ID is not set, expected the engine's id: it marks the volumes that are its own")
    names = (*found.here, "localhost", socket.gethostname())
    return Settings(engine_id, found.pool, found.sudo, found.group, names)
