"""An end for exchanges over the network: the time-out of a socket is of one read, and begins anew with every byte."""

import contextlib
import http.client
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def in_time(cut: Callable[[], None], seconds: float) -> Iterator[None]:
    """End an exchange that takes longer altogether.

    Args:
        cut: breaks the connection off, from another thread; it may raise OSError when there is none any more.

    Raises:
        TimeoutError: it took longer.
    """
    is_over = threading.Event()

    def end() -> None:
        is_over.set()
        with contextlib.suppress(OSError):
            cut()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as fault:
        if is_over.is_set():
            raise TimeoutError from fault
        raise
    finally:
        timer.cancel()
    if is_over.is_set():
        raise TimeoutError
