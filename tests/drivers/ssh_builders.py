"""What tests of the ssh transfer driver stand on: two hosts on a real sshd, a home, and lines carried out there.

The hosts see this machine's files, so each has a datastore of its own here: host1 number 0, host2 number 1.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.sshd import hang_up, sshd
from tests.drivers.tm_builders import VM, names_an_image, request
from trifid.drivers.kit import Request
from trifid.drivers.remote.host import Hosts
from trifid.drivers.remote.way import Way
from trifid.drivers.tm.commands import carry_out
from trifid.drivers.tm.script import Command
from trifid.drivers.tm.ssh.commands import commands_on

IMAGE = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    """The way to the hosts."""
    sockets = Path(tempfile.mkdtemp(prefix="trifid-test-"))
    with sshd(tmp_path_factory.mktemp("sshd")) as config:
        yield Way(sockets, config=str(config))
        hang_up(sockets)


@pytest.fixture
def hosts(way: Way) -> Iterator[Hosts]:
    """The hosts, reached."""
    hosts = Hosts(way)
    yield hosts
    hosts.close()


class Scene:
    """A home, the hosts, and VM 42.

    Attributes:
        home: of the engine.
        here: the VM's directory on host1.
        there: its directory on host2.
        kept: its directory on the front-end.
        image: of the catalogue, on the front-end.
    """

    def __init__(self, home: Path, hosts: Hosts) -> None:
        self.home = home
        self.hosts = hosts
        self.here = home / "datastores" / "0" / str(VM)
        self.there = home / "datastores" / "1" / str(VM)
        self.kept = home / "vms" / str(VM)
        self.image = home / "datastores" / "5" / IMAGE

    def do(self, line: str, image_format: str = "", of: Request | None = None, within: str | Path = "") -> None:
        """Carry out a line of a script, with HERE, AWAY, KEPT, IMAGE for places; its last two numbers are put in."""
        places = {
            "HERE": f"host1:{self.here}",
            "AWAY": f"host2:{self.there}",
            "KEPT": f"localhost:{self.kept}",
            "IMAGE": f"localhost:{self.image}",
        }
        word, *operands = line.split()
        for name, place in places.items():
            operands = [operand.replace(name, place) for operand in operands]
        datastore = 1 if "HERE" not in line and "AWAY" in line else 0
        told = (image_format, names_an_image(operands), (str(within),) if within else ())
        command = Command(word, "ssh", tuple(operands), VM, datastore, *told)
        carry_out(of or request(), command, commands_on(self.hosts))


@pytest.fixture
def scene(home: Path, hosts: Hosts) -> Scene:
    """A home with two datastores of hosts and one of images, in which there is an image with a hole."""
    scene = Scene(home, hosts)
    scene.image.parent.mkdir(parents=True)
    with scene.image.open("wb") as file:
        file.write(b"boot" * 1000)
        file.seek(3 << 20)
        file.write(b"data" * 1000)
    return scene
