"""A whole cluster for tests: what tools/lab makes, in the namespaces that the tests run in."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.lab.guests import Count, count, until_serving
from tests.system.home import Api, Home

LAB = Path(__file__).parents[2] / "tools" / "lab"
PORT = 2633
UP_TIMEOUT_S = 240.0
OF_EACH_HOST = "100"
"""The datastore that is on each host's own disk."""
NAMES = ("host-1", "host-2", "host-3")


class LabHome(Home):
    """The home of the engine that the lab has made."""

    def __init__(self, path: Path) -> None:
        self.path, self.port = path, PORT


class Cluster:
    """Three hosts that an engine reaches by ssh.

    Attributes:
        api: of the engine; a new one after a restart.
    """

    def __init__(self, path: Path) -> None:
        self._environment = {
            **os.environ,
            "TRIFID_LAB_HOME": str(path),
            "TRIFID_BIN": str(Path(sys.executable).parent),
        }
        self.home = LabHome(path / "engine")

    def lab(self, *argv: str) -> str:
        """Return what tools/lab prints; what it says must not be an error."""
        done = subprocess.run(
            [str(LAB), *argv],
            capture_output=True,
            text=True,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            timeout=UP_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"tools/lab {' '.join(argv)}: {done.stdout}{done.stderr}"
        return done.stdout

    def up(self) -> None:
        """Start what is not there: hosts, the engine."""
        self.lab("up", "--here", "--hosts", str(len(NAMES)))
        self.api = Api(self.home)

    @contextlib.contextmanager
    def asked(self, *argv: str) -> Iterator["subprocess.Popen[str]"]:
        """Run a command of the front-end beside a block."""
        command = [str(Path(sys.executable).parent / argv[0]), *argv[1:]]
        pipe = subprocess.PIPE
        environment = {**self.home.environment, "TRIFID_LAB_HOME": self._environment["TRIFID_LAB_HOME"]}
        with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) as running:
            try:
                yield running
            finally:
                running.kill()

    def host_id(self, name: str) -> int:
        return int(self.host(name)["ID"])

    def domains(self, host: str) -> list[str]:
        """Return the domains that a host has, running or not."""
        return self.lab("on", host, "virsh", "-q", "-c", "qemu:///system", "list", "--all", "--name").split()

    def files(self, host: str, vm_id: int) -> list[str]:
        """Return the names of what a host has for a VM in its own datastore."""
        place = str(self.home.path / "datastores" / OF_EACH_HOST / str(vm_id))
        return self.lab("on", host, "sh", "-c", 'ls -A "$1" 2>/dev/null || :', "sh", place).split()

    def host(self, name: str) -> dict[str, Any]:
        """Return a host's document."""
        return next(host for host in self.api.hosts() if host["NAME"] == name)

    def is_fenced(self, name: str) -> bool:
        """Whether it is proven that a host runs nothing."""
        return self.host(name)["TEMPLATE"].get("FENCED") == "YES"

    def stays(self, is_so: Callable[[], bool], what: str, for_s: float) -> None:
        """Look after each event of the journal, and every second: something must be so all the time."""
        until = time.monotonic() + for_s
        after = -1
        while time.monotonic() < until:
            assert is_so(), f"not so any more: {what}"
            after = json.loads(self.api.call("trifid.event.list", after, 1, 1000))["last"]

    def until_hosts(self, *names: str, state: str = "2") -> None:
        """Wait until hosts are in a state: 2 MONITORED, 3 ERROR, 4 DISABLED."""

        def are_so() -> bool:
            return {host["NAME"] for host in self.api.hosts() if host["STATE"] == state} >= set(names)

        self.api.until(are_so, f"{names} in state {state}", timeout_s=90)


class Fleet:
    """VMs of a template of the lab, each with how far its guest has counted when it was last looked at."""

    def __init__(self, cluster: Cluster, template: str, number: int) -> None:
        self.cluster = cluster
        templates = cluster.home.run("onetemplate", "list", "--list", "ID,NAME", "--csv", "--no-header").stdout
        template_id = next(int(line.split(",")[0]) for line in templates.split() if line.endswith(f",{template}"))
        call = cluster.api.call
        self.ids: list[int] = [
            call("one.template.instantiate", template_id, f"{template}-{place}", False, "", False)
            for place in range(number)
        ]
        for vm_id in self.ids:
            cluster.api.until_state(vm_id, "RUNNING")
        self.addresses = {vm_id: str(cluster.api.vm(vm_id)["TEMPLATE"]["NIC"]["IP"]) for vm_id in self.ids}
        for address in self.addresses.values():
            until_serving(cluster.api, address)
        self.counts: dict[int, Count] = {vm_id: count(address) for vm_id, address in self.addresses.items()}

    def where(self) -> dict[int, str]:
        """Return which host each is on, as the engine has it."""
        return {vm_id: self._host(vm_id) for vm_id in self.ids}

    def _host(self, vm_id: int) -> str:
        records = self.cluster.api.vm(vm_id)["HISTORY_RECORDS"]["HISTORY"]
        last = records[-1] if isinstance(records, list) else records
        return str(last["HOSTNAME"])

    def on(self, host: str) -> list[int]:
        """Return those that are on a host."""
        return [vm_id for vm_id, name in self.where().items() if name == host]

    def states(self, *vm_ids: int) -> set[str]:
        """Return the states of these, of all when none are named."""
        return {self.cluster.api.state(vm_id) for vm_id in vm_ids or self.ids}

    def runs_where_it_should(self, *, without: str = "") -> None:
        """Each VM runs on the one host that the engine names, and on no other; a host that is down has none."""
        self.is_only_where_it_should(without=without)
        assert self.states() == {"RUNNING"}

    def is_only_where_it_should(self, *, without: str = "") -> None:
        """No hypervisor has a domain of a VM that is elsewhere for the engine, nor lacks one of its own."""
        where = self.where()
        expected = {host: sorted(f"one-{vm_id}" for vm_id, on in where.items() if on == host) for host in NAMES}
        found = {host: [] if host == without else sorted(self.cluster.domains(host)) for host in NAMES}
        assert found == expected

    def has_lost_nothing(self, *vm_ids: int) -> None:
        """None of these, of all when none are named, has booted since it was looked at last."""
        for vm_id in vm_ids or self.ids:
            before, now = self.counts[vm_id], count(self.addresses[vm_id])
            assert now.boot == before.boot and now.number >= before.number, f"VM {vm_id} has lost its memory"
            self.counts[vm_id] = now

    def has_booted(self, *vm_ids: int) -> None:
        """These have booted anew, and answer."""
        for vm_id in vm_ids:
            until_serving(self.cluster.api, self.addresses[vm_id])
            now = count(self.addresses[vm_id])
            assert now.boot != self.counts[vm_id].boot
            self.counts[vm_id] = now

    def end(self) -> None:
        """End them at once."""
        for vm_id in self.ids:
            self.cluster.api.call("one.vm.action", "terminate-hard", vm_id)
        for vm_id in self.ids:
            self.cluster.api.until_state(vm_id, "DONE")
