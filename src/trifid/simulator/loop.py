"""An event loop on virtual time for one life of the engine: no selector, no threads, no sleeping.

asyncio's tasks, futures, events and time-outs run on it as they are.  Executors run what they are given in
the same thread, after a moment of virtual time, so that other things may happen while the store writes.
"""

import asyncio
import contextlib
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context
from typing import Any

from trifid.simulator.clock import Clock

CALLBACKS_AT_ONCE_MAX = 1_000_000
"""More than this without time passing is a loop that never ends."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs callbacks when it is told to.

    Args:
        executor_delay_s: returns how long the next function given to an executor takes.
        went_wrong: hears what a callback raised that nobody caught.
    """

    def __init__(
        self, clock: Clock, executor_delay_s: Callable[[], float], went_wrong: Callable[[dict[str, Any]], None]
    ) -> None:
        self._clock = clock
        self._executor_delay_s = executor_delay_s
        self._went_wrong = went_wrong
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    # -- what the simulation does with it --------------------------------------------------------

    def settle(self) -> None:
        """Run everything that can run now, and what follows from it, without time passing."""
        if not self.is_due:
            return
        with self.entered():
            for _ in range(CALLBACKS_AT_ONCE_MAX):
                self._wake()
                if not self._ready:
                    return
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
        raise RuntimeError(f"{CALLBACKS_AT_ONCE_MAX} callbacks ran and no time has passed")

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Be the running loop, for what is made before anything runs."""
        asyncio._set_running_loop(self)
        try:
            yield
        finally:
            asyncio._set_running_loop(None)

    def _wake(self) -> None:
        while self._timers and (self._timers[0][2].cancelled() or self._timers[0][0] <= self._clock.now_s):
            self._ready.append(heapq.heappop(self._timers)[2])

    @property
    def is_due(self) -> bool:
        """Whether something can run now."""
        return bool(self._ready) or self.next_s <= self._clock.now_s

    @property
    def next_s(self) -> float:
        """When the next timer is due, infinity when there is none."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else float("inf")

    def bury(self) -> None:
        """The process is gone: nothing of it ever runs again."""
        self._is_closed = True
        self._ready.clear()
        self._timers.clear()
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coroutine = task.get_coro()
            if coroutine is not None:
                with contextlib.suppress(RuntimeError):  # it would go on waiting: nobody will ever wake it
                    coroutine.close()
        self._tasks.clear()

    # -- what asyncio asks of a loop -------------------------------------------------------------

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Queue a callback."""
        handle = asyncio.Handle(callback, args, self, context)
        if not self._is_closed:
            self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Queue a callback for later."""
        return self.call_at(self._clock.now_s + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Queue a callback for a time."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        if not self._is_closed:
            heapq.heappush(self._timers, (when, next(self._numbers), timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Hear that a timer was cancelled; it is dropped when its time comes."""

    def time(self) -> float:
        """Return the virtual time."""
        return self._clock.now_s

    def create_future(self) -> "asyncio.Future[Any]":
        """Return a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None
    ) -> "asyncio.Task[Any]":
        """Return a task of this loop."""
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> "asyncio.Future[Any]":  # type: ignore[override]
        """Run a function in this thread, a moment later; whoever runs meanwhile sees it not done yet."""
        future = self.create_future()
        self.call_later(self._executor_delay_s(), self._execute, future, func, args)
        return future

    def _execute(self, future: "asyncio.Future[Any]", func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        try:
            result = func(*args)
        except Exception as error:  # whatever it is belongs to whoever awaits the future, as with a real executor
            if not future.done():
                future.set_exception(error)
        else:
            if not future.done():
                future.set_result(result)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Hear what nobody caught."""
        if not self._is_closed:
            self._went_wrong(context)

    def get_debug(self) -> bool:
        """Tell that asyncio's own debugging is off."""
        return False

    def is_running(self) -> bool:
        """Tell whether a callback runs."""
        return asyncio._get_running_loop() is self

    def is_closed(self) -> bool:
        """Tell whether the process that it ran for is gone."""
        return self._is_closed
