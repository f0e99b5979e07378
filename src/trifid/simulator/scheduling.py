"""The scheduler, the real one, as a client of the simulated engine."""

from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import unescape

from trifid.client.errors import ApiError, ApiFault, EngineUnreachable
from trifid.scheduler.loop import Loop
from trifid.simulator.clock import Clock
from trifid.wire.answers import Answer, Fault
from trifid.wire.xmlrpc import Escaped

NEWS_S = 1.0
"""How long a round waits for news."""

Ask = Callable[..., "Answer | Fault | None"]


class SchedulerClient:
    """Looks like the API client; time passes while it waits for an answer.

    Args:
        ask: makes a call and returns its answer, None when the engine died over it.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def call(self, method: str, *args: Any) -> Any:
        """Return the result of a method; raises ClientError."""
        answer = self._ask(method, *args)
        if answer is None:
            raise EngineUnreachable("the simulated engine is gone", sent=True)
        if isinstance(answer, Fault):
            raise ApiFault(answer.text, answer.code)
        if not answer.success:
            raise ApiError(str(answer.value), answer.code, answer.object_id)
        return unescape("".join(answer.value.chunks)) if isinstance(answer.value, Escaped) else answer.value


def scheduler(ask: Ask, clock: Clock, sleep: Callable[[float], None]) -> Loop:
    """Return a scheduler whose rounds are short."""
    return Loop(
        SchedulerClient(ask), policy="striping", interval_s=NEWS_S, clock=clock.monotonic, sleep=sleep, now=clock.epoch
    )
