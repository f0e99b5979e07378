"""SCHED_MESSAGE: every VM that waits is told why."""

import logging
import math
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from trifid.placement.view import WaitingVm
from trifid.scheduler.dispatch import answers
from trifid.scheduler.look import Caller

log = logging.getLogger("trifid.scheduler")

MESSAGES_MAX = 200
"""Texts written in one round, so that explaining never keeps VMs from being placed."""
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
        interval_s: a reason is not replaced by another more often.
    """

    def __init__(self, client: Caller, interval_s: float) -> None:
        self._client = client
        self._interval_s = interval_s
        self._written_at: dict[int, float] = {}

    def tidy(self, waiting: Collection[int]) -> None:
        """Forget VMs that do not wait any more."""
        self._written_at = {vm_id: at for vm_id, at in self._written_at.items() if vm_id in waiting}

    def write(
        self, refusals: Mapping[int, str], placed: Collection[int], vms: Mapping[int, WaitingVm], now: float
    ) -> list[int]:
        """Tell VMs why they wait, those without a reason first; return those whose message is another now.

        Raises:
            ClientError, BadDocument: the engine is away, or answers nonsense.
        """
        refusals = {vm_id: text.replace("]]>", "] ]>") for vm_id, text in refusals.items()}
        over = [(vm_id, "") for vm_id in placed if vms[vm_id].message]
        due = [(vm_id, text) for vm_id, text in refusals.items() if self._is_due(vms[vm_id], text, now)]
        due.sort(key=lambda one: vms[one[0]].message != "")
        texts = [*over, *due[:MESSAGES_MAX]]
        if not texts:
            return []
        written = []
        for (vm_id, text), answer in zip(texts, answers(self._client, "trifid.vm.tell_all", texts), strict=True):
            self._written_at[vm_id] = now
            if answer.code:
                log.warning("vm %d  SCHED_MESSAGE was not written: %s", vm_id, answer.message)
                continue
            if text:
                log.info("vm %d  waits: %s", vm_id, text)
            written.append(vm_id)
        return written

    def _is_due(self, vm: WaitingVm, text: str, now: float) -> bool:
        if text == vm.message:
            return False
        return not vm.message or self._written_at.get(vm.id, -math.inf) + self._interval_s <= now
