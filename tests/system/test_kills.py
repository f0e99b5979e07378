"""An engine under load, killed again and again: every acknowledged call is accounted for."""

import json
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import Cluster
from tests.system.accounts import ANYWHERE, ENDED, HELD, RUNS, SAVED, STOPPED, Account
from tests.system.home import Api, Home
from tests.system.load import Person, some
from trifid.core.vm.states import printable_state
from trifid.drivers.dummy.world import PAUSED, RUNNING, World
from trifid.drivers.dummy.world import SAVED as ASLEEP
from trifid.wire.elements import iter_elements, one_element

PEOPLE, HOSTS = 4, 4
CHILDREN = ("vmm driver dummy", "tm driver dummy", "im driver dummy", "ds driver dummy", "scheduler")
SETTLE_TIMEOUT_S = 20.0
ANSWERS_TIMEOUT_S = 30.0
_ALL_VMS = ("one.vmpool.infoextended", -2, -1, -1, -2)
_ON_A_HOST = {RUNS}


class Load:
    """People at work, and how many answers they got."""

    def __init__(self, home: Home, seed: int, hosts: list[int]) -> None:
        self._answers = 0
        self._news = threading.Condition()
        self.people = [Person(n, seed, home.client(), hosts, self._count) for n in range(PEOPLE)]
        for person in self.people:
            person.start()

    def _count(self) -> None:
        with self._news:
            self._answers += 1
            self._news.notify_all()

    def until_answered(self, count: int) -> None:
        """Return after `count` more answers."""
        with self._news:
            wanted = self._answers + count
            assert self._news.wait_for(lambda: self._answers >= wanted, ANSWERS_TIMEOUT_S), (
                f"{self._answers} answers, and no more for long: {self.problems}"
            )

    def end(self) -> None:
        """Let everybody finish what they are at."""
        for person in self.people:
            person.done.set()
        for person in self.people:
            person.join(ANSWERS_TIMEOUT_S)
            assert not person.is_alive(), f"{person.name} waits for an answer for ever"

    @property
    def problems(self) -> list[str]:
        """What the engine did that it must not do."""
        return [problem for person in self.people for problem in person.problems]

    @property
    def accounts(self) -> dict[int, Account]:
        """The accounts by VM."""
        return {account.vm_id: account for person in self.people for account in person.accounts}


def live_and_die(home: Home, seed: int, kills: int, of_children: int) -> None:
    """Use an engine while it is killed, `kills` times in all, then account for everything."""
    chance = random.Random(seed)
    home.settings("#monitoring_interval_s = 30", "monitoring_interval_s = 1")
    home.settings('executable = "trifid-vmm-dummy"', 'executable = "trifid-vmm-dummy"\narguments = "--delay 0.03"')
    home.settings('executable = "trifid-tm-dummy"', 'executable = "trifid-tm-dummy"\narguments = "--delay 0.02"')
    home.start()
    api = Api(home)
    hosts = [api.monitored_host(f"node{n}") for n in range(HOSTS)]
    api.call("one.vn.allocate", "NAME=lan\nVN_MAD=dummy\nBRIDGE=br0\nAR=[TYPE=IP4,IP=10.0.0.1,SIZE=2000]", -1)
    victims = [""] * (kills - of_children) + [CHILDREN[n % len(CHILDREN)] for n in range(of_children)]
    chance.shuffle(victims)
    load = Load(home, seed, hosts)
    try:
        for victim in victims:
            load.until_answered(chance.randrange(10, 60))
            if victim:
                pid = home.children().get(victim, 0)
                if pid:
                    os.kill(pid, signal.SIGKILL)
            else:
                home.kill()
                home.start()
        load.until_answered(20)
    finally:
        load.end()
    told = Counter()
    for person in load.people:
        told.update(person.answers)
    assert told["yes"] > 5 * kills and told["no"] > 0, f"hardly any load: {told}"
    assert load.problems == [], f"seed {seed}"
    Accounts(home, load).check(f"seed {seed}, answers {dict(told)}")


