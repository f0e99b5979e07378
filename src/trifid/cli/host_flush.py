"""`onehost flush` and `onehost maintenance`: a host is disabled, and its VMs are moved away by the scheduler."""

from typing import Any, NamedTuple

import click

from trifid.cli.command import TIMEOUT, WAITS_FOR, Argument, Command, Given
from trifid.cli.dry_run import DRY_RUN, dry_flush
from trifid.cli.failure import Failure
from trifid.cli.follow import state_of, why
from trifid.cli.kinds import HOST, VM
from trifid.cli.news import News
from trifid.cli.shell import Shell

_DISABLED = 1
_ALL, _NOT_DONE = -2, -1
_ON_ITS_HOST = ("3", "5", "8")
"""STATEs of VMs that are at a host, or whose files are: ACTIVE, SUSPENDED, POWEROFF."""
_RESTING = ("SUSPENDED", "POWEROFF")
_HELPLESS = ("UNKNOWN", "PAUSED")

_HOSTS = (Argument("HOST", HOST, many=True),)
_WAIT = click.Option(["--wait"], is_flag=True, help="Return when no VM is left that runs there, and tell how it goes.")
_MORE = (
    "Running VMs are marked as by onevm resched: the scheduler moves them live where their disks are on the target as "
    "well, and says in SCHED_MESSAGE why one cannot leave.  VMs that are off or suspended stay."
)


class Guest(NamedTuple):
    """A VM on a host.

    Attributes:
        host_id: of its last stay.
        is_marked: to be moved.
        waits_because: what the scheduler said.
        error: what went wrong with it.
    """

    id: int
    state: str
    host_id: int
    hostname: str
    is_marked: bool
    waits_because: str
    error: str

    @property
    def needs_help(self) -> bool:
        """Whether it will not leave by itself, nor can it be moved."""
        return self.state in _HELPLESS or self.state.endswith("FAILURE")


def guests(shell: Shell) -> dict[int, Guest]:
    """Return the VMs that are at hosts, by id."""
    from trifid.wire.elements import iter_elements

    pool = iter_elements(shell.call("one.vmpool.info", _ALL, -1, -1, _NOT_DONE), "VM")
    return {guest.id: guest for vm in pool if vm["STATE"] in _ON_ITS_HOST and (guest := _guest(vm)) is not None}


def _guest(vm: dict[str, Any]) -> Guest | None:
    from trifid.wire.elements import several

    records = several((vm.get("HISTORY_RECORDS") or {}).get("HISTORY"))
    if not records:
        return None
    told = vm.get("USER_TEMPLATE") or {}
    return Guest(
        int(vm["ID"]),
        state_of(vm),
        int(records[-1]["HID"]),
        str(records[-1]["HOSTNAME"]),
        vm.get("RESCHED") == "1",
        str(told.get("SCHED_MESSAGE") or ""),
        why(vm),
    )


def _flush(shell: Shell, given: Given) -> None:
    _empty(shell, given, waits=given.wait)


def _maintenance(shell: Shell, given: Given) -> None:
    _empty(shell, given, waits=True)


def _empty(shell: Shell, given: Given, *, waits: bool) -> None:
    if given.dry_run:
        dry_flush(shell, given.host)
        return
    begun = [one for host_id in given.host if (one := Emptying(shell, host_id)).begin()]
    for emptying in begun if waits else []:
        emptying.until_empty(given.timeout)


