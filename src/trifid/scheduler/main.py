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
from typing import BinaryIO

import click

from trifid.client import Client, ClientError, from_environment
from trifid.placement import networks, storage
from trifid.placement.place import POLICIES
from trifid.scheduler.loop import WAIT_S_MAX, Loop

log = logging.getLogger("trifid.scheduler")

DEFAULT_INTERVAL_S = 30


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), help="Home of the engine to schedule for.")
@click.option(
    "-t",
    "--interval",
    type=click.IntRange(min=1),
    default=DEFAULT_INTERVAL_S,
    show_default=True,
    help="Longest time between two looks, in seconds.",
)
@click.option(
    "--policy",
    type=click.Choice(sorted(POLICIES)),
    default="striping",
    show_default=True,
    help="How hosts are ranked for VMs without SCHED_RANK.",
)
@click.option(
    "--datastore-policy",
    type=click.Choice(sorted(storage.POLICIES)),
    default="striping",
    show_default=True,
    help="How system datastores are ranked for VMs without SCHED_DS_RANK.",
)
@click.option(
    "--network-policy",
    type=click.Choice(sorted(networks.POLICIES)),
    default="striping",
    show_default=True,
    help="How networks are ranked for NICs with NETWORK_MODE=auto and without SCHED_RANK.",
)
@click.option("--same-network", is_flag=True, help="Such NICs of one VM may get the same network.")
@click.option("--stdin-guard", is_flag=True, help="End when stdin ends.")
def main(
    home: Path | None,
    interval: int,
    policy: str,
    datastore_policy: str,
    network_policy: str,
    same_network: bool,
    stdin_guard: bool,
) -> None:
    """Place waiting virtual machines on hosts."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        endpoint, session = from_environment(home)
    except ClientError as fault:
        raise click.ClickException(str(fault)) from fault
    if stdin_guard:
        threading.Thread(target=_end_with, args=(sys.stdin.buffer,), daemon=True).start()
    log.info("scheduling for %s, policy %s, at least every %d s", endpoint, policy, interval)
    # A call may wait for news for a while before it is answered.
    client = Client(endpoint, session, timeout_s=WAIT_S_MAX + 10.0)
    Loop(
        client,
        policy=policy,
        datastore_policy=datastore_policy,
        network_policy=network_policy,
        different_networks=not same_network,
        interval_s=interval,
        clock=time.monotonic,
        sleep=time.sleep,
    ).run()


def _end_with(stream: BinaryIO) -> None:
    """End the process when `stream` ends: whoever started it is gone."""
    while stream.read(4096):
        pass
    log.info("stdin has ended, so do I")
    # The main thread may be waiting for an answer; there is nothing to clean up.
    os._exit(0)


if __name__ == "__main__":
    main()
