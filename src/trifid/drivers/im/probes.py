"""Probes: small programs that print what a host is and how loaded it is, `NAME=VALUE` lines each.

Those in probes.d beside this file come with the driver, more can be put into HOME/probes.d.  Names that
begin with `monitor` are measures, reported as MONITOR_HOST; all others describe the host, SYSTEM_HOST.
For another host the shell scripts among them are run through ssh; nothing is installed there.  The engine's
DATASTORE_LOCATION, where the datastores are on every host, is in their environment, and so is PCI_FILTER, which PCI
devices VMs may have.

Source: reference/drivers.md §5.1 (one working probe is enough), §5.2 (attributes).
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec

from trifid.core.template.model import Template, Value
from trifid.core.template.scanner import parse
from trifid.drivers.kit import Failure
from trifid.errors import BadTemplate

SHIPPED = Path(__file__).parent / "probes.d"
TIMEOUT_S = 10.0
SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5")
SSH_FAILED = 255
TEXT_MAX = 300
_NOTHING_MORE: Mapping[str, str] = {}

Pairs = tuple[tuple[str, Value], ...]


class Probed(msgspec.Struct):
    """What the probes of a host said.

    Attributes:
        system: what the host is.
        monitor: how loaded it is.
        troubles: a text for each probe that failed.
    """

    system: Pairs = ()
    monitor: Pairs = ()
    troubles: list[str] = []


def find_probes(home: Path | None) -> list[Path]:
    """Return the shipped probes and the executables in HOME/probes.d, by name."""
    found = [path for path in SHIPPED.iterdir() if path.is_file()]
    with contextlib.suppress(OSError):
        own = list((home / "probes.d").iterdir()) if home else []
        found += [path for path in own if path.is_file() and os.access(path, os.X_OK)]
    return sorted(found, key=lambda path: (path.name, str(path)))


def run_probes(
    probes: list[Path],
    host: str,
    *,
    is_local: bool,
    datastores: str = "",
    pci_filter: str = "",
    timeout_s: float = TIMEOUT_S,
) -> Probed:
    """Run probes on a host, one after the other.

    Args:
        datastores: directory of the datastores, empty when it was not told.
        pci_filter: which PCI devices are offered to VMs, empty for none.
        timeout_s: of each.

    Raises:
        Failure: none worked, or the host cannot be reached.
    """
    environment = {"DATASTORE_LOCATION": datastores, "PCI_FILTER": pci_filter}
    probed = Probed(troubles=[])
    worked = 0
    for probe in probes:
        try:
            said = _run(probe, host, environment, is_local=is_local, timeout_s=timeout_s)
        except BadTemplate as bad:
            probed.troubles.append(f"probe {probe.name}: printed no NAME=VALUE lines: {bad.message}")
        except ProbeFailed as failed:
            probed.troubles.append(f"probe {probe.name}: {failed}")
        else:
            worked += 1
            if probe.name.startswith("monitor"):
                probed.monitor += said.pairs
            else:
                probed.system += said.pairs
    if not worked:
        raise Failure(f"no probe worked on host {host}: {'; '.join(probed.troubles) or 'there are none'}")
    return probed


class ProbeFailed(Exception):
    """One probe did not work; the text says why."""


def _run(probe: Path, host: str, environment: Mapping[str, str], *, is_local: bool, timeout_s: float) -> Template:
    if is_local:
        argv = [str(probe)] if os.access(probe, os.X_OK) else ["sh", str(probe)]
        return parse(_output(argv, b"", timeout_s, environment=environment)[0])
    script = probe.read_bytes()
    if not script.startswith(b"#!/bin/sh"):
        raise ProbeFailed("only scripts that begin with #!/bin/sh are run on other hosts")
    told = "".join(f"{name}={shlex.quote(value)}; export {name}\n" for name, value in environment.items()).encode()
    text, status = _output([*SSH, "--", host, "sh", "-s"], told + script, timeout_s, may_fail=SSH_FAILED)
    if status == SSH_FAILED:
        raise Failure(f"host {host} is not this machine and cannot be reached, ssh -- {host} true says: {text}")
    return parse(text)


def _output(
    argv: list[str], text: bytes, timeout_s: float, may_fail: int = 0, environment: Mapping[str, str] = _NOTHING_MORE
) -> tuple[str, int]:
    """Return what a program printed and its status; for the status `may_fail` its error text.

    timeout(1) gives it a process group and kills that, so that what a probe started does not outlive it.
    """
    if not shutil.which(argv[0]):
        raise ProbeFailed(f"cannot be run: {argv[0]} is missing or not executable")
    guarded = ["timeout", "--signal=KILL", f"{timeout_s:g}", *argv]
    child = subprocess.Popen(
        guarded,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    )
    out, err = child.communicate(text)
    if child.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL):
        raise ProbeFailed(f"not done after {timeout_s:g} s")
    if child.returncode and child.returncode == may_fail:
        return _last(err), child.returncode
    if child.returncode:
        raise ProbeFailed(f"exit status {child.returncode}: {_last(err)}")
    return out.decode(errors="replace"), 0


def _last(said: bytes) -> str:
    return said.decode(errors="replace").strip()[-TEXT_MAX:] or "nothing"
