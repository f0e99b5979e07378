"""A real engine in a home of its own, started and stopped with the commands that people use."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.wire.schemas import valid_answer
from trifid.client import Client, from_environment
from trifid.wire.elements import iter_elements, one_element

BIN = Path(sys.executable).parent
START_TIMEOUT_S = 60.0


def free_port() -> int:
    """Return a TCP port that nobody listens at just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class CheckedClient(Client):
    """A client that checks every document against its schema."""

    def call(self, method: str, *args: Any) -> Any:
        """Return what the engine answers."""
        answer = super().call(method, *args)
        valid_answer(method, answer)
        return answer


class Home:
    """The home of an engine.

    Attributes:
        path: the directory.
        port: where its API answers.
    """

    def __init__(self, path: Path, *, drivers: str = "dummy", db: str = "") -> None:
        self.path = path
        self.port = free_port()
        options = ["--db", db] if db else []
        self.run("trifid", "init", "--port", str(self.port), "--drivers", drivers, *options)

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which commands find this engine."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("ONE_")}
        return {**kept, "TRIFID_HOME": str(self.path), "PATH": f"{BIN}{os.pathsep}{kept.get('PATH', os.defpath)}"}

    def run(self, *argv: str, text: str | None = None, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a command as a user of this engine would; another exit status than expected fails the test."""
        done = subprocess.run(
            [str(BIN / argv[0]), *argv[1:]],
            input=text,
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=START_TIMEOUT_S,
            check=False,
        )
        said = f"{' '.join(argv)} ended with {done.returncode}\n{done.stdout}{done.stderr}"
        assert status is None or done.returncode == status, said
        assert "Traceback" not in done.stderr, said
        return done

    def settings(self, old: str, new: str) -> None:
        """Replace a text of trifid.toml that must be there."""
        path = self.path / "trifid.toml"
        text = path.read_text()
        assert old in text, f"{old!r} is not in {path}:\n{text}"
        path.write_text(text.replace(old, new))

    def start(self) -> None:
        """Start the engine."""
        self.run("trifid", "start")

    def stop(self) -> None:
        """Stop the engine, if it runs."""
        self.run("trifid", "stop", status=None)

    @property
    def session(self) -> str:
        """The session of the administrator, `user:secret`."""
        return (self.path / "one_auth").read_text().strip()

    @property
    def pid(self) -> int:
        """The daemon's process id."""
        return int((self.path / "run" / "trifidd.pid").read_text())

    def children(self) -> dict[str, int]:
        """Return name to pid of the processes that the daemon started."""
        found = json.loads((self.path / "run" / "children.json").read_text())
        return {child["name"]: child["pid"] for child in found}

    def child(self, name: str) -> int:
        """Return the pid of a process of the daemon that is there."""
        pid = self.children()[name]
        assert pid > 0, f"{name} has no process: {self.children()}"
        return pid

    def kill(self) -> None:
        """Kill the daemon as a power cut would, and wait until it and its drivers are gone."""
        children = [pid for pid in self.children().values() if pid]
        pid = self.pid
        gone = [os.pidfd_open(one) for one in [pid, *children] if _exists(one)]
        os.kill(pid, signal.SIGKILL)
        for descriptor in gone:
            ready, _, _ = select.select([descriptor], [], [], 30.0)
            os.close(descriptor)
            assert ready, "a process of a killed engine lives on"

    def client(self) -> Client:
        """Return a client of the administrator that checks what it is answered."""
        return CheckedClient(*from_environment(self.path))


def _exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


class Api:
    """The calls that tests make all the time."""

    def __init__(self, home: Home) -> None:
        self.client = home.client()
        self.call = self.client.call
        self._after = self._newest()

    def _newest(self) -> int:
        last: int = json.loads(self.call("trifid.event.list", -1, 0, 1))["last"]
        return last

    def vm(self, vm_id: int) -> dict:
        """Return a VM's document."""
        return one_element(self.call("one.vm.info", vm_id), "VM")

    def state(self, vm_id: int) -> str:
        """Return the name of a VM's state."""
        from trifid.core.vm.states import printable_state

        vm = self.vm(vm_id)
        return printable_state(int(vm["STATE"]), int(vm["LCM_STATE"]))

    def hosts(self) -> list[dict]:
        """Return all hosts."""
        return list(iter_elements(self.call("one.hostpool.info"), "HOST"))

    def until(self, is_so, what: str, timeout_s: float = 60.0):
        """Return what `is_so()` returns once it is true, asking again after each event of the journal."""
        import time

        deadline = time.monotonic() + timeout_s
        after = self._newest()
        while True:
            found = is_so()
            if found:
                return found
            left = deadline - time.monotonic()
            assert left > 0, f"not so after {timeout_s:g} s: {what}"
            after = json.loads(self.call("trifid.event.list", after, min(5, max(1, int(left))), 1000))["last"]

    def until_state(self, vm_id: int, *states: str, timeout_s: float = 60.0) -> str:
        """Return the state of a VM once it is one of these."""

        def reached() -> str:
            state = self.state(vm_id)
            return state if state in states else ""

        return self.until(reached, f"VM {vm_id} in {'/'.join(states)}, is {self.state(vm_id)}", timeout_s)

    def monitored_host(self, name: str, im: str = "dummy", vmm: str = "dummy") -> int:
        """Add a host and return its id once it takes VMs."""
        host_id: int = self.call("one.host.allocate", name, im, vmm, -1)
        self.until(
            lambda: any(h["ID"] == str(host_id) and h["STATE"] == "2" for h in self.hosts()),
            f"host {name} is MONITORED",
        )
        return host_id


@contextlib.contextmanager
def engine(path: Path, *, drivers: str = "dummy", db: str = "") -> Iterator[Home]:
    """A started engine, stopped at the end."""
    home = Home(path, drivers=drivers, db=db)
    home.start()
    try:
        yield home
    finally:
        home.stop()
