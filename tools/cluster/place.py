"""Where everything of a lab is: its directory, its addresses, its names."""

import json
import os
from pathlib import Path
from typing import Any

from processes import Failed

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = Path(__file__).resolve().parent
BRIDGE = "trifid0"
"""On the front-end and on every host; cables join them, so guests of all hosts are neighbours."""
FRONTEND, FRONTEND_ADDRESS = "frontend", "10.0.0.254"
FIRST_HOST = 241
HOSTS_MAX = 13
"""10.0.0.241 to 10.0.0.253; guests have the addresses below."""
API_PORT = 2633


class Place:
    """The directory of a lab.  A directory that has lab.json is one, no other is ever removed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.facts_file = path / "lab.json"
        self.ssh = path / "ssh"
        self.engine = path / "engine"
        self.datastores = self.engine / "datastores"
        self.guest = path / "guest"
        self.log = path / "log"

    def host(self, name: str) -> Path:
        """Return the directory of a host's own."""
        return self.path / "hosts" / name

    @property
    def exists(self) -> bool:
        """Whether there is a lab."""
        return self.facts_file.exists()

    def make(self) -> None:
        """Make the directory.

        Raises:
            Failed: there is one with something else in it, or its name cannot be one.
        """
        if any(char.isspace() for char in str(self.path)):
            raise Failed(f"{self.path} has blanks, which lines to drivers cannot carry: name another place by --home")
        if not self.exists and self.path.is_dir() and any(self.path.iterdir()):
            raise Failed(f"{self.path} is no lab and not empty: name another place by --home")
        self.path.mkdir(parents=True, exist_ok=True)
        if not self.exists:
            self.facts_file.write_text("{}\n")

    def facts(self) -> dict[str, Any]:
        """Return what is noted about the lab."""
        found: dict[str, Any] = json.loads(self.facts_file.read_text()) if self.exists else {}
        return found

    def note(self, **facts: object) -> None:
        """Note something, whole or not at all."""
        part = self.facts_file.with_suffix(".part")
        part.write_text(json.dumps({**self.facts(), **facts}) + "\n")
        part.replace(self.facts_file)

    def is_inside(self) -> bool:
        """Whether this process is in the lab's namespaces."""
        return self.facts().get("namespace") == str(Path("/proc/self/ns/pid").readlink())

    def names(self) -> list[str]:
        """Return the names of the hosts."""
        return [host_name(number) for number in range(1, int(self.facts().get("hosts", 0)) + 1)]

    def environment(self) -> dict[str, str]:
        """Return that of the commands that find the lab's engine."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ONE_")}
        path = kept.get("PATH", os.defpath)
        return {
            **kept,
            "TRIFID_LAB_HOME": str(self.path),
            "TRIFID_HOME": str(self.engine),
            "ONE_AUTH": str(self.engine / "one_auth"),
            "ONE_XMLRPC": f"http://127.0.0.1:{API_PORT}/RPC2",
            "PATH": os.pathsep.join([commands(), str(ROOT / "tools"), path, "/usr/sbin", "/sbin"]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }


def host_name(number: int) -> str:
    """Return what the host of a number is called, from 1."""
    return f"host-{number}"


def address_of(name: str) -> str:
    """Return the address of a host."""
    return f"10.0.0.{FIRST_HOST - 1 + int(name.rpartition('-')[2])}"


def commands() -> str:
    """Return the directory of the commands: of this checkout's .venv, unless TRIFID_BIN names another."""
    return os.environ.get("TRIFID_BIN") or str(ROOT / ".venv" / "bin")
