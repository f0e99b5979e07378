"""Somebody who looks at a guest's page all the time, and notes how long it took at most."""

import threading
import time
import urllib.request

LONGEST_ANSWER_S = 10.0


class Visitor:
    """Asks a guest for its page, again and again, while a block runs.

    Attributes:
        asked: how often.
        failures: why it got none.
        longest_s: the longest time between two pages.
    """

    def __init__(self, address: str) -> None:
        self._url = f"http://{address}/"
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.asked = 0
        self.failures: list[str] = []
        self.longest_s = 0.0

    def __enter__(self) -> "Visitor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _ask(self) -> None:
        answered = time.monotonic()
        while not self._ends.is_set():
            self.asked += 1
            try:
                with urllib.request.urlopen(self._url, timeout=LONGEST_ANSWER_S) as answer:
                    answer.read()
            except OSError as fault:
                self.failures.append(str(fault))
            else:
                self.longest_s = max(self.longest_s, time.monotonic() - answered)
                answered = time.monotonic()