class Emptying:
    """A host that its VMs leave."""

    def __init__(self, shell: Shell, host_id: int) -> None:
        self._shell, self._host_id = shell, host_id
        self._name = shell.name(HOST, host_id) or str(host_id)
        self._news = News(shell)
        self._asked: set[int] = set()
        self._given_up: set[int] = set()
        self._told: dict[int, str] = {}

    def begin(self) -> bool:
        """Disable the host and mark its running VMs; tell whether the engine agreed."""
        if not self._shell.attempt(HOST, self._host_id, "one.host.status", self._host_id, _DISABLED):
            return False
        here = [one for _, one in sorted(guests(self._shell).items()) if one.host_id == self._host_id]
        for guest in here:
            if guest.state == "RUNNING":
                self._mark(guest)
        self._shell.say(f"Host {self._name} is disabled, {_vms(len(self._asked))} to be moved")
        for guest in here:
            if guest.state in _RESTING:
                self._shell.say(f"VM {guest.id} stays: it is {guest.state}")
            elif guest.needs_help:
                self._give_up(guest, f"is {guest.state} and cannot be moved", "it has to be helped first")
            elif guest.state != "RUNNING":
                self._shell.say(f"VM {guest.id} is {guest.state}: it can be moved once it is RUNNING")
        return True

    def until_empty(self, timeout_s: float) -> None:
        """Return when nothing runs on the host any more; complain about each VM that does not leave in time."""
        from trifid.client import EngineUnreachable

        deadline = self._shell.clock() + timeout_s
        while True:
            left_s = deadline - self._shell.clock()
            try:
                if not (waiting := self._look()):
                    break
            except EngineUnreachable:
                if left_s <= 0:
                    raise
            else:
                if left_s <= 0:
                    self._too_late(waiting, timeout_s)
                    return
            self._news.wait(left_s)
        if not self._given_up:
            self._shell.say(f"Host {self._name} is empty: nothing runs there")

    def _look(self) -> list[Guest]:
        """Tell what is new, mark what runs by now, and return the VMs that are still to be waited for."""
        seen = guests(self._shell)
        for vm_id in sorted(self._asked - self._given_up):
            self._follow(vm_id, seen.get(vm_id))
        here = [
            one
            for _, one in sorted(seen.items())
            if one.id not in self._given_up
            and one.state not in _RESTING
            and (one.host_id == self._host_id or (one.id in self._asked and one.state != "RUNNING"))
        ]
        for guest in here:
            if guest.needs_help:
                self._give_up(guest, f"is {guest.state} and cannot be moved", "it has to be helped first")
            elif guest.state == "RUNNING" and not guest.is_marked and guest.id in self._asked:
                self._give_up(guest, f"runs on host {self._name}, not marked any more", "flush again to try again")
            elif guest.state == "RUNNING" and guest.id not in self._asked:
                self._mark(guest)
        return [one for one in here if one.id not in self._given_up]

    def _follow(self, vm_id: int, guest: Guest | None) -> None:
        if guest is None:
            news = "is not on a host any more"
        elif guest.host_id != self._host_id and guest.state == "RUNNING":
            news = f"runs on host {guest.hostname}"
        elif guest.host_id != self._host_id:
            news = f"is {guest.state}, to host {guest.hostname}"
        else:
            news = f"waits: {guest.waits_because}" if guest.is_marked and guest.waits_because else ""
        if news and news != self._told.get(vm_id):
            self._told[vm_id] = news
            self._shell.tell(f"VM {vm_id} {news}")

    def _mark(self, guest: Guest) -> None:
        if guest.is_marked or self._shell.attempt(VM, guest.id, "one.vm.action", "resched", guest.id):
            self._asked.add(guest.id)
            self._shell.mention(f"VM {guest.id}: marked to be moved")
        else:
            self._given_up.add(guest.id)

    def _give_up(self, guest: Guest, what: str, advice: str) -> None:
        self._given_up.add(guest.id)
        told = f": {guest.error}" if guest.error else ""
        self._shell.complain(Failure(f"VM {guest.id} {what}{told}", f'see "onevm show {guest.id}"; {advice}'))

    def _too_late(self, waiting: list[Guest], timeout_s: float) -> None:
        for guest in waiting:
            because = f": {guest.waits_because}" if guest.is_marked and guest.waits_because else ""
            self._shell.complain(
                Failure(
                    f"VM {guest.id} is still {guest.state} on host {self._name} after {timeout_s:g} s{because}",
                    f'it stays marked; "onevm unresched {guest.id}" takes the mark away',
                )
            )


def _vms(count: int) -> str:
    return f"{count} VM{'' if count == 1 else 's'}"


FLUSH_ROWS = (
    Command(
        "flush",
        "Disable a host and move its running VMs to others.",
        _HOSTS,
        run=_flush,
        options=(_WAIT, TIMEOUT, DRY_RUN),
        more=_MORE,
        examples=("flush host1", "flush host1 --dry-run", "flush 0,1 --wait --timeout 300"),
    ),
    Command(
        "maintenance",
        "Empty a host for maintenance: as flush, and wait until nothing runs there.",
        _HOSTS,
        run=_maintenance,
        options=(WAITS_FOR, DRY_RUN),
        more=f'{_MORE}  When the work is done, "onehost enable HOST" lets VMs come again.',
        examples=("maintenance host1", "maintenance host1 --timeout 60"),
    ),
)
