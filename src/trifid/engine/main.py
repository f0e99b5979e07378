"""trifidd, the engine's daemon: one process, one loop, started by `trifid start`.

It holds a lock on its home, so that two engines can never run the same VMs.
"""

import argparse
import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import signal
import sys
from pathlib import Path
from typing import IO, Any

from trifid.engine.children import Scheduler, write_children
from trifid.engine.config import Config, ConfigFault, load
from trifid.engine.engine import Engine
from trifid.engine.image_outbox import DELETING_SEEN_S
from trifid.placement.settings import BadSettings, Settings
from trifid.scheduler.config import read_settings
from trifid.store.interface import StoreFault
from trifid.store.samples import Samples

log = logging.getLogger("trifid")


class CannotStart(Exception):
    """The daemon cannot serve; the text says why and what to do."""


def main() -> None:
    """Run the daemon until SIGTERM or SIGINT; exit status 1 with the reason if it cannot serve."""
    arguments = _arguments()
    home = arguments.home.resolve()
    logging.basicConfig(
        level=logging.DEBUG if arguments.debug else logging.INFO,
        format="%(asctime)s %(levelname).1s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for chatty in ("uvicorn", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    ready = _Ready(arguments.ready_fd)
    try:
        lock = _lock(home)
        config = load(home)
        placement = read_settings(home / "trifid.toml")  # refuses what the scheduler would refuse
        _run(home, config, placement, ready)
        lock.close()
    except (CannotStart, ConfigFault, BadSettings, StoreFault, OSError) as reason:
        log.critical("cannot start: %s", reason)
        ready.failed(str(reason))
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="trifidd", description="The engine's daemon; see also: trifid start --help")
    default = os.environ.get("TRIFID_HOME")
    parser.add_argument("--home", type=Path, required=default is None, default=default and Path(default))
    parser.add_argument("--ready-fd", type=int, default=-1, help="write READY or FAILED to this descriptor")
    parser.add_argument("--debug", action="store_true", help="log lines on the wire as well")
    return parser.parse_args()


class _Ready:
    """Tells whoever started us that we serve, or why not."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def serving(self) -> None:
        self._write("READY\n")

    def failed(self, reason: str) -> None:
        self._write(f"FAILED {' '.join(reason.split())}\n")

    def _write(self, text: str) -> None:
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.write(self._descriptor, text.encode())
                os.close(self._descriptor)
            self._descriptor = -1


def _lock(home: Path) -> IO[str]:
    """Take the home for this process alone."""
    if not (home / "trifid.toml").exists():
        raise CannotStart(f'{home} is not the home of an engine: make one with "trifid init --home {home}"')
    (home / "run").mkdir(exist_ok=True)
    lock = (home / "run" / "lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CannotStart(f'another engine runs from {home}: see "trifid status --home {home}"') from None
    return lock


def _run(home: Path, config: Config, placement: Settings, ready: _Ready) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve(home, config, placement, ready))
    else:
        uvloop.run(_serve(home, config, placement, ready))


async def _serve(home: Path, config: Config, placement: Settings, ready: _Ready) -> None:
    from trifid.doors.events import Bounds, with_events
    from trifid.doors.metrics import with_metrics
    from trifid.doors.server import serve
    from trifid.doors.upload import with_uploads
    from trifid.doors.upload_files import Limits, Uploads
    from trifid.doors.xmlrpc import application
    from trifid.methods.dispatch import SETTLED_WITHIN_S, Dispatcher
    from trifid.methods.event_stream import opener
    from trifid.methods.metrics import reader
    from trifid.methods.registry import METHODS
    from trifid.methods.uploads import admission
    from trifid.methods.vm_schedules import carry_out
    from trifid.store.sql import open_store

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    store = open_store(config.database.url, home)
    engine = Engine(home, config, store, samples=_samples(config, home))
    (home / "run" / "trifidd.pid").write_text(f"{os.getpid()}\n")
    try:
        engine.images.deleting_seen_s = DELETING_SEEN_S
        await engine.start(_first_administrator(home))
        dispatcher = Dispatcher(engine, SETTLED_WITHIN_S, placement)
        engine.schedule.start(carry_out(engine))
        uploads = Uploads(home / "uploads", Limits(config.api.upload_bytes_max, config.api.upload_user_bytes_max))
        for name in uploads.sweep():
            log.info("upload %s was left alone for too long: removed", name)
        calls = application(dispatcher, methods=sorted(METHODS), body_bytes_max=config.api.body_bytes_max)
        app = with_uploads(calls, uploads, admission(engine))
        told = config.monitoring
        if told.metrics:
            app = with_metrics(app, reader(engine, told.metrics_open, told.metrics_objects_max))
        events = config.events
        if events.streams_max:
            bounds = Bounds(events.streams_max, events.streams_user_max, events.heartbeat_s)
            app = with_events(app, opener(engine), bounds)
        async with serve(app, config.api.listen, config.api.port, proxies=config.api.proxies):
            gc.collect()
            gc.freeze()
            scheduler = Scheduler(home, config.scheduler, lambda: engine.processes_changed())
            engine.processes_changed = lambda: write_children(home / "run" / "children.json", engine.drivers, scheduler)
            scheduler.start()
            log.info("serving at http://%s:%d/RPC2, home %s", config.api.listen, config.api.port, home)
            ready.serving()
            engine.processes_changed()
            await _until(stop, engine)
            log.info("stopping")
            await scheduler.stop()
            engine.watch.close()
    finally:
        await engine.stop()
        with contextlib.suppress(FileNotFoundError):
            (home / "run" / "trifidd.pid").unlink()


def _samples(config: Config, home: Path) -> Samples | None:
    """Open what samples are kept in; without it there is no history, and all else goes on."""
    from trifid.store.samples import open_samples

    try:
        return open_samples(config.database.url, home)
    except StoreFault as fault:
        log.warning("samples of hosts and VMs are not kept: %s", fault)
        return None


async def _until(stop: asyncio.Event, engine: Engine) -> None:
    """Return when told to stop; raise when the database no longer takes writes."""
    told = asyncio.ensure_future(stop.wait())
    either: set[asyncio.Future[Any]] = {told, engine.turns.failed}
    done, _ = await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if told not in done:
        told.cancel()
        raise engine.turns.failed.result()


def _first_administrator(home: Path) -> str:
    path = home / "one_auth"
    try:
        line = path.read_text(encoding="utf-8").strip()
    except OSError as fault:
        raise CannotStart(f'{path}: {fault.strerror}: it holds "oneadmin:PASSWORD", made by "trifid init"') from fault
    if ":" not in line:
        raise CannotStart(f'{path} must hold one line "oneadmin:PASSWORD"')
    return line


if __name__ == "__main__":
    main()
