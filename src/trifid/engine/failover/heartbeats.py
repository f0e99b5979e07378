"""Heartbeats: what hosts write into datastores that the front-end shares with them.

A beat is a file that its host renews; that it changes is the sign, never the time that is written in it.  Beats are
read in a thread of their own: a file server that hangs keeps nobody waiting but the next look at the beats.
"""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec.structs import replace

from trifid.core.host_failure.judge import Signs

PLACE = ".trifid/hosts"
"""Directory of the beats, within a datastore; each is HOST_ID/beat there."""
BEAT_BYTES_MAX = 512


class Seen(msgspec.Struct):
    """A beat as it was seen last.

    Attributes:
        text: of the file.
        since_s: since when it is so, or is looked at.
        has_changed: whether it was seen to change.
    """

    text: str
    since_s: float
    has_changed: bool = False


class Heartbeats:
    """Reads the beats of hosts.

    Args:
        places: returns the shared datastores, by name to directory.
        monotonic: seconds of a clock that does not jump.
    """

    def __init__(self, places: Callable[[], dict[str, Path]], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._places, self._monotonic = places, monotonic
        self._seen: dict[tuple[int, str], Seen] = {}
        self._reading: asyncio.Future[dict[tuple[int, str], str]] | None = None

    async def read(self) -> None:
        """Read all beats, unless the last reading still hangs."""
        if self._reading is None or self._reading.done():
            loop = asyncio.get_running_loop()
            self._reading = loop.run_in_executor(None, read_all, self._places())
            self._reading.add_done_callback(self._take)
        await asyncio.wait([self._reading], timeout=1.0)

    def _take(self, reading: "asyncio.Future[dict[tuple[int, str], str]]") -> None:
        if not reading.cancelled() and reading.exception() is None:
            self.saw(reading.result())

    def saw(self, beats: dict[tuple[int, str], str]) -> None:
        """Take in the beats as they were found just now: (host id, datastore) to text."""
        now_s = self._monotonic()
        for key, text in beats.items():
            seen = self._seen.get(key)
            if seen is None:
                self._seen[key] = Seen(text, now_s)
            elif seen.text != text:
                self._seen[key] = Seen(text, now_s, has_changed=True)

    def newest(self, host_id: int) -> tuple[str, Seen] | None:
        """Return a host's newest beat and the datastore that it is in; None = it has none."""
        of_host = [(place, seen) for (other, place), seen in self._seen.items() if other == host_id]
        return max(of_host, key=lambda one: (one[1].since_s, one[0]), default=None)

    def added(self, host_id: int, signs: Signs) -> Signs:
        """Return signs of life with that of the heartbeat."""
        found = self.newest(host_id)
        if found is None:
            return signs
        place, seen = found
        age_s = self._monotonic() - seen.since_s
        return replace(signs, heartbeat_s=age_s, was_beating=seen.has_changed, datastore=place)


def read_all(places: dict[str, Path]) -> dict[tuple[int, str], str]:
    """Return all beats that there are; what cannot be read is none."""
    found = {}
    for name, directory in places.items():
        try:
            entries = sorted(os.scandir(directory / PLACE), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.name.isascii() and entry.name.isdecimal() and len(entry.name) <= 9:
                text = _beat(Path(entry.path) / "beat")
                if text:
                    found[(int(entry.name), name)] = text
    return found


def _beat(path: Path) -> str:
    """Return the text of a beat, empty for none; hosts write it, so nothing of it is followed or believed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        try:
            return file.read(BEAT_BYTES_MAX).decode("ascii", errors="replace").strip()
        except OSError:
            return ""
