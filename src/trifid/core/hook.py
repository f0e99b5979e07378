"""Hooks as records: what shall be done when something happens, and what came of it.

A hook of type `state` runs a command when a VM, host, image or network comes into a state, one of type `api` when a
call of the API has ended; one of type `webhook` sends what the journal says to a URL.
"""

import enum

import msgspec

from trifid.core.access import OfOneadmin
from trifid.core.template.model import Template
from trifid.core.vm.lock import Lock

KIND = "HOOK"
"""How rights and the journal call hooks."""


class HookType(enum.StrEnum):
    """What a hook waits for, and what it does then."""

    STATE = "state"
    API = "api"
    WEBHOOK = "webhook"


class Hook(OfOneadmin, frozen=True):
    """A hook.

    Attributes:
        template: what was declared, checked (`core/hook_define.py`); a webhook's SECRET is in here and in no document.
        cursor: up to this entry of the journal everything that it waits for was dealt with.
        executions: how many there were so far; the id of the next one.
    """

    id: int
    name: str
    type: HookType
    template: Template = Template()
    lock: Lock | None = None
    cursor: int = 0
    executions: int = 0


class HookExecution(msgspec.Struct, frozen=True):
    """What came of one execution of a hook; a row of the table `hook_log`.

    Attributes:
        hook_id, execution_id: its key; executions of a hook are counted from 0.
        timestamp: when it ended, epoch seconds.
        arguments: as the command got them, each quoted as a shell would need it; never a secret.
        command: path of the program, or the URL of a webhook.
        stdout, stderr: what it printed, cut.
        code: exit status, 0 = success; 255 = it could not be run at all.
        remote_host: where it ran; empty = on the front-end.
        retry: whether it was a further try of an earlier one.
    """

    hook_id: int
    execution_id: int
    timestamp: int
    arguments: str
    command: str
    stdout: str
    stderr: str
    code: int
    remote_host: str = ""
    retry: bool = False

    def order(self) -> tuple[int, int, int]:
        """Return what executions are sorted by."""
        return self.timestamp, self.hook_id, self.execution_id


class HookLogQuery(msgspec.Struct, frozen=True):
    """Which executions are asked for; None asks for any.

    Attributes:
        since, until: epoch seconds, both included.
        has_succeeded: only those that did (True) or did not (False).
    """

    hook_id: int | None = None
    execution_id: int | None = None
    since: int | None = None
    until: int | None = None
    has_succeeded: bool | None = None

    def matches(self, execution: HookExecution) -> bool:
        """Tell whether an execution is asked for."""
        return (
            self.hook_id in (None, execution.hook_id)
            and self.execution_id in (None, execution.execution_id)
            and (self.since is None or execution.timestamp >= self.since)
            and (self.until is None or execution.timestamp <= self.until)
            and self.has_succeeded in (None, execution.code == 0)
        )
