"""The ssh transfer driver between two hosts, each with its datastores on a disk of its own.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import hashlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.sshd import hang_up
from tests.drivers.tm_builders import Listening, request
from tests.lab.hosts import SSH_CONFIG, LabHost, lab_hosts
from trifid.drivers.kit import Failure, Request
from trifid.drivers.remote.host import Hosts
from trifid.drivers.remote.way import Way
from trifid.drivers.tm.commands import carry_out
from trifid.drivers.tm.script import Command
from trifid.drivers.tm.ssh.commands import commands_on
from trifid.wire.lines import Message

pytestmark = pytest.mark.timeout(300)

MIB = 1 << 20
VM = 42
IMAGE_BYTES, DATA_BYTES = 600 * MIB, 64 * MIB
THIRD_PERCENT = 30


class Scene:
    """A front-end with an image, and two hosts with nothing.

    Attributes:
        datastores: their directory, everywhere; each machine has its own.
        image: on the front-end.
    """

    def __init__(self, datastores: Path, machines: list[LabHost], hosts: Hosts) -> None:
        self.datastores = datastores
        self.machines = {machine.name: machine for machine in machines}
        self.hosts = hosts
        self.directory = datastores / "0" / str(VM)
        self.image = datastores / "1" / ("0123456789abcdef" * 2)
        self.image.parent.mkdir(exist_ok=True)
        with self.image.open("wb") as file:
            file.truncate(IMAGE_BYTES)
            for at in range(0, IMAGE_BYTES, IMAGE_BYTES // 8):
                file.seek(at)
                file.write(bytes(range(256)) * (DATA_BYTES // 8 // 256))

    def do(self, word: str, *operands: str, of: Request | None = None) -> None:
        command = Command(word, "ssh", operands, VM, 0, "raw", is_image=True)
        carry_out(of or request(VM), command, commands_on(self.hosts))

    def at(self, name: str, file: str = "") -> str:
        return f"{name}:{self.directory / file}"

    def files(self, name: str) -> list[str]:
        """What a host has of the VM, as the host sees it."""
        told = self.machines[name].run("find", str(self.datastores), "-type", "f", "-printf", "%f %s\n")
        return sorted(told.splitlines())

    def data_mib(self, name: str) -> int:
        return int(self.machines[name].run("du", "-sm", str(self.directory)).split()[0])


@pytest.fixture(scope="module")
def datastores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("datastores")


@pytest.fixture(scope="module")
def machines(bridge: str, datastores: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[LabHost]]:
    """Two hosts; the way to them lies in the directory beside."""
    with lab_hosts(tmp_path_factory.mktemp("hosts"), datastores) as started:
        yield started


@pytest.fixture
def scene(
    machines: list[LabHost], datastores: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    config = next(tmp_path_factory.getbasetemp().glob(f"hosts*/{SSH_CONFIG}"))
    sockets = Path(tempfile.mkdtemp())
    hosts = Hosts(Way(sockets, config=str(config), connect_timeout_s=2, alive_every_s=1))
    monkeypatch.setenv("TRIFID_HOME", str(datastores.parent / "home"))
    scene = Scene(datastores, machines, hosts)
    yield scene
    for machine in machines:
        scene.do("DELETE", scene.at(machine.name))
        assert scene.files(machine.name) == []
    hosts.close()
    hang_up(sockets)


def test_a_persistent_disk_goes_to_one_host_then_to_the_other_and_back(scene: Scene) -> None:
    before = scene.image.read_bytes()
    scene.do("LN", f"localhost:{scene.image}", scene.at("host-a", "disk.0"))
    assert scene.files("host-a") == [f"disk.0 {IMAGE_BYTES}"]
    assert scene.files("host-b") == []
    assert scene.data_mib("host-a") <= DATA_BYTES // MIB + 2
    scene.machines["host-a"].run(
        "dd", "if=/etc/hostname", f"of={scene.directory}/disk.0", "conv=notrunc", "status=none"
    )
    scene.do("CP", scene.at("host-a"), scene.at("host-b"))
    assert scene.files("host-a") == scene.files("host-b") == [f"disk.0 {IMAGE_BYTES}"]
    assert scene.data_mib("host-b") <= DATA_BYTES // MIB + 2
    scene.do("CLEAN", scene.at("host-a"), scene.at("host-b"))
    assert scene.files("host-a") == []
    scene.do("MVDS", scene.at("host-b", "disk.0"), f"localhost:{scene.image}")
    assert scene.files("host-b") == []
    written = Path("/etc/hostname").read_bytes()
    assert scene.image.read_bytes() == written + before[len(written) :]
    assert not scene.directory.exists()


class Unplugging(Request):
    """A request that cuts a host off the network once its copy is about a third done."""

    def __init__(self, host: LabHost) -> None:
        super().__init__(Listening(), Message("TRANSFER", "", VM, "script"), 1)
        self._host = host
        self._is_cut = False

    def log(self, text: str, level: str = "I") -> None:
        done = re.search(r"(\d+) %", text)
        if done is not None and int(done[1]) >= THIRD_PERCENT and not self._is_cut:
            self._is_cut = True
            self._host.unplug()


def test_a_host_that_goes_away_amid_a_copy_gets_the_rest_when_it_is_back(scene: Scene) -> None:
    host = scene.machines["host-a"]
    line = ("CLONE", f"localhost:{scene.image}", scene.at("host-a", "disk.0"))
    with pytest.raises(Failure, match="host-a is not reached"):
        scene.do(*line, of=Unplugging(host))
    host.plug_in()
    assert [line.split()[0] for line in scene.files("host-a")] == ["disk.0.part", "disk.0.part.state"]
    scene.do(*line)
    assert scene.files("host-a") == [f"disk.0 {IMAGE_BYTES}"]
    assert host.run("sha256sum", f"{scene.directory}/disk.0").split()[0] == _sum(scene.image)


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
