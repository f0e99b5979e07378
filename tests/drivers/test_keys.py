"""Host keys: asked of a real sshd, accepted for one host, and never changed silently."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.drivers.sshd import hang_up, sshd
from trifid.core.template.scanner import parse
from trifid.drivers.im.accept_key import accept_key
from trifid.drivers.kit import Failure
from trifid.drivers.remote.faults import ConnectionLost
from trifid.drivers.remote.host import Hosts
from trifid.drivers.remote.keys import Standing, accept, offered
from trifid.drivers.remote.way import Way


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The ssh_config of two hosts, and a third one behind the second."""
    with sshd(tmp_path_factory.mktemp("sshd")) as config:
        yield config


@pytest.fixture
def way(server: Path, tmp_path: Path) -> Iterator[Way]:
    """The way to hosts whose keys nobody knows."""
    config = tmp_path / "config"
    behind = f"Host behind\n  ProxyCommand ssh -F {server} -W %h:%p host1\n{server.read_text()}"
    behind = behind.replace("Host host1 host2", "Host host1 host2 behind")
    config.write_text(behind.replace(str(server.with_name("known")), f"{tmp_path}/known"))
    sockets = Path(tempfile.mkdtemp(prefix="trifid-test-"))
    yield Way(sockets, config=str(config), home=tmp_path)
    hang_up(sockets)


@pytest.fixture
def fingerprint(server: Path) -> str:
    """That of the key of the server, as ssh-keygen says it."""
    said = subprocess.run(["ssh-keygen", "-lf", server.with_name("hostkey.pub")], capture_output=True, check=True)
    return said.stdout.decode().split()[1]


def other_key(directory: Path) -> str:
    """Return a key that is not the server's."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / "other")], check=True)
    return " ".join((directory / "other.pub").read_text().split()[:2])


def is_reached(way: Way, host: str) -> bool:
    hosts = Hosts(way)
    try:
        hosts.named(host).run("true")
    except ConnectionLost:
        return False
    finally:
        hosts.close()
    return True


def test_a_key_is_looked_at_and_nothing_is_accepted(way: Way, fingerprint: str) -> None:
    key = offered(way, "host1")
    assert (key.type, key.fingerprint, key.standing) == ("ssh-ed25519", fingerprint, Standing.NEW)
    assert not is_reached(way, "host1")


@pytest.mark.parametrize("host", ["host1", "behind"])
def test_a_key_that_was_accepted_is_believed_of_that_host_only(way: Way, fingerprint: str, host: str) -> None:
    assert accept(way, host, fingerprint, may_replace=False).standing is Standing.NEW
    assert offered(way, host).standing is Standing.KNOWN
    assert is_reached(way, host)
    assert not is_reached(way, "host2")
    assert accept(way, host, "", may_replace=False).standing is Standing.KNOWN


def test_another_key_than_the_one_that_was_named_is_refused(way: Way) -> None:
    with pytest.raises(Failure, match=r"host host1 offers the key SHA256:.*, not SHA256:mine: nothing was accepted"):
        accept(way, "host1", "SHA256:mine", may_replace=True)
    assert not is_reached(way, "host1")


def test_a_key_that_changed_is_replaced_only_on_somebodys_word(way: Way, tmp_path: Path, fingerprint: str) -> None:
    path = way.keys_of("host1")
    assert path
    path.write_text(f"* {other_key(tmp_path)}\n")
    before = offered(way, "host1")
    assert before.standing is Standing.CHANGED
    with pytest.raises(Failure, match=re.escape(f"was {before.accepted[0]} and is {fingerprint} now: ")):
        accept(way, "host1", fingerprint, may_replace=False)
    assert not is_reached(way, "host1")
    accept(way, "host1", fingerprint, may_replace=True)
    assert is_reached(way, "host1")
    assert offered(way, "host1").accepted == (fingerprint,)


def test_what_known_hosts_of_ssh_says_is_not_overruled(way: Way, tmp_path: Path) -> None:
    port = Path(way.config).read_text().split("Port ")[1].split()[0]
    (tmp_path / "known").write_text(f"[127.0.0.1]:{port} {other_key(tmp_path)}\n")
    with pytest.raises(Failure, match=r"the known_hosts of ssh has another one: .*ssh-keygen -R host1"):
        accept(way, "host1", "", may_replace=True)
    assert not is_reached(way, "host1")


def test_a_host_that_is_not_there_has_no_key(way: Way, tmp_path: Path) -> None:
    config = tmp_path / "nobody"
    config.write_text("Host nobody\n HostName 127.0.0.1\n Port 1\n")
    with pytest.raises(Failure, match=r"the key of host nobody cannot be asked for, ssh says: .*refused"):
        offered(replace(way, config=str(config)), "nobody")


def test_a_connection_that_stands_proves_nothing(way: Way, tmp_path: Path) -> None:
    accept(way, "host1", "", may_replace=False)
    assert is_reached(way, "host1")
    path = way.keys_of("host1")
    assert path
    path.write_text(f"* {other_key(tmp_path)}\n")
    assert offered(way, "host1").standing is Standing.CHANGED


# -- the request to information drivers --------------------------------------------------------------


def test_the_driver_tells_a_key_and_accepts_it(way: Way, fingerprint: str) -> None:
    for mode, standing in (("LOOK", "new"), ("ACCEPT", "new"), ("LOOK", "known")):
        said = parse(accept_key(way, f'HOST=[ID=1,NAME=host1]\nMODE={mode}\nFINGERPRINT="{fingerprint}"'))
        assert (said.single("FINGERPRINT"), said.single("STANDING")) == (fingerprint, standing)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("HOST=[NAME=localhost]", "is the machine that the engine runs on"),
        ("HOST=[NAME=host1]\nMODE=FORGET", "expected LOOK, ACCEPT or REPLACE"),
        ('HOST=[NAME="-oProxyCommand=id"]', "is no name of a host"),
        ("MODE=LOOK", "is no name of a host"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused(way: Way, text: str, why: str) -> None:
    with pytest.raises(Failure, match=why):
        accept_key(way, text)
