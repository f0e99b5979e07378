"""How many slow requests a datastore driver carries out at a time, so that the others need not wait for them.

Importing and cloning keep a disk busy: more of them at once make it slower, not faster.  Looking at a URL waits for
somebody else's machine.  What is only removed, made empty or asked for goes on meanwhile.
"""

import contextlib
import threading
from collections.abc import Iterator

from trifid.drivers.download import is_url
from trifid.drivers.kit import Failure, Request
from trifid.wire.image_action import ImageActionData

WORKERS = 256
"""Requests that are carried out or wait for a slot."""
COPIES_MAX = 4
LOOKS_MAX = 8
LOOK_WAIT_S = 20.0
"""How long a look at a URL waits: somebody waits for its answer, and many that wait must not take all workers."""
_POLL_S = 0.2
_TELL_EVERY_S = 60.0
"""How often a request that waits says so; the engine's time-out begins anew then."""


class Slots:
    """A number of slots, taken by requests.

    Args:
        wait_max_s: how long a request waits for one; None: until it is cancelled.
        poll_s: how often it looks for one.
    """

    def __init__(self, number: int, wait_max_s: float | None = None, poll_s: float = _POLL_S) -> None:
        self._number = number
        self._free = threading.BoundedSemaphore(number)
        self._wait_max_s = wait_max_s
        self._poll_s = poll_s

    @contextlib.contextmanager
    def taken(self, request: Request) -> Iterator[None]:
        """Have a slot while the block lasts.

        Raises:
            Failure: there is none for too long, or the request is cancelled while it waits.
        """
        self._take(request)
        try:
            yield
        finally:
            self._free.release()

    def _take(self, request: Request) -> None:
        waited_s, told_s = 0.0, -_TELL_EVERY_S
        while not self._free.acquire(blocking=False):
            if self._wait_max_s is not None and waited_s >= self._wait_max_s:
                raise Failure(f"{self._number} others are at work and none came to its end: try again later")
            if waited_s - told_s >= _TELL_EVERY_S:
                request.log(f"waits, {self._number} others are at work")
                told_s = waited_s
            request.wait(self._poll_s)
            waited_s += self._poll_s


_COPIES = Slots(COPIES_MAX)
_LOOKS = Slots(LOOKS_MAX, LOOK_WAIT_S)


@contextlib.contextmanager
def slot_for(request: Request, data: ImageActionData) -> Iterator[None]:
    """Have the slot that a request needs, if it needs one, while the block lasts; raises as Slots.taken."""
    if request.verb in ("CP", "CLONE"):
        with _COPIES.taken(request):
            yield
    elif request.verb == "STAT" and is_url(data.path):
        with _LOOKS.taken(request):
            yield
    else:
        yield