class Accounts:
    """What is, against what must be."""

    def __init__(self, home: Home, load: Load) -> None:
        self._home = home
        self._api = Api(home)
        self._accounts = load.accounts
        self._maybe = {name for person in load.people for name in person.maybe}
        self._vms: dict[int, dict[str, Any]] = {}

    def check(self, what: str) -> None:
        """Wait until everything is at rest, then compare everything."""
        self._settle(what)
        for vm_id in self._vms:
            self._vms[vm_id] = self._api.vm(vm_id)  # with all its history
        wrong = [*self._lost_or_made_up(), *self._parts(), *self._domains(), *self._shares(), *self._leases()]
        wrong += [*self._histories(), *self._stories()]
        assert wrong == [], "\n".join([what, *wrong])

    def _settle(self, what: str) -> None:
        def is_settled() -> bool:
            self._vms = {int(vm["ID"]): vm for vm in iter_elements(self._api.call(*_ALL_VMS), "VM")}
            return not self._restless()

        try:
            self._api.until(is_settled, "everything is at rest", SETTLE_TIMEOUT_S)
        except AssertionError:
            pytest.fail("\n".join([what, *(self._tale(vm_id) for vm_id in self._restless()[:5])]))

    def _restless(self) -> list[int]:
        """Return the VMs that are not where they may rest; those that nobody had an answer about must run or wait."""
        found = []
        for vm_id, vm in self._vms.items():
            account = self._accounts.get(vm_id)
            if _state(vm) not in (account.rests if account else {RUNS, HELD}):
                found.append(vm_id)
        return found

    def _tale(self, vm_id: int) -> str:
        """Return all that is known of a VM, for people."""
        vm, account = self._vms[vm_id], self._accounts.get(vm_id)
        events = json.loads(self._api.call("trifid.event.story", "VM", vm_id, 1000))["events"]
        asked = account.story if account else ["made without an answer"]
        lines = [f"{e['at']} {e['what']} {e.get('old')} -> {e.get('new')} {e.get('text')}" for e in events[-25:]]
        error = vm["USER_TEMPLATE"].get("ERROR", "") if isinstance(vm["USER_TEMPLATE"], dict) else ""
        parts = {name: part.values for name, part in account.parts.items()} if account else {}
        return "\n    ".join([f"VM {vm_id} is {_state(vm)} {error}, possible {parts}", *asked[-25:], "--", *lines])

    # -- one check after the other; each yields what is wrong -------------------------------------------

    def _lost_or_made_up(self) -> Iterator[str]:
        for vm_id in self._accounts.keys() - self._vms.keys():
            yield f"VM {vm_id} was acknowledged and is lost"
        for vm_id in self._vms.keys() - self._accounts.keys():
            name = self._vms[vm_id]["NAME"]
            if name not in self._maybe:
                yield f"VM {vm_id} {name} was asked for by nobody"
            self._maybe.discard(name)

    def _parts(self) -> Iterator[str]:
        for vm_id, account in self._accounts.items():
            vm = self._vms[vm_id]
            if _state(vm) == ENDED:
                continue
            template, record = vm["TEMPLATE"], (_records(vm) or [{}])[-1]
            found = {
                "name": vm["NAME"],
                "memory": int(template["MEMORY"]),
                "mark": vm["USER_TEMPLATE"].get("MARK", "") if isinstance(vm["USER_TEMPLATE"], dict) else "",
                "size": int(next(d["SIZE"] for d in some(template, "DISK") if d["DISK_ID"] == "0")),
                "disks": len(some(template, "DISK")),
                "nics": len(some(template, "NIC")),
                "snapshots": len(some(template, "SNAPSHOT")),
                "disk_snapshots": sum(len(some(of, "SNAPSHOT")) for of in some(vm, "SNAPSHOTS")),
                "host": int(record.get("HID", ANYWHERE)),
            }
            for name, value in found.items():
                possible = account.parts[name].values
                if value not in possible and not (name == "host" and ANYWHERE in possible):
                    yield f"{name} of this VM is {value}: {self._tale(vm_id)}"
            if isinstance(vm["USER_TEMPLATE"], dict) and "ERROR" in vm["USER_TEMPLATE"]:
                yield f"nothing ever failed, yet this VM has an error: {self._tale(vm_id)}"

    def _domains(self) -> Iterator[str]:
        world = World(self._home.path / "dummy" / "world.log")
        world.refresh()
        for vm_id, vm in self._vms.items():
            domain, state = world.get(vm_id), _state(vm)
            if (state == RUNS) is not (domain.state == RUNNING) or domain.state == PAUSED:
                yield f"VM {vm_id} is {state}, its domain is {domain.state} on {domain.host}"
            elif state in (SAVED, STOPPED) and domain.state != ASLEEP:
                yield f"VM {vm_id} is {state}, its domain was not saved: {domain.state}"
            elif state == RUNS and domain.host != _records(vm)[-1]["HOSTNAME"]:
                yield f"VM {vm_id} is on {_records(vm)[-1]['HOSTNAME']}, its domain on {domain.host}"
        for vm_id in world.domains.keys() - self._vms.keys():
            yield f"there is a domain of VM {vm_id}, which was never made"

    def _shares(self) -> Iterator[str]:
        for host in self._api.hosts():
            here = [
                vm for vm in self._vms.values()
                if _state(vm) in _ON_A_HOST and _records(vm)[-1]["HID"] == host["ID"]
            ]  # fmt: skip
            expected = {
                "RUNNING_VMS": len(here),
                "CPU_USAGE": 10 * len(here),
                "MEM_USAGE": sum(1024 * int(vm["TEMPLATE"]["MEMORY"]) for vm in here),
            }
            share = {name: int(host["HOST_SHARE"][name]) for name in expected}
            if share != expected:
                yield f"host {host['NAME']} has {share}, its VMs say {expected}"
            ids = {int(vm["ID"]) for vm in here}
            if {int(one) for one in some(host["VMS"], "ID")} != ids:
                yield f"host {host['NAME']} lists {host['VMS']}, on it are {sorted(ids)}"

    def _leases(self) -> Iterator[str]:
        network = one_element(self._api.call("one.vn.info", 0), "VNET")
        ranges = some(network["AR_POOL"], "AR")
        held = Counter((lease["VM"], lease["IP"]) for ar in ranges for lease in some(ar["LEASES"], "LEASE"))
        alive = [vm for vm in self._vms.values() if _state(vm) != ENDED]
        used = Counter((vm["ID"], nic["IP"]) for vm in alive for nic in some(vm["TEMPLATE"], "NIC"))
        for lease in held - used:
            yield f"address {lease[1]} is leased to VM {lease[0]}, which does not have it"
        for lease in used - held:
            yield f"address {lease[1]} of VM {lease[0]} is not leased"
        for address, count in Counter(ip for _, ip in used.elements()).items():
            if count > 1:
                yield f"address {address} is used {count} times"

    def _histories(self) -> Iterator[str]:
        for vm_id, vm in self._vms.items():
            records = _records(vm)
            if [int(r["SEQ"]) for r in records] != list(range(len(records))):
                yield f"the history of VM {vm_id} has gaps: {[r['SEQ'] for r in records]}"
            is_open = [r["ETIME"] == "0" for r in records]
            if any(is_open[:-1]) or (records and is_open[-1] != (_state(vm) in _ON_A_HOST)):
                yield f"stays of VM {vm_id}, {_state(vm)}, that are open: {is_open}"
            begins = [int(r["STIME"]) for r in records]
            if begins != sorted(begins) or any(0 < int(r["ETIME"]) < int(r["STIME"]) for r in records):
                yield f"the history of VM {vm_id} goes back in time: {records}"

    def _stories(self) -> Iterator[str]:
        """Each state in the journal begins where the one before ended."""
        entries: list[dict[str, Any]] = []
        while True:
            page = json.loads(self._api.call("trifid.event.list", len(entries), 0, 1000))["events"]
            if not page:
                break
            entries += page
        if [one["id"] for one in entries] != list(range(1, len(entries) + 1)):
            yield "the journal has gaps"
        now: dict[int, str] = {}
        for one in entries:
            if one["kind"] == "VM" and one["what"] in ("allocated", "state"):
                vm_id = one["object_id"]
                if now.get(vm_id, "") != one.get("old", ""):
                    yield f"the journal's entry {one} follows {now.get(vm_id)}"
                now[vm_id] = one["new"]
        if now.keys() != self._vms.keys():
            yield f"the journal tells of {sorted(now)}, there are {sorted(self._vms)}"


def _state(vm: dict[str, Any]) -> str:
    return printable_state(int(vm["STATE"]), int(vm["LCM_STATE"]))


def _records(vm: dict[str, Any]) -> list[dict[str, Any]]:
    return some(vm["HISTORY_RECORDS"], "HISTORY")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of this module's own."""
    made = Cluster()
    yield made
    made.stop()


def test_every_acknowledged_call_survives_twenty_kills(stopped: Home) -> None:
    live_and_die(stopped, seed=20, kills=20, of_children=6)


def test_every_acknowledged_call_survives_kills_on_postgresql(cluster: Cluster, tmp_path: Path) -> None:
    home = Home(tmp_path / "home", db=cluster.new_database())
    try:
        live_and_die(home, seed=5, kills=5, of_children=1)
    finally:
        home.stop()
