"""People who use an engine at random, and keep account of what it told them."""

import random
import threading
from collections.abc import Callable
from typing import Any

from tests.system.accounts import (
    ANYWHERE,
    ENDED,
    HELD,
    OFF,
    RUNS,
    SAVED,
    STOPPED,
    UNDEPLOYED,
    Account,
    Ask,
    less,
    more,
    to,
)
from trifid.client import ApiError, Client, EngineUnreachable
from trifid.wire.elements import one_element

STATE_REFUSED = 0x0800
LIVING_MAX = 8
ANSWER_TIMEOUT_S = 30.0
OUTAGE_PAUSE_S = 0.02
TEMPLATE = 'CPU=0.1\nMEMORY=16\nDISK=[SOURCE="/images/etch.img",SIZE=100]\nNIC=[NETWORK="lan"]\n'

_RESTING = frozenset({RUNS, OFF, SAVED, STOPPED, UNDEPLOYED, HELD})
_ALL = _RESTING | {ENDED}
_NO_SNAPSHOTS = {"snapshots": to(0), "disk_snapshots": to(0)}
_ACTIONS: tuple[tuple[str, frozenset[str], str], ...] = (
    ("suspend", frozenset({RUNS}), SAVED),
    ("stop", frozenset({RUNS, SAVED}), STOPPED),
    ("poweroff", frozenset({RUNS}), OFF),
    ("poweroff-hard", frozenset({RUNS, OFF}), OFF),
    ("undeploy", frozenset({RUNS, OFF}), UNDEPLOYED),
    ("undeploy-hard", frozenset({RUNS, OFF, UNDEPLOYED}), UNDEPLOYED),
    ("reboot", frozenset({RUNS}), ""),
    ("reboot-hard", frozenset({RUNS}), ""),
    ("hold", frozenset({RUNS}), HELD),
    ("release", frozenset({HELD}), RUNS),
    ("resched", frozenset({RUNS, OFF}), ""),
    ("terminate", _RESTING, ENDED),
    ("terminate-hard", _ALL, ENDED),
)
_RESUMED = frozenset({OFF, SAVED, STOPPED, UNDEPLOYED})
_SETTLED = ("0", "3")
"""LCM_STATE of a VM that does not run, or runs, and that no driver works at."""
_LEAVE_HOST = {"stop", "undeploy", "undeploy-hard"}
_RARE = {"terminate", "terminate-hard", "recover --delete", "recover --recreate"}


def some(found: Any, name: str) -> list[dict[str, Any]]:
    """Return the elements `name` in an element, of which there may be none, one or several."""
    value = found.get(name, []) if isinstance(found, dict) else []
    return value if isinstance(value, list) else [value]


