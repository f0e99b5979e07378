"""The way to hosts: commands and bytes through a real sshd."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from trifid.drivers.kit import Failure
from trifid.drivers.remote.faults import CommandFailed, ConnectionLost, explained
from trifid.drivers.remote.host import Host, Hosts
from trifid.drivers.remote.way import SOCKET_PATH_BYTES_MAX, Way, sockets_of

ODD_WORDS = ("a b", "two\nlines\n", "$HOME `id` 'quoted' \"twice\" \\n", "ä€", "", "*", "\udcff", "-x", "; exit 7")


@pytest.fixture(params=["host1", "localhost"])
def host(request: pytest.FixtureRequest, hosts: Hosts) -> Host:
    """A host, and the front-end itself: both are used in one way."""
    return hosts.named(request.param)


def test_words_arrive_as_they_are(host: Host) -> None:
    assert host.run("printf", "%s|", *ODD_WORDS) == "".join(f"{word}|" for word in ODD_WORDS)


def test_a_command_that_fails_says_where_and_why(host: Host) -> None:
    with pytest.raises(CommandFailed, match=rf"^{host.name}: .*/nothing/there.*No such file") as caught:
        host.run("ls", "/nothing/there")
    assert caught.value.status == 2


def test_both_outputs_and_the_status_are_told_apart(host: Host) -> None:
    outcome = host.outcome("sh", "-c", "printf out; printf err >&2; exit 3")
    assert outcome == (3, b"out", "err")


@pytest.mark.parametrize("word", ["exit", "if", "cd", "no-such-program"])
def test_a_word_of_the_shell_is_not_taken_as_such(host: Host, word: str) -> None:
    assert host.outcome(word).status == 127
    assert host.run("echo", "still there") == "still there\n"


def test_large_and_binary_output_comes_whole(host: Host) -> None:
    assert host.outcome("head", "-c", "3000000", "/dev/zero").out == bytes(3_000_000)


def test_commands_share_a_session(hosts: Hosts) -> None:
    host = hosts.named("host1")
    assert host.run("sh", "-c", "echo $PPID") == host.run("sh", "-c", "echo $PPID")


def test_a_session_that_was_lost_is_replaced(host: Host) -> None:
    shell = host.run("sh", "-c", "echo $PPID").strip()
    subprocess.run(["kill", "-9", shell], check=True)
    assert host.run("echo", "again") == "again\n"


def test_a_command_that_is_too_slow_is_given_up(host: Host) -> None:
    with pytest.raises(Failure, match=r"not done after 0\.3 s"):
        host.run("sleep", "20", timeout_s=0.3)
    assert host.run("echo", "on") == "on\n"


def test_a_command_is_stopped(host: Host) -> None:
    with pytest.raises(Failure, match="cancelled"):
        host.run("sleep", "20", stop=_failing(Failure("cancelled")))


def test_bytes_go_to_a_program_and_come_back(host: Host) -> None:
    data = bytes(range(256)) * 4000
    with host.stream("cat") as stream:
        got = b""
        for begin in range(0, len(data), 50_000):
            stream.write(data[begin : begin + 50_000])
            got += stream.read(1 << 20)
        got += stream.finish()
    assert got == data


def test_a_program_that_ends_early_says_why(host: Host) -> None:
    with (
        host.stream("sh", "-c", "echo full >&2; exit 4") as stream,
        pytest.raises(CommandFailed, match=f"^{host.name}: full$"),
    ):
        stream.write(bytes(3_000_000))
        stream.finish()


def test_a_host_that_is_not_there_is_said_to_be_unreachable(way: Way) -> None:
    config = Path(way.config).with_name("nobody")
    config.write_text("Host nobody\n HostName 127.0.0.1\n Port 1\n")
    lost = Hosts(Way(way.sockets, config=str(config))).named("nobody")
    with pytest.raises(ConnectionLost, match=r"^nobody is not reached: .*[Rr]efused"):
        lost.run("true")


def test_what_ssh_says_in_many_lines_is_told_in_one() -> None:
    said = "Connection timed out during banner exchange\r\nConnection to 10.0.0.2 port 22 timed out\n"
    assert explained("host1", said) == (
        "Connection timed out during banner exchange; Connection to 10.0.0.2 port 22 timed out"
    )


def test_a_host_with_another_key_than_the_known_one_is_not_spoken_to(way: Way, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    known = Path(way.config).with_name("known").read_text().split()[0]
    (tmp_path / "known").write_text(f"{known} {' '.join((tmp_path / 'other.pub').read_text().split()[:2])}\n")
    config = tmp_path / "config"
    config.write_text(
        Path(way.config).read_text().replace(str(Path(way.config).with_name("known")), f"{tmp_path}/known")
    )
    (tmp_path / "s").mkdir()
    with pytest.raises(ConnectionLost, match=r"host1 is not reached: its ssh key is another one .* --replace$"):
        Hosts(Way(tmp_path / "s", config=str(config))).named("host1").run("true")


@pytest.mark.parametrize("checking", ["no", "accept-new", "ask"])
def test_a_host_whose_key_is_not_known_is_not_spoken_to_whatever_is_configured(
    way: Way, tmp_path: Path, checking: str
) -> None:
    known = str(Path(way.config).with_name("known"))
    config = tmp_path / "config"
    text = Path(way.config).read_text().replace(known, f"{tmp_path}/known")
    config.write_text(text.replace("StrictHostKeyChecking yes", f"StrictHostKeyChecking {checking}"))
    (tmp_path / "s").mkdir()
    advice = "host1 is not reached: its ssh key is not known: .* onehost accept-key host1$"
    with pytest.raises(ConnectionLost, match=advice):
        Hosts(Way(tmp_path / "s", config=str(config))).named("host1").run("true")
    assert not (tmp_path / "known").exists()


def test_a_session_that_prints_without_end_is_given_up() -> None:
    with pytest.raises(Failure, match="raving prints more than 1 MiB without an end"):
        Host("raving", ["yes", "garbage"]).run("true")


def test_a_command_that_prints_without_end_is_given_up(host: Host) -> None:
    with pytest.raises(Failure, match=f"{host.name} prints more than 64 MiB without an end"):
        host.run("yes", "garbage" * 100)
    assert host.run("echo", "on") == "on\n"


@pytest.mark.parametrize("name", ["-oProxyCommand=id", "", "a b", "a;b", "$(id)", "ä", "x" * 300, "a/b", "root@a"])
def test_what_is_no_name_of_a_host_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Failure, match="no name of a host"):
        Hosts(Way(tmp_path)).named(name)


def test_the_name_of_the_host_comes_after_all_options(tmp_path: Path) -> None:
    argv = Way(tmp_path, config="/etc/x").argv("host1", "command")
    assert argv[-3:] == ["--", "host1", "command"]
    assert argv[:3] == ["ssh", "-F", "/etc/x"]
    assert "BatchMode=yes" in argv
    assert "StrictHostKeyChecking=yes" in argv


def test_sockets_lie_in_the_home_unless_its_path_is_too_long(tmp_path: Path) -> None:
    assert sockets_of(Path("/srv/trifid")) == Path("/srv/trifid/run/ssh")
    long = tmp_path / ("x" * 100)
    assert not sockets_of(long).is_relative_to(long)
    assert sockets_of(long) != sockets_of(tmp_path / ("y" * 100))
    assert len(str(sockets_of(long))) < SOCKET_PATH_BYTES_MAX - 30


def test_the_directory_of_the_sockets_is_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "sockets").mkdir(mode=0o755)
    Way(tmp_path / "sockets").argv("host1", "command")
    assert (tmp_path / "sockets").stat().st_mode & 0o777 == 0o700


def test_a_link_in_the_place_of_that_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sockets").symlink_to(tmp_path)
    with pytest.raises(Failure, match="must be a directory of this user's"):
        Way(tmp_path / "sockets").argv("host1", "command")


def _failing(fault: Failure) -> Callable[[], None]:
    def stop() -> None:
        raise fault

    return stop
