"""The processes beside the engine: the scheduler, kept running, and a file that tells about all of them.

The scheduler is a client of the public API like any other; it only starts and ends with the daemon.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from trifid.engine.config import SchedulerSettings
from trifid.engine.drivers import DriverSet

log = logging.getLogger("trifid.scheduler")

RESTART_DELAYS_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_AFTER_S = 60.0
STOP_GRACE_S = 5.0


def write_children(path: Path, drivers: DriverSet, scheduler: "Scheduler") -> None:
    """Write which processes there are, for `trifid status --pids`; readers see the old file or the new one.

    A driver that nobody needs yet has neither a process nor a trouble, and is left out.
    """
    now: list[dict[str, object]] = [
        {"name": str(driver), "pid": driver.pid, "trouble": driver.trouble}
        for driver in drivers.each()
        if driver.pid or driver.trouble
    ]
    now.append({"name": "scheduler", "pid": scheduler.pid, "trouble": scheduler.trouble})
    part = path.with_suffix(".part")
    part.write_text(json.dumps(now))
    part.replace(path)


class Scheduler:
    """Starts the scheduler again whenever it ends.

    Attributes:
        pid: of the process, 0 while there is none.
        trouble: why there is none, for people.
    """

    def __init__(self, home: Path, settings: SchedulerSettings, changed: Callable[[], None] = lambda: None) -> None:
        self.pid = 0
        self._changed = changed
        self.trouble = "" if settings.enabled else "switched off in trifid.toml"
        self._home = home
        self._settings = settings
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    def start(self) -> None:
        """Start it, if the configuration says so."""
        if self._settings.enabled:
            self._task = asyncio.create_task(self._keep_running(), name="scheduler")

    async def stop(self) -> None:
        """End it: SIGTERM, then SIGKILL; should we die first, the end of its stdin ends it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_GRACE_S)
                return

    async def _keep_running(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            try:
                code = await self._run_once()
            except OSError as fault:
                self.trouble = str(fault)
            else:
                self.trouble = f"it ended with exit status {code}, see log/scheduler.log"
            self.pid = 0
            self._changed()
            failures = 0 if loop.time() - began > STEADY_AFTER_S else failures + 1
            delay_s = RESTART_DELAYS_S[min(failures, len(RESTART_DELAYS_S) - 1)]
            log.error("scheduler is down: %s; next try in %g s", self.trouble, delay_s)
            await asyncio.sleep(delay_s)

    async def _run_once(self) -> int:
        with (self._home / "log" / "scheduler.log").open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "trifid.scheduler.main",
                "--home",
                str(self._home),
                "--stdin-guard",
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, "TRIFID_HOME": str(self._home)},
            )
        self.pid, self.trouble = self._process.pid, ""
        self._changed()
        return await self._process.wait()
