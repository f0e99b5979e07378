"""Watching many hosts through ssh: how late reports are, and what the driver takes; all hosts are this machine."""

import tempfile
from pathlib import Path

import msgspec

from bench.common import Figures
from tests.drivers.fleet import observe

SIZES, QUICK_SIZES = (50, 200), (20,)
PERIOD_S = 10.0
REACHED_WITHIN_S = 300.0


def measure(directory: Path, quick: bool) -> Figures:
    """Return the figures by number of hosts; a few hosts of each fleet are ill."""
    found: Figures = {}
    for size in QUICK_SIZES if quick else SIZES:
        home = Path(tempfile.mkdtemp(dir=directory))
        _, figures, _ = observe(home, size, PERIOD_S, 2.5 * PERIOD_S, REACHED_WITHIN_S)
        rounded = {name: round(value, 3) for name, value in msgspec.structs.asdict(figures).items()}
        found[f"{size} hosts every {PERIOD_S:g} s"] = rounded
    return found
