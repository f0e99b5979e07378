"""Keeps decisions as files, so that they can be planned again: a ring bounded by number and bytes.

A decision that cannot be written is not worth a VM that waits: it is told once, and scheduling goes on.
"""

import contextlib
import logging
import os
import queue
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

from trifid.placement.plan import Plan
from trifid.placement.recorded import Decision, pack
from trifid.placement.settings import Settings
from trifid.placement.view import View

log = logging.getLogger("trifid.scheduler")

NAME = re.compile(r"([0-9]{8,})-([0-9TZ]+)\.json\.gz")
QUEUED_MAX = 4
"""Decisions that wait to be written; when the disk is slower than that, further ones are left out."""


class Recorder:
    """Writes decisions into a directory.

    Args:
        by: what decides, see Decision.
        now: seconds since 1970.
    """

    def __init__(self, directory: Path, settings: Settings, by: str, now: Callable[[], float]) -> None:
        self._now = now
        self._directory = directory
        self._settings = settings
        self._by = by
        self._refusals: dict[int, str] = {}
        self._trouble = ""

    def is_new(self, plan: Plan) -> bool:
        """Tell whether a plan decides anything that the last one did not."""
        return bool(plan.placements) or plan.refusals != self._refusals

    def record(self, view: View, plan: Plan) -> None:
        """Write a decision if it is new, and remove those that are too many; a full disk is told once."""
        if not self.is_new(plan):
            return
        self._refusals = dict(plan.refusals)
        packed = pack(Decision(view, plan, self._settings, self._by))
        trouble = ""
        if len(packed) > (limit := self._settings.recording.bytes_max):
            trouble = f"one alone takes more than the {limit} bytes of [scheduler.recording] bytes_max"
        else:
            try:
                self._write(packed)
            except OSError as fault:
                trouble = fault.strerror or str(fault)
        if trouble and trouble != self._trouble:
            log.warning("decisions are not recorded in %s: %s", self._directory, trouble)
        self._trouble = trouble

    def _write(self, packed: bytes) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = recorded(self._directory)
        number = 1 + max((int(match[1]) for path in there if (match := NAME.fullmatch(path.name))), default=0)
        self._make_room(there, len(packed))
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._now()))
        path = self._directory / f"{number:08d}-{moment}.json.gz"
        part = self._directory / "new.part"
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(packed)
            part.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()
            raise

    def _make_room(self, there: list[Path], needed_bytes: int) -> None:
        """Remove the oldest decisions until another one may be kept."""
        limits = self._settings.recording
        sizes = [path.stat().st_size for path in there]
        total = sum(sizes)
        left = len(there)
        for path, size in zip(there, sizes, strict=True):
            if left < limits.files_max and total + needed_bytes <= limits.bytes_max:
                return
            path.unlink(missing_ok=True)
            left, total = left - 1, total - size


class Behind:
    """Hands decisions to a recorder in a thread of its own, so that no VM waits for a disk."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._queue: queue.Queue[tuple[View, Plan]] = queue.Queue(QUEUED_MAX)
        self._is_late = False
        threading.Thread(target=self._run, name="recorder", daemon=True).start()

    def record(self, view: View, plan: Plan) -> None:
        """Have a decision written soon; returns at once."""
        kept = Plan(list(plan.placements), dict(plan.refusals), dict(plan.warnings))
        try:
            self._queue.put_nowait((view, kept))
            self._is_late = False
        except queue.Full:
            if not self._is_late:
                log.warning("decisions come faster than they can be recorded: some are left out")
            self._is_late = True

    def wait(self) -> None:
        """Return when all that was handed over is written."""
        self._queue.join()

    def _run(self) -> None:
        while True:
            view, plan = self._queue.get()
            try:
                self._recorder.record(view, plan)
            finally:
                self._queue.task_done()


def recorded(directory: Path) -> list[Path]:
    """Return the decisions in a directory, oldest first.

    Raises:
        OSError: the directory cannot be read; one that is missing has none.
    """
    if not directory.exists():
        return []
    found = [(int(match[1]), path) for path in directory.iterdir() if (match := NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found)]
