"""What `onehost roll` does with each host, and what it tells in the end."""

import json
import select
import shlex
import subprocess
import sys
from typing import Any

from trifid.cli.command import Given
from trifid.cli.failure import Failure, explain
from trifid.cli.host_flush import Emptying
from trifid.cli.host_roll import BEGUN, DONE, MARK, MONITORED, Member, member_of
from trifid.cli.kinds import HOST
from trifid.cli.shell import Shell

_ENABLED = 0
_EXTEND = 1
_LOOK_EVERY_S = 1.0


class Trouble(Exception):
    """A host cannot be gone on with; the text says why, and what to do."""

    def __init__(self, why: str, advice: str) -> None:
        super().__init__(why)
        self.advice = advice


class Aside(Shell):
    """A shell whose results are the progress of another one's command: they go to standard error.

    Args:
        shell: whose client and time it uses.
    """

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell.client)
        self.verbose = shell.verbose
        self._shell = shell

    def say(self, text: str) -> None:
        """Write a line of progress."""
        self.tell(text)

    def clock(self) -> float:
        """Return seconds that only ever increase."""
        return self._shell.clock()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._shell.sleep(seconds)


class Rolling:
    """One run over hosts.

    Args:
        label: what the work is called, empty when it has no name.
        members: in their order.
    """

    def __init__(self, shell: Shell, given: Given, label: str, members: list[Member]) -> None:
        self._result = shell
        self._shell = Aside(shell) if given.json else shell
        self._given, self._label, self._members = given, label, members
        self._told: dict[int, dict[str, Any]] = {}

    def run(self) -> None:
        """Go over the hosts; the first trouble ends it.

        Raises:
            Failure: a host is in error before anything has begun; the work stopped at one.
        """
        due = [member for member in self._members if self._is_due(member)]
        for member in due:
            if not member.is_begun and member.state != MONITORED:
                why = f": {member.error}" if member.error else ""
                raise Failure(f"host {member.name} is not on{why}", "mend it, or leave it out; nothing has begun")
        stopped: Failure | None = None
        for place, member in enumerate(due):
            stopped = self._stopped_at(member, self._go_on(due[place:]))
            if stopped:
                break
        self._tell(due, stopped)

    def _stopped_at(self, member: Member, go_on: str) -> Failure | None:
        """Go through with a host; return what to say when that was not possible."""
        from trifid.client.errors import ClientError

        try:
            self._one(member)
        except Trouble as trouble:
            why, advice = str(trouble), f"{trouble.advice}; "
        except (ClientError, Failure) as fault:
            explained = fault if isinstance(fault, Failure) else explain(fault, HOST.command, member.id)
            why, advice = explained.text, f"{explained.next}; " if explained.next else ""
        except KeyboardInterrupt:
            why, advice = "interrupted", ""
        else:
            return None
        self._note(member, "stopped", why=why)
        return Failure(f"stopped at host {member.name}: {why}", f"{advice}to go on: {go_on}")

    def _is_due(self, member: Member) -> bool:
        if member.is_done(self._label):
            self._note(member, "done before")
            self._shell.say(f"Host {member.name} has had {self._label}: left out")
        elif member.is_kept_out:
            self._note(member, "left out", why="it is disabled")
            self._shell.say(f"Host {member.name} is disabled, by somebody else: left out")
        else:
            return True
        return False

    def _one(self, member: Member) -> None:
        began_s = self._shell.clock()
        if member.is_begun:
            self._shell.say(f"Host {member.name} was begun before: going on with it")
        self._mark(member, BEGUN)
        emptying = Emptying(self._shell, member.id)
        if emptying.begin():
            emptying.until_empty(self._given.timeout)
        if self._shell.is_failed:
            raise Trouble("it is not empty, see above", f'help its VMs, or give up: "onehost enable {member.name}"')
        is_enabled = False
        if self._given.program:
            self._work(member)
        else:
            is_enabled = self._wait_for_word(member)
        if not is_enabled:
            self._bring_back(member)
        self._mark(member, DONE)
        took_s = self._shell.clock() - began_s
        self._note(member, "done", took_s=took_s)
        self._shell.say(f"Host {member.name} is done, after {took_s:.0f} s")

    def _mark(self, member: Member, state: str) -> None:
        text = f'{MARK} = [ LABEL = "{self._label}", STATE = "{state}" ]'
        self._shell.call("one.host.update", member.id, text, _EXTEND)

    def _work(self, member: Member) -> None:
        program = self._given.program
        self._shell.say(f"Host {member.name} is worked on: {program}")
        try:
            out = sys.stderr if self._given.json else None  # a result in JSON has nothing between
            done = subprocess.run(
                [program, member.name, str(member.id)], stdin=subprocess.DEVNULL, stdout=out, check=False
            )
        except OSError as fault:
            raise Trouble(f"{program} cannot be run: {fault.strerror}", "mend that") from fault
        if done.returncode:
            raise Trouble(f"{program} ended with status {done.returncode}", "mend what it complains of")

    def _wait_for_word(self, member: Member) -> bool:
        """Wait until it may come back; tell whether somebody has enabled it already."""
        by_hand = sys.stdin.isatty()
        self._shell.say(
            f"Host {member.name} is yours. When the work is done: {'press Enter, or ' if by_hand else ''}"
            f'"onehost enable {member.name}"'
        )
        while member_of(self._host(member)).state != MONITORED:
            if not by_hand:
                self._shell.sleep(_LOOK_EVERY_S)
            elif select.select([sys.stdin], [], [], _LOOK_EVERY_S)[0]:
                sys.stdin.readline()
                return False
        self._shell.say(f"Host {member.name} was enabled")
        return True

    def _bring_back(self, member: Member) -> None:
        """Enable it once it has been heard of after the work: what was heard before says nothing about it."""
        deadline = self._shell.clock() + self._given.timeout
        heard_at = _heard_at(self._host(member))
        is_enabled = False
        while True:
            host = self._host(member)
            now = member_of(host)
            if is_enabled and now.state == MONITORED:
                return
            if not is_enabled and not now.error and _heard_at(host) > heard_at:
                self._shell.call("one.host.status", member.id, _ENABLED)
                is_enabled = True
                continue
            if self._shell.clock() >= deadline:
                why = f": {now.error}" if now.error else ""
                raise Trouble(f"it did not come back within {self._given.timeout:g} s{why}", "mend it")
            self._shell.sleep(_LOOK_EVERY_S)

    def _host(self, member: Member) -> dict[str, Any]:
        """Return the host's document; an engine that is restarted meanwhile is waited for."""
        from trifid.client import EngineUnreachable

        deadline = self._shell.clock() + self._given.timeout
        while True:
            try:
                return self._shell.one(HOST, member.id)
            except EngineUnreachable:
                if self._shell.clock() >= deadline:
                    raise
            self._shell.sleep(_LOOK_EVERY_S)

    def _go_on(self, left: list[Member]) -> str:
        """Return the command line that goes on with what is left."""
        words = ["onehost", "roll", ",".join(member.name for member in left)]
        if self._given.program:
            words += ["--command", self._given.program]
        if self._label:
            words += ["--label", self._label]
        return shlex.join(words)

    def _note(self, member: Member, result: str, *, why: str = "", took_s: float = 0.0) -> None:
        self._told[member.id] = {"result": result, "why": why, "took_s": round(took_s, 1)}

    def _tell(self, due: list[Member], stopped: Failure | None) -> None:
        if self._given.json:
            hosts = [
                {"host": one.id, "name": one.name, **self._told.get(one.id, {"result": "not begun"})}
                for one in self._members
            ]
            self._result.say(json.dumps({"is_complete": stopped is None, "hosts": hosts}, indent=2))
        elif stopped is None:
            self._result.say(f"{len(due)} host{'' if len(due) == 1 else 's'} done")
        if stopped is not None:
            raise stopped


def _heard_at(host: dict[str, Any]) -> int:
    """Return when a host was heard of last, epoch seconds; 0 when it never was."""
    return int((host.get("MONITORING") or {}).get("TIMESTAMP") or 0)
