"""The scheduler process: `trifid-scheduler`, `mm_sched`.

A client of the public API.  The daemon starts it; it may as well run by itself, beside the daemon or
elsewhere, and several may run at once: the engine refuses what was done already.
"""

import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import click
from msgspec.structs import asdict

from trifid.client import Client, ClientError, from_environment
from trifid.placement import storage
from trifid.placement.lease_rules import Pace
from trifid.placement.own import PartFailed
from trifid.placement.policies import POLICIES
from trifid.placement.settings import BadSettings
from trifid.scheduler.config import settings_of, with_options
from trifid.scheduler.decider import Decider
from trifid.scheduler.loop import WAIT_S_MAX, Loop
from trifid.scheduler.parts import parts_of

log = logging.getLogger("trifid.scheduler")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), help="Home of the engine to schedule for.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File whose table [scheduler] has the settings, instead of HOME/trifid.toml.  Options come before settings.",
)
@click.option("-t", "--interval", type=click.IntRange(min=1), help="Longest time between two looks, in seconds.")
@click.option("--policy", help=f"How hosts are ranked for VMs without SCHED_RANK: {', '.join(POLICIES)}.")
@click.option(
    "--datastore-policy",
    help=f"How system datastores are ranked for VMs without SCHED_DS_RANK: {', '.join(storage.POLICIES)}.",
)
@click.option("--max-vm", type=click.IntRange(min=0), help="VMs considered in one round; 0: all.")
@click.option("--max-dispatch", type=click.IntRange(min=0), help="VMs placed in one round; 0: all.")
@click.option("--max-host", type=click.IntRange(min=0), help="VMs placed on one host in one round; 0: any number.")
@click.option("--stdin-guard", is_flag=True, help="End when stdin ends.")
def main(home: Path | None, config: Path | None, stdin_guard: bool, interval: int | None, **options: Any) -> None:
    """Place waiting virtual machines on hosts."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    named = os.environ.get("TRIFID_HOME")
    directory = home or (Path(named) if named else None)
    try:
        settings = with_options(settings_of(directory, config), {**options, "interval_s": interval})
        decider = Decider(settings, parts_of(settings), directory)
        endpoint, session = from_environment(home)
    except (ClientError, BadSettings) as fault:
        raise click.ClickException(str(fault)) from fault
    if stdin_guard:
        threading.Thread(target=_end_with, args=(sys.stdin.fileno(),), daemon=True).start()
    log.info("scheduling for %s, %s decides, at least every %d s", endpoint, decider.by, settings.interval_s)
    # A call may wait for news for a while before it is answered.
    client = Client(endpoint, session, timeout_s=WAIT_S_MAX + 10.0)
    loop = Loop(
        client,
        planner=decider.planner,
        binder=decider.binder,
        decided=decider.decided,
        interval_s=settings.interval_s,
        clock=time.monotonic,
        sleep=time.sleep,
        now=time.time,
        limits=decider.limits,
        pace=Pace(**asdict(settings.leases)),
        replacement=settings.replacement,
    )
    try:
        loop.run()
    except PartFailed as fault:
        raise click.ClickException(str(fault)) from fault


def _end_with(descriptor: int) -> None:
    """End the process when nothing more can be read: whoever started it is gone."""
    # Not through sys.stdin: its lock would be held here, and an end for another reason would be a crash of Python.
    while os.read(descriptor, 4096):
        pass
    log.info("stdin has ended, so do I")
    # The main thread may be waiting for an answer; there is nothing to clean up.
    os._exit(0)


if __name__ == "__main__":
    main()
