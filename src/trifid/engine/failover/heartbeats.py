"""Heartbeats: what hosts write into datastores that the front-end shares with them.

A beat is a file that its host renews; that it changes is the sign, never the time that is written in it.  Beats are
read in a thread of their own: a file server that hangs keeps nobody waiting but the next look at the beats.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec.structs import replace

from trifid.core.host_failure.judge import Signs
from trifid.core.host_failure.lease import Beat, is_over, lease_s_of

log = logging.getLogger("trifid.failover")

PLACE = ".trifid/hosts"
"""Directory of the beats, within a datastore; each is HOST_ID/beat there."""
BEAT_BYTES_MAX = 512
UNREAD_S = 30.0
"""A datastore in which no beat at all was read for so long cannot be read."""


class Seen(msgspec.Struct):
    """A beat as it was seen last.

    Attributes:
        text: of the file.
        since_s: since when it is so, or is looked at.
        read_s: when the last reading was begun that found it at all.
        has_changed: whether it was seen to change.
    """

    text: str
    since_s: float
    read_s: float
    has_changed: bool = False


class Heartbeats:
    """Reads the beats of hosts.

    Args:
        monotonic: seconds of a clock that does not jump.

    Attributes:
        places: returns the shared datastores, by name to directory.
    """

    def __init__(self, places: Callable[[], dict[str, Path]], monotonic: Callable[[], float] = time.monotonic) -> None:
        self.places, self._monotonic = places, monotonic
        self._seen: dict[tuple[int, str], Seen] = {}
        self._read_s = 0.0
        self._reading: asyncio.Future[dict[tuple[int, str], str]] | None = None

    async def read(self) -> None:
        """Read all beats, unless the last reading still hangs."""
        if self._reading is None or self._reading.done():
            loop = asyncio.get_running_loop()
            begun_s = self._monotonic()
            self._reading = loop.run_in_executor(None, read_all, self.places())
            self._reading.add_done_callback(lambda reading: self._take(reading, begun_s))
        await asyncio.wait([self._reading], timeout=1.0)

    def _take(self, reading: "asyncio.Future[dict[tuple[int, str], str]]", begun_s: float) -> None:
        if reading.cancelled():
            return
        if (fault := reading.exception()) is not None:
            log.error("heartbeats could not be read: %s: %s", type(fault).__name__, fault)
        else:
            self.saw(reading.result(), begun_s)

    def saw(self, beats: dict[tuple[int, str], str], begun_s: float | None = None) -> None:
        """Take in the beats as they were found: (host id, datastore) to text.

        Args:
            begun_s: when the reading was begun; None = just now.
        """
        now_s = self._monotonic()
        self._read_s = now_s if begun_s is None else begun_s
        for key, text in beats.items():
            seen = self._seen.get(key)
            if seen is None:
                self._seen[key] = Seen(text, now_s, self._read_s)
            elif seen.text != text:
                self._seen[key] = Seen(text, now_s, self._read_s, has_changed=True)
            else:
                seen.read_s = self._read_s

    def newest(self, host_id: int) -> tuple[str, Seen] | None:
        """Return a host's newest beat and the datastore that it is in; None = it has none."""
        of_host = [(place, seen) for (other, place), seen in self._seen.items() if other == host_id]
        return max(of_host, key=lambda one: (one[1].since_s, one[0]), default=None)

    def has_lease(self, host_id: int) -> bool:
        """Tell whether a host declares a lease in any datastore."""
        return any(lease_s_of(seen.text) for (other, _), seen in self._seen.items() if other == host_id)

    def ended(self, host_id: int, margin_s: float, fresh_s: float) -> frozenset[str]:
        """Return the datastores in which a host's lease is over.

        Args:
            fresh_s: another host's beat that changed within this time shows that what is read is true.
        """
        return frozenset(
            place
            for (other, place), seen in self._seen.items()
            if other == host_id and is_over(self._beat(host_id, place, seen, fresh_s), margin_s)
        )

    def _beat(self, host_id: int, place: str, seen: Seen, fresh_s: float) -> Beat:
        others = [
            one
            for (other, at), one in self._seen.items()
            if at == place and other != host_id and one.has_changed and self._read_s - one.since_s <= fresh_s
        ]
        return Beat(seen.text, seen.since_s, seen.read_s, seen.has_changed, bool(others))

    def added(self, host_id: int, signs: Signs) -> Signs:
        """Return signs of life with that of the heartbeat.

        While nothing can be read in its datastore, it is as old as it was then: not to look is not to see nothing.
        """
        found = self.newest(host_id)
        if found is None:
            return signs
        place, seen = found
        now_s, looked_s = self._monotonic(), max(one.read_s for (_, at), one in self._seen.items() if at == place)
        is_read = now_s - looked_s <= UNREAD_S
        age_s = (now_s if is_read else looked_s) - seen.since_s
        return replace(signs, heartbeat_s=max(0.0, age_s), was_beating=seen.has_changed and is_read, datastore=place)


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
