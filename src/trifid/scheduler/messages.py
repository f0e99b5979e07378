"""SCHED_MESSAGE: every VM that waits is told why."""

import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime

from trifid.placement.view import WaitingVm
from trifid.scheduler.dispatch import answers
from trifid.scheduler.look import Caller

log = logging.getLogger("trifid.scheduler")

MESSAGES_MAX = 200
"""Reasons put into words in one round, so that explaining never keeps VMs from being placed."""
FEW, PROMPT_S = 20, 2.0
"""Of so few VMs that wait a reason that has changed is told again after this time, of more after an interval."""
HOSTS_NAMED_MAX = 3


def not_yet(banned: Mapping[int, float], now: float) -> str:
    """Return what is added to a reason when hosts are not tried for a while after failures; empty without any.

    Args:
        banned: host id to how much longer, seconds.
        now: seconds since 1970.
    """
    if not banned:
        return ""
    soonest = sorted(banned.items(), key=lambda one: (one[1], one[0]))
    named = [f"host {host_id} until {_time(now + left_s)}" for host_id, left_s in soonest[:HOSTS_NAMED_MAX]]
    more = [f"{len(soonest) - len(named)} more until later"] if len(soonest) > len(named) else []
    return f"; left out after failures: {', '.join(named + more)}"


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S} UTC"


class Messages:
    """Writes reasons, and takes back those that are over.

    Args:
        interval_s: where many VMs wait, a reason is not replaced by another more often.

    Attributes:
        is_unfinished: some VMs have not been told any reason yet.
    """

    def __init__(self, client: Caller, interval_s: float) -> None:
        self._client = client
        self._interval_s = interval_s
        self._looked_at: dict[int, float] = {}
        self.is_unfinished = False

    def tidy(self, waiting: Collection[int]) -> None:
        """Forget VMs that do not wait any more."""
        self._looked_at = {vm_id: at for vm_id, at in self._looked_at.items() if vm_id in waiting}

    def write(
        self,
        refused: Collection[int],
        reason: Callable[[int], str],
        placed: Collection[int],
        vms: Mapping[int, WaitingVm],
        now: float,
    ) -> list[int]:
        """Tell VMs why they wait, those without a reason first; return those whose message is another now.

        Args:
            reason: puts into words why a VM was refused; that takes a while and is asked for MESSAGES_MAX at most.
            placed: VMs that do not wait any more.

        Raises:
            ClientError, BadDocument: the engine is away, or answers nonsense.
        """
        texts = [(vm_id, "") for vm_id in placed if vms[vm_id].message]
        pause_s = min(PROMPT_S, self._interval_s) if len(refused) <= FEW else self._interval_s
        due = [vm_id for vm_id in refused if self._looked_at.get(vm_id, -math.inf) + pause_s <= now]
        due.sort(key=lambda vm_id: vms[vm_id].message != "")
        self.is_unfinished = any(not vms[vm_id].message for vm_id in due[MESSAGES_MAX:][:1])
        for vm_id in due[:MESSAGES_MAX]:
            self._looked_at[vm_id] = now
            text = reason(vm_id).replace("]]>", "] ]>")
            if text != vms[vm_id].message:
                texts.append((vm_id, text))
        return self._written(texts) if texts else []

    def _written(self, texts: Sequence[tuple[int, str]]) -> list[int]:
        written = []
        for (vm_id, text), answer in zip(texts, answers(self._client, "trifid.vm.tell_all", texts), strict=True):
            if answer.code:
                log.warning("vm %d  SCHED_MESSAGE was not written: %s", vm_id, answer.message)
                continue
            if text:
                log.info("vm %d  waits: %s", vm_id, text)
            written.append(vm_id)
        return written
