"""A fleet of hosts that are all this machine, behind one sshd: most are well, each of a few is ill in its own way."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.drivers.harness import DriverProcess, python_driver, running
from tests.drivers.probe_builders import probe
from tests.drivers.sshd import hang_up, sshd
from trifid.core.template.scanner import parse
from trifid.drivers.remote.way import sockets_of
from trifid.wire.lines import unpack

HANGS, RAVES, WRONG = "hangs", "raves", "wrong"
"""Hosts that are never reached: one accepts and says nothing, one prints 1 GB, one has another key."""
STOPS, PROBE_RAVES, PROBE_HANGS = "stops", "probe-raves", "probe-hangs"
"""Hosts with a probe that stops everything there, one that prints 1 GB, and one that hangs."""
ILL = (HANGS, RAVES, WRONG, STOPS, PROBE_RAVES, PROBE_HANGS)
_PROBE = """case $DATASTORE_LOCATION in
    /stops) kill -STOP "$(cut -d " " -f 4 /proc/$PPID/stat)" ;;
    /probe-raves) yes garbage | head -c 1000000000 ;;
    /probe-hangs) sleep 600 ;;
esac
echo OWN=1"""


class Fleet(msgspec.Struct):
    """What was heard of the hosts.

    Attributes:
        names: of hosts by id.
        heard_s: when each host was reported on, by a clock that does not jump.
        faults: of each host that was not: the newest reason.
        troubles: of each host: what its probes have.
    """

    names: list[str]
    period_s: float
    heard_s: dict[str, list[float]] = {}
    faults: dict[str, str] = {}
    troubles: dict[str, str] = {}

    @property
    def well(self) -> set[str]:
        return set(self.names) - set(ILL)

    def hear(self, driver: DriverProcess, until_s: float) -> None:
        """Take in what the driver says until a moment."""
        while (left_s := until_s - time.monotonic()) > 0 and (message := driver.heard_within(left_s)) is not None:
            if message.type != "MONITOR_HOST":
                continue
            name = self.names[message.oid]
            if message.status != "SUCCESS":
                self.faults[name] = unpack(message.payload)
                continue
            self.heard_s.setdefault(name, []).append(time.monotonic())
            if trouble := parse(unpack(message.payload)).single("PROBE_TROUBLES"):
                self.troubles[name] = trouble

    def lateness_s(self, since_s: float) -> list[float]:
        """Return how much later than the most punctual of its host each report came, in order of lateness."""
        late: list[float] = []
        for name in self.well:
            times = [at for at in self.heard_s.get(name, []) if at >= since_s]
            off = [(at - times[0] + self.period_s / 2) % self.period_s - self.period_s / 2 for at in times]
            late += [one - min(off) for one in off]
        return sorted(late)


@contextlib.contextmanager
def fleet(home: Path, size: int, period_s: float) -> Iterator[tuple[Fleet, DriverProcess]]:
    """Have so many hosts watched."""
    names = [*ILL, *(f"node{number}" for number in range(size - len(ILL)))]
    (home / "sshd").mkdir()
    (home / "probes.d").mkdir()
    probe(home / "probes.d", "monitor-own", _PROBE)
    with sshd(home / "sshd", names) as config, socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(100)
        _make_ill(config, silent.getsockname()[1])
        command, arguments = python_driver("trifid.drivers.im.libvirt"), f"--uri none --ssh-config {config}"
        with running(command, arguments, home=home, monitor=True) as driver:
            for host_id, name in enumerate(names):
                about = f'HOST=[ID="{host_id}",NAME="{name}"]\nPERIOD_S="{period_s:g}"\nDATASTORE_LOCATION="/{name}"'
                driver.ask_monitor("START_MONITOR", host_id, about)
            yield Fleet(names, period_s), driver
        hang_up(sockets_of(home))
        _end_what_stands_still()


def _end_what_stands_still() -> None:
    """End the loop of the host that was stopped: it does not notice that nobody talks to it any more."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if f"\0/{STOPS}\0".encode() in file.read_bytes():
                os.kill(int(file.parent.name), signal.SIGKILL)


class Figures(msgspec.Struct):
    """How well the hosts of a fleet were watched.

    Attributes:
        reached_s: until all that are well were reported on.
        reports: of hosts that are well, after that.
        late_p50_s, late_p99_s, late_max_s: how late they came.
        driver_mib: the most memory that the driver had.
        driver_ms_per_report: processor time of the driver.
        ssh_processes, ssh_mib: of the front-end.
    """

    reached_s: float
    reports: int
    late_p50_s: float
    late_p99_s: float
    late_max_s: float
    driver_mib: float
    driver_ms_per_report: float
    ssh_processes: int
    ssh_mib: float


def observe(
    home: Path, size: int, period_s: float, watched_s: float, reached_within_s: float
) -> tuple[Fleet, Figures, float]:
    """Watch a fleet for a while, once all that are well are reached; return what was heard, and since when."""
    with fleet(home, size, period_s) as (heard, driver):
        begun_s = time.monotonic()
        while heard.well - heard.heard_s.keys():
            assert time.monotonic() < begun_s + reached_within_s, f"not reached: {heard.well - heard.heard_s.keys()}"
            heard.hear(driver, time.monotonic() + 0.5)
        reached_s, used_s = time.monotonic(), cpu_s(driver.process.pid)
        heard.hear(driver, reached_s + watched_s)
        late = heard.lateness_s(reached_s)
        processes, ssh_mib = ssh_of(home)
        figures = Figures(
            reached_s=reached_s - begun_s,
            reports=len(late),
            late_p50_s=late[len(late) // 2],
            late_p99_s=late[len(late) * 99 // 100],
            late_max_s=late[-1],
            driver_mib=memory_mib(driver.process.pid, "VmHWM"),
            driver_ms_per_report=(cpu_s(driver.process.pid) - used_s) / len(late) * 1000,
            ssh_processes=processes,
            ssh_mib=ssh_mib,
        )
        return heard, figures, reached_s


def _make_ill(config: Path, silent_port: int) -> None:
    directory = config.parent
    for name in ("raving", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)], check=True)
    with (directory / "authorized").open("a") as file:
        file.write(f'command="yes garbage | head -c 1000000000" {(directory / "raving.pub").read_text()}')
    with (directory / "known").open("a") as file:
        file.write(f"wrong {(directory / 'other.pub').read_text()}")
    config.write_text(
        f"Host {HANGS}\n  Port {silent_port}\nHost {RAVES}\n  IdentityFile {directory}/raving\n"
        f"Host {WRONG}\n  HostKeyAlias wrong\n"
        # all handshakes are made by this one machine, both ends of each: the default one takes 50 ms of either
        "Host *\n  KexAlgorithms curve25519-sha256\n"
        + config.read_text()
        .replace("  IdentityFile", f"Host * !{RAVES}\n  IdentityFile")
        .replace("  IdentitiesOnly", "Host *\n  IdentitiesOnly")
    )


def memory_mib(pid: int, field: str) -> float:
    """Return a figure of a process's memory: VmRSS, VmHWM (the most it ever had)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


def ssh_of(home: Path) -> tuple[int, float]:
    """Return how many processes of ssh an engine has, and the memory that they take together, MiB."""
    mark, count, kib = os.fsencode(sockets_of(home)), 0, 0
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if process.name.isdigit() and mark in (process / "cmdline").read_bytes():
                count += 1
                told = (process / "smaps_rollup").read_text().splitlines()
                kib += sum(int(line.split()[1]) for line in told if line.startswith("Pss:"))
    return count, kib / 1024


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used, with children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
