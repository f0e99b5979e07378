"""Waiting until something happens in the engine."""

import json

from trifid.cli.shell import Shell

_WAIT_S = 20
_EVENTS_MAX = 1000
_LOOK_EVERY_S = 0.5
_TRY_EVERY_S = 2.0


class News:
    """Waits for events of VMs; made before anything is asked for, so that nothing is missed."""

    def __init__(self, shell: Shell) -> None:
        from trifid.client import ApiError, ApiFault

        self._shell = shell
        try:
            self._after: int | None = json.loads(shell.call("trifid.event.list", -1, 0, 1))["last"]
        except (ApiError, ApiFault):
            # An engine that has no journal, or does not show it to this caller, is looked at again and again.
            self._after = None

    def wait(self, left_s: float) -> None:
        """Return when something happened to a VM, or after a while; never later than in `left_s`, or a second.

        An engine that is restarted carries on where it was: it is waited for, and then looked at.
        """
        from trifid.client import EngineUnreachable

        if self._after is None:
            self._shell.sleep(min(_LOOK_EVERY_S, left_s))
            return
        deadline = self._shell.clock() + left_s
        was_gone = False
        while (left_s := deadline - self._shell.clock()) > 0:
            try:
                wait_s = max(1, min(_WAIT_S, int(left_s)))
                answer = json.loads(self._shell.call("trifid.event.list", self._after, wait_s, _EVENTS_MAX))
            except EngineUnreachable as gone:
                if not was_gone:
                    self._shell.tell(f"{gone}; waiting until it answers again")
                was_gone = True
                self._shell.sleep(min(_TRY_EVERY_S, left_s))
                continue
            self._after = answer["last"]
            if was_gone or any(event["kind"] == "VM" for event in answer["events"]):
                return
