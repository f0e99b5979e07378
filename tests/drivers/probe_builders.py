"""What tests of probes stand on: scripts as probes, and this machine, or one of busybox, to run them on."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from trifid.drivers.im.host_probes import HostProbes, Probed, VmName
from trifid.drivers.im.probes import SHIPPED, Kind, Probe
from trifid.drivers.im.runner import Openings, Runner, Told
from trifid.drivers.remote.channel import PROGRAM
from trifid.drivers.remote.host import Host

NOTHING = Told()


def probe(directory: Path, name: str, text: str) -> Path:
    """Write an executable shell script."""
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def of(path: Path, kind: Kind | None = None) -> Probe:
    """Return a file as a probe of the administrator's."""
    kind = kind or (Kind.MONITOR if path.name.startswith("monitor") else Kind.SYSTEM)
    place = "vm" if kind is Kind.VM else "own"
    return Probe(f"{place}/{path.name}", path.name, kind, path.read_bytes())


def shipped(name: str) -> Probe:
    """Return a probe that comes with the driver."""
    return of(SHIPPED / name)


class Fixed:
    """A shelf of these probes; they may be changed."""

    def __init__(self, probes: Sequence[Probe]) -> None:
        self.probes = list(probes)

    def look(self) -> tuple[list[Probe], list[str]]:
        return self.probes, []


def machine(path: Path | None = None) -> Host:
    """Return this machine, with the programs of one directory only if there is one."""
    argv = ["env", f"PATH={path}", f"{path}/sh"] if path else ["sh"]
    return Host("localhost", [*argv, "-c", PROGRAM], is_here=True)


@contextmanager
def watched(
    shelf: Fixed, told: Told = NOTHING, path: Path | None = None, limit_s: float = 10.0
) -> Iterator[HostProbes]:
    """Give the probes of this machine, and leave nothing behind."""
    runner = Runner(machine(path), told, Openings(), limit_s=limit_s)
    probes = HostProbes("localhost", shelf, runner, is_child=True)  # type: ignore[arg-type]
    try:
        yield probes
    finally:
        probes.end()


def run_here(
    probes: Sequence[Probe],
    told: Told = NOTHING,
    path: Path | None = None,
    limit_s: float = 10.0,
    vms: Sequence[VmName] = (),
) -> Probed:
    """Run probes once."""
    with watched(Fixed(probes), told, path, limit_s) as host:
        return host.run(vms)


def fake_ssh(directory: Path, text: str) -> str:
    """Return a PATH on which ssh, its options and the `--` taken off, is a script."""
    place = directory / "bin"
    place.mkdir()
    probe(place, "ssh", f'while [ "$1" != -- ]; do shift; done; shift\n{text}')
    return f"{place}{os.pathsep}{os.environ['PATH']}"


def install_busybox(directory: Path) -> Path:
    """Return a directory with all programs of busybox and no others."""
    subprocess.run(["busybox", "--install", "-s", str(directory)], check=True)
    return directory
