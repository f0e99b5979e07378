"""Every command of the ssh driver, killed before each thing that it has done on any machine, and done again.

The hosts are loops of the shell as on any host, reached without ssh: there are some hundreds of kills.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.drivers.kills import KillTable, contents, size
from tests.drivers.ssh_builders import Scene
from trifid.drivers.remote.channel import PROGRAM, Channel, Stream
from trifid.drivers.remote.host import Host, Hosts
from trifid.drivers.remote.way import Way


class Near(Hosts):
    """Hosts whose loops run here."""

    def __init__(self) -> None:
        super().__init__(Way(Path("/nowhere")))
        self._hosts |= {name: Host(name, ["sh", "-c", PROGRAM]) for name in ("host1", "host2")}


@pytest.fixture(autouse=True)
def audited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each command that a machine is given be a touch that the kills see."""
    for of, name in ((Channel, "run"), (Stream, "write"), (Stream, "finish")):
        monkeypatch.setattr(of, name, _audited(getattr(of, name)))


def _audited(original: Callable[..., object]) -> Callable[..., object]:
    def call(*arguments: object, **more: object) -> object:
        sys.audit("tests.remote")
        return original(*arguments, **more)

    return call


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def image(scene: Scene) -> None:
    put(scene.image, b"boot" * 100)
    put(Path(f"{scene.image}.snap") / "0", b"kept")


def disk(scene: Scene) -> None:
    image(scene)
    put(scene.here / "disk.0", b"guest" * 100)
    put(scene.here / "disk.0.snap" / "0", b"kept")
    put(scene.here / "disk.0.snap" / "1", b"kept later")


def disk_alone(scene: Scene) -> None:
    scene.image.parent.mkdir(parents=True)
    put(scene.here / "disk.0", b"guest" * 100)


def disk_copied(scene: Scene) -> None:
    disk_alone(scene)
    put(scene.here / "disk.0.copy", b"then")


def vm(scene: Scene) -> None:
    put(scene.here / "disk.0", b"guest" * 100)
    put(scene.here / "disk.0.snap" / "0", b"kept")
    put(scene.there / "disk.0", b"of an earlier stay")
    put(scene.there / "disk.7", b"of an earlier stay")


def migrated(scene: Scene) -> None:
    vm(scene)
    scene.do("CP HERE AWAY")


def stopped(scene: Scene) -> None:
    vm(scene)
    scene.do("MV HERE KEPT/images")


def saved_before(scene: Scene) -> None:
    disk(scene)
    put(scene.kept / "disk.0", b"saved before")


def context(scene: Scene) -> None:
    put(scene.kept / "context.sh", b"A='b'\n")
    put(scene.kept / "cidata" / "user-data", b"#cloud-config\n")


COMMANDS = [
    ("CLONE IMAGE HERE/disk.0", image),
    ("LN IMAGE HERE/disk.0", image),
    ("MKSWAP 1 HERE/disk.0", image),
    ("MKIMAGE 1 raw HERE/disk.0", image),
    ("CONTEXT KEPT/context.sh HERE/disk.1", context),
    ("MV HERE KEPT/images", vm),
    ("MV KEPT/images AWAY", stopped),
    ("MV HERE AWAY", vm),
    ("MV HERE/disk.0 KEPT/disk.0", saved_before),
    ("CP HERE AWAY", vm),
    ("CLEAN HERE AWAY", migrated),
    ("DELETE HERE/disk.0", disk),
    ("DELETE HERE", vm),
    ("MVDS HERE/disk.0 IMAGE", disk),
    ("CPDS HERE/disk.0 IMAGE -1", disk_alone),
    ("CPDS HERE/disk.0.copy IMAGE -1", disk_copied),
    ("SNAP_CREATE HERE/disk.0 2", disk),
    ("SNAP_REVERT HERE/disk.0 1", disk),
    ("SNAP_DELETE HERE/disk.0 1", disk),
    ("RESIZE HERE/disk.0 2", disk_alone),
]


@pytest.mark.parametrize(("line", "begin"), COMMANDS, ids=[f"{line.split()[0]}-{of.__name__}" for line, of in COMMANDS])
def test_it_ends_the_same_wherever_it_was_killed(home: Path, line: str, begin: Callable[[Scene], None]) -> None:
    def do(does: Callable[[Scene], object]) -> None:
        hosts = Near()
        try:
            does(Scene(home, hosts))
        finally:
            hosts.close()

    source = home / "datastores" / "5" if line.startswith(("CLONE", "LN")) else None
    look = size if line.startswith(("CONTEXT", "MKSWAP")) else contents
    table = KillTable(home, begin=lambda: do(begin), source=source, look=look)
    assert table.run(lambda: do(lambda scene: scene.do(line, "raw"))) > 2
