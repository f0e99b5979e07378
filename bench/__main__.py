"""How fast it is: real processes, medians, JSON.

    make bench                  all figures, as JSON
    .venv/bin/python -m bench --quick --only copies --json figures.json

Parts: `calls` (the engine, dummy drivers), `catalogue` (many images, dummy drivers), `copies` (the drivers that copy
images, beside cp and rsync), `hosts` (many of them watched through ssh, some of them ill), `network` (addresses given
among 100,000 leases, in this process), `scheduling` (many VMs at once and single ones, dummy drivers; plans, in this
process), `planning` (which running VMs should move, in this process), `samples` (what is measured of 10,000 VMs, in
this process).  Times are walls of the client and CPU of the daemon (user + system, from the kernel's accounting).
Compare figures only within one run, or as ratios: machines that are shared drift.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path

from bench import calls, catalogue, copies, hosts, network, planning, samples, scheduling
from bench.common import Figures

PARTS = {
    "calls": calls.measure,
    "catalogue": catalogue.measure,
    "copies": copies.measure,
    "hosts": hosts.measure,
    "network": network.measure,
    "planning": planning.measure,
    "samples": samples.measure,
    "scheduling": scheduling.measure,
}
DIRECTORY = Path("/var/tmp")  # noqa: S108  (a fresh directory is made in it)
"""Where it works unless told otherwise: on a disk, which /tmp often is not."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="less of everything, for a first look")
    parser.add_argument("--only", action="append", choices=PARTS, help="measure this part (may be given several times)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument(
        "--directory", type=Path, default=DIRECTORY, metavar="DIR", help=f"work in a new directory in DIR ({DIRECTORY})"
    )
    arguments = parser.parse_args()
    figures: Figures = {"machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"}
    for name in arguments.only or PARTS:
        with tempfile.TemporaryDirectory(prefix="trifid-bench-", dir=arguments.directory) as directory:
            figures[name] = PARTS[name](Path(directory), arguments.quick)
    text = json.dumps(figures, indent=2)
    if arguments.json:
        arguments.json.write_text(f"{text}\n")
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