class Person(threading.Thread):
    """Makes VMs and asks something of them, again and again; nobody else asks anything of those.

    Args:
        told: called after every answer.

    Attributes:
        maybe: names of VMs that may have been made, the answer did not come.
        problems: what an engine must not do.
    """

    def __init__(self, number: int, seed: int, client: Client, hosts: list[int], told: Callable[[], None]) -> None:
        super().__init__(name=f"person-{number}", daemon=True)
        self.accounts: list[Account] = []
        self.maybe: list[str] = []
        self.problems: list[str] = []
        self.answers = {"yes": 0, "no": 0, "none": 0}
        self.done = threading.Event()
        self._number = number
        self._chance = random.Random(f"{seed}/{number}")
        self._client = client
        self._hosts = hosts
        self._told = told
        self._made = 0

    def run(self) -> None:
        """Ask until `done` is set."""
        try:
            while not self.done.is_set():
                try:
                    self._one()
                except EngineUnreachable:
                    self.done.wait(OUTAGE_PAUSE_S)
        except BaseException as fault:
            self.problems.append(f"{self.name}: {type(fault).__name__}: {fault}")
            raise
        finally:
            self._client.close()

    def _one(self) -> None:
        living = [one for one in self.accounts if one.rests != {ENDED}]
        if len(living) < LIVING_MAX and self._chance.random() < 0.5:
            self._allocate()
        elif living:
            account = self._chance.choice(living)
            document = self._look(account)
            if document:
                self._ask(account, self._choose(account, document))

    def _allocate(self) -> None:
        self._made += 1
        name, is_held = f"vm-{self._number}-{self._made}", self._chance.random() < 0.2
        try:
            vm_id = self._client.call("one.vm.allocate", f"NAME={name}\n{TEMPLATE}", is_held)
        except EngineUnreachable as fault:
            if fault.sent:
                self.answers["none"] += 1
                self.maybe.append(name)
            raise
        self.accounts.append(Account(vm_id, name, HELD if is_held else RUNS, 16))
        self._answered("yes")

    def _look(self, account: Account) -> dict[str, Any]:
        """Return a VM's document; what was acknowledged of its name must be in it."""
        try:
            document = one_element(self._client.call("one.vm.info", account.vm_id), "VM")
        except ApiError as refused:
            self.problems.append(f"VM {account.vm_id} was acknowledged and is lost: {refused}")
            return {}
        names = account.parts["name"].values
        if document["NAME"] not in names:
            self.problems.append(f"VM {account.vm_id} has name {document['NAME']}, possible is {sorted(names)}")
        return document

    def _ask(self, account: Account, ask: Ask) -> None:
        try:
            self._client.call(*ask.call)
        except EngineUnreachable as fault:
            if fault.sent:
                self.answers["none"] += 1
                account.unanswered(ask)
            raise
        except ApiError as refused:
            if refused.code != STATE_REFUSED:
                self.problems.append(f"{ask.word} of VM {account.vm_id} was refused with {refused.code:#x}: {refused}")
            account.refused(ask, str(refused))
            self._answered("no")
            return
        if problem := account.answered(ask):
            self.problems.append("\n  ".join([problem, *account.story]))
        self._answered("yes")

    def _answered(self, how: str) -> None:
        self.answers[how] += 1
        self._told()

    # -- what to ask -----------------------------------------------------------------------------------

    def _choose(self, account: Account, document: dict[str, Any]) -> Ask:
        """Return something that is legal where the VM may rest; ends are rare."""
        asks = [*self._actions(account), *self._moves(account), *self._texts(account)]
        if document["LCM_STATE"] not in _SETTLED:  # a disk that is just going would stay
            asks = [ask for ask in asks if ask.word != "recover --recreate"]
        asks += [*self._devices(account, document), *self._snapshots(account, document)]
        asks = [ask for ask in asks if ask.where & account.rests]
        often = [ask for ask in asks if ask.word not in _RARE]
        return self._chance.choice(often if self._chance.random() < 0.96 else asks)

    def _actions(self, account: Account) -> list[Ask]:
        vm_id, asks = account.vm_id, []
        for word, where, rest in _ACTIONS:
            changes = {"host": to(ANYWHERE)} if word in _LEAVE_HOST else {}
            # deploy is legal on HOLD, so a deploy that the scheduler has under way may still be carried out
            asks.append(Ask(word, ("one.vm.action", word, vm_id), where, rest, changes))
        asks += [Ask("resume", ("one.vm.action", "resume", vm_id), _RESUMED, RUNS)] * 4
        asks.append(Ask("recover --retry", ("one.vm.recover", vm_id, 2), _ALL))
        asks.append(Ask("recover --delete", ("one.vm.recover", vm_id, 3), _ALL, ENDED))
        asks.append(
            Ask(
                "recover --recreate",
                ("one.vm.recover", vm_id, 4),
                _ALL,
                RUNS,
                {"host": to(ANYWHERE), **_NO_SNAPSHOTS},
            )
        )
        return asks

    def _moves(self, account: Account) -> list[Ask]:
        vm_id, host_id = account.vm_id, self._chance.choice(self._hosts)
        is_live, kind = self._chance.random() < 0.5, self._chance.randrange(3)
        there = {"host": to(host_id)}
        waiting = frozenset({RUNS, HELD, STOPPED, UNDEPLOYED})
        migrate = ("one.vm.migrate", vm_id, host_id, is_live, False, -1, kind)
        return [
            Ask(f"deploy on {host_id}", ("one.vm.deploy", vm_id, host_id), waiting, RUNS, there),
            Ask(f"migrate to {host_id} ({is_live}, {kind})", migrate, frozenset({RUNS, OFF, SAVED}), "", there),
        ]

    def _texts(self, account: Account) -> list[Ask]:
        vm_id, word = account.vm_id, f"{self._chance.getrandbits(40):x}"
        return [
            Ask(f"rename to {word}", ("one.vm.rename", vm_id, f"vm-{word}"), _ALL, "", {"name": to(f"vm-{word}")}),
            Ask(f"update to {word}", ("one.vm.update", vm_id, f'MARK="{word}"', 1), _ALL, "", {"mark": to(word)}),
        ]

    def _devices(self, account: Account, document: dict[str, Any]) -> list[Ask]:
        vm_id, where, template = account.vm_id, frozenset({RUNS, OFF}), document["TEMPLATE"]
        memory_mib, size_mib = self._chance.randrange(16, 64), self._chance.randrange(100, 1000)
        attach = ("one.vm.attach", vm_id, "DISK=[TYPE=swap,SIZE=8]")
        attach_nic = ("one.vm.attachnic", vm_id, "NIC=[NETWORK=lan]")
        resize = ("one.vm.resize", vm_id, f"MEMORY={memory_mib}", False)
        resize_disk = ("one.vm.diskresize", vm_id, 0, str(size_mib))
        sizable = frozenset({RUNS, OFF, UNDEPLOYED, HELD})
        asks = [
            Ask("disk-attach", attach, where, "", {"disks": more}),
            Ask("nic-attach", attach_nic, where, "", {"nics": more}),
            Ask(f"resize to {memory_mib}", resize, sizable, "", {"memory": to(memory_mib)}),
            Ask(f"disk-resize to {size_mib}", resize_disk, sizable, "", {"size": to(size_mib)}),
        ]
        disks = [disk["DISK_ID"] for disk in some(template, "DISK") if disk["DISK_ID"] != "0"]
        if disks:
            detach = ("one.vm.detach", vm_id, int(self._chance.choice(disks)))
            asks.append(Ask(f"disk-detach {detach[-1]}", detach, where, "", {"disks": less}))
        if nics := [nic["NIC_ID"] for nic in some(template, "NIC")]:
            detach = ("one.vm.detachnic", vm_id, int(self._chance.choice(nics)))
            asks.append(Ask(f"nic-detach {detach[-1]}", detach, where, "", {"nics": less}))
        return asks

    def _snapshots(self, account: Account, document: dict[str, Any]) -> list[Ask]:
        vm_id, running, still = account.vm_id, frozenset({RUNS}), frozenset({RUNS, OFF, SAVED})
        create = ("one.vm.snapshotcreate", vm_id, "")
        create_of_disk = ("one.vm.disksnapshotcreate", vm_id, 0, "")
        asks = [
            Ask("snapshot-create", create, running, "", {"snapshots": more}),
            Ask("disk-snapshot-create", create_of_disk, still, "", {"disk_snapshots": more}),
        ]
        if found := [one["SNAPSHOT_ID"] for one in some(document["TEMPLATE"], "SNAPSHOT")]:
            number = int(self._chance.choice(found))
            revert, delete = ("one.vm.snapshotrevert", vm_id, number), ("one.vm.snapshotdelete", vm_id, number)
            asks.append(Ask(f"snapshot-revert {number}", revert, running))
            asks.append(Ask(f"snapshot-delete {number}", delete, running, "", {"snapshots": less}))
        if found := [one["ID"] for of in some(document, "SNAPSHOTS") for one in some(of, "SNAPSHOT")]:
            number = int(self._chance.choice(found))
            revert = ("one.vm.disksnapshotrevert", vm_id, 0, number)
            delete = ("one.vm.disksnapshotdelete", vm_id, 0, number)
            asks.append(Ask(f"disk-snapshot-revert {number}", revert, frozenset({OFF})))
            asks.append(Ask(f"disk-snapshot-delete {number}", delete, still, "", {"disk_snapshots": less}))
        return asks
