"""Re-placement carried out: the migrations that its policy asks for, through the public API."""

import logging
import math
from collections.abc import Callable, Sequence

from trifid.client.errors import ApiError
from trifid.placement.view import HostView, View
from trifid.scheduler.look import Caller, Looks
from trifid.scheduler.replacement import Replacement

log = logging.getLogger("trifid.scheduler")


class Replacing:
    """Asks the engine for migrations when there are some to ask for.

    Args:
        quiet_s: nothing is planned for so long at first: hosts are told of by and by.
        clock: seconds from anywhere, never going back.
        now: seconds since 1970.
    """

    def __init__(
        self,
        client: Caller,
        looks: Looks,
        policy: Replacement,
        *,
        quiet_s: float,
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._client = client
        self._looks = looks
        self._policy = policy
        self._clock = clock
        self._now = now
        self._begins_at = clock() + quiet_s

    def next_at(self) -> float:
        """Return when there is something to decide if nothing happens, by the clock; inf when that is not known."""
        at = max(self._begins_at, self._policy.next_at())
        return at if at > self._clock() else math.inf

    def round(self, hosts: Sequence[HostView] | None = None) -> None:
        """Decide, and ask for what is due.

        Args:
            hosts: with what leases leave unused; None = as they are.

        Raises:
            ClientError, BadDocument: the engine is away, or answers nonsense.
        """
        now = self._clock()
        if now < self._begins_at or not self._policy.wants(now):
            return
        view = View(
            (),
            tuple(self._looks.hosts() if hosts is None else hosts),
            placed=tuple(self._looks.placed()),
            groups=self._looks.groups(),
            now=math.floor(self._now()),
        )
        for step in self._policy.due(now, view):
            try:
                self._client.call("one.vm.migrate", step.vm_id, step.target_id, True, True)
            except ApiError as refused:
                self._policy.refused(step, refused.message)
                return
            log.info("vm %d  moves from host %d to host %d: re-placement", step.vm_id, step.source_id, step.target_id)
