"""What decides, and what keeps its decisions, put together from the settings."""

import time
from pathlib import Path

from trifid.placement.plan import Plan
from trifid.placement.policy import Parts, Planner, planner_of
from trifid.placement.settings import Settings
from trifid.placement.view import View
from trifid.scheduler.dispatch import Binder, Limits, carry_out
from trifid.scheduler.executable import ExecutablePlanner
from trifid.scheduler.parts import found
from trifid.scheduler.recorder import Behind, Recorder


class Decider:
    """One scheduler's planner and recorder.

    Args:
        home: what relative paths are relative to; nothing is recorded without one unless the path is absolute.

    Attributes:
        by: what decides, for people: a program, a planner, or a policy.
        binder: what carries plans out.
        limits: how much of a plan.
    """

    def __init__(self, settings: Settings, parts: Parts, home: Path | None) -> None:
        self.planner: Planner = planner_of(settings, parts)
        self.by = settings.planner or f"policy {settings.policy}"
        if settings.executable.command:
            directory = home or Path.cwd()
            self.planner = ExecutablePlanner(settings.executable, self.planner, directory, parts.filters)
            self.by = settings.executable.command[0]
        self.binder: Binder = found("binder", settings.binder) if settings.binder else carry_out
        self.limits = Limits(settings.max_vm, settings.max_dispatch, settings.max_host)
        self._recorder: Behind | None = None
        where = Path(settings.recording.directory) if home is None else home / settings.recording.directory
        if settings.recording.files_max and where.is_absolute():
            self._recorder = Behind(Recorder(where, settings, self.by, time.time))

    def decided(self, view: View, plan: Plan) -> None:
        """Keep a decision, if decisions are kept."""
        if self._recorder is not None:
            self._recorder.record(view, plan)

    def wait(self) -> None:
        """Return when all decisions are written."""
        if self._recorder is not None:
            self._recorder.wait()
