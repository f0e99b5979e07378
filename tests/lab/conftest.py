"""What guest tests stand on: a guest built once, and a bridge in the lab's own network namespace."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

BRIDGE = "trifid0"
GATEWAY = "10.0.0.254/24"
_BUILD = Path(__file__).parents[2] / "examples" / "guest" / "build"


class Guest(NamedTuple):
    """The tiny guest of the demo."""

    kernel: Path
    initrd: Path
    root: Path
    pristine: bytes


def pytest_configure() -> None:
    """Refuse to run outside the lab: guests and their traffic stay in namespaces of their own."""
    if os.environ.get("TRIFID_LAB") != "1":
        sys.exit("guest tests run inside the lab: tools/in-lab .venv/bin/python -m pytest tests/lab")


@pytest.fixture(scope="session")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Guest:
    """Kernel, initial RAM disk and root disk."""
    out = tmp_path_factory.mktemp("guest")
    subprocess.run([str(_BUILD), str(out)], check=True)
    root = out / "root.img"
    return Guest(out / "vmlinuz", out / "initrd.img", root, root.read_bytes())


@pytest.fixture(scope="module")
def bridge() -> Iterator[str]:
    """The bridge of the private network, with this machine's address in it."""
    subprocess.run(["ip", "link", "add", BRIDGE, "address", "02:ff:00:00:00:fe", "type", "bridge"], check=True)
    subprocess.run(["ip", "addr", "add", GATEWAY, "dev", BRIDGE], check=True)
    subprocess.run(["ip", "link", "set", BRIDGE, "up"], check=True)
    yield BRIDGE
    subprocess.run(["ip", "link", "del", BRIDGE], check=True)
