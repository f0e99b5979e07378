"""The hook driver as a process: programs of one directory, whole arguments, bounds; webhooks that are signed."""

import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.harness import DriverProcess, python_driver, running
from tests.drivers.sshd import sshd
from tests.webhook_server import Receiver, receiving
from trifid.drivers.hook.bounded import OUTPUT_BYTES_MAX, TOO_LATE
from trifid.wire.hook_message import HookOrder, HookResult, parse_result, render

SECRET = "correct horse battery staple"
BODY = '{"id": 7, "kind": "VM", "what": "state"}'
ODD_WORDS = ("a b", "two\nlines", "$HOME `id` 'x' \"y\"", "ä€", "", "*", "-x", "; exit 7")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    (home / "hooks").mkdir(parents=True)
    return home


@pytest.fixture
def driver(home: Path) -> Iterator[DriverProcess]:
    with running(python_driver("trifid.drivers.hook.main"), home=home, env={"no_proxy": "*"}) as process:
        yield process


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def program(home: Path, text: str, name: str = "tell.sh") -> str:
    path = home / "hooks" / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return name


def order(command: str, *arguments: str, **more: object) -> HookOrder:
    return HookOrder(**{"hook_id": 3, "command": command, "arguments": arguments, "timeout_s": 60} | more)  # type: ignore[arg-type]


def outcome(driver: DriverProcess, what: HookOrder, verb: str = "EXECUTE", oid: int = 1) -> HookResult | str:
    """Return what came of it; a text when it could not be done at all."""
    driver.ask(verb, oid, render("", what))
    answer = driver.answer(verb, oid, timeout_s=60)
    return parse_result(answer.payload) if answer.status == "SUCCESS" else answer.payload


def ran(driver: DriverProcess, what: HookOrder, verb: str = "EXECUTE") -> HookResult:
    found = outcome(driver, what, verb)
    assert isinstance(found, HookResult), found
    return found


@pytest.mark.parametrize("host", ["", "localhost"])
def test_arguments_arrive_whole_and_nothing_in_them_is_interpreted(
    driver: DriverProcess, home: Path, host: str
) -> None:
    command = program(home, """printf '%s|' "$@"; cat; printf err >&2; exit 3""")
    found = ran(driver, order(command, *ODD_WORDS, host=host))
    assert (found.stdout, found.stderr, found.code) == ("".join(f"{word}|" for word in ODD_WORDS), "err", 3)


@pytest.mark.parametrize("host", ["", "localhost"])
def test_arguments_come_on_standard_input_when_the_hook_says_so(driver: DriverProcess, home: Path, host: str) -> None:
    long = "x" * 300_000
    found = ran(driver, order(program(home, "echo $#; wc -c"), long, "-r", stdin=True, host=host))
    assert found.stdout.split() == ["0", str(len(long) + 3)]


def test_a_program_on_a_host_is_gone_from_there_afterwards(driver: DriverProcess, home: Path) -> None:
    found = ran(driver, order(program(home, "echo $0"), host="localhost"))
    place = Path(found.stdout.strip())
    assert place.parent.name.startswith("trifid-hook.")
    assert not place.parent.exists()


def test_a_host_is_reached_by_ssh(home: Path, tmp_path: Path) -> None:
    command = program(home, "echo $SSH_CONNECTION; exit 4")
    with sshd(tmp_path) as config:
        arguments = f"--ssh-config {config}"
        with running(python_driver("trifid.drivers.hook.main"), arguments, home=home) as driver:
            found = ran(driver, order(command, host="host1"))
    assert found.stdout.startswith("127.0.0.1 ")
    assert found.code == 4


def ends(pid: int) -> bool:
    """Tell whether a process ends by itself, soon: a signal is on its way when its sender goes on."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], 10)[0])
    finally:
        os.close(process)


def test_what_takes_too_long_is_ended_with_all_that_it_started(driver: DriverProcess, home: Path) -> None:
    child = home / "child"
    command = program(home, f"sh -c 'echo $$ >{child}; exec sleep 1000' & echo begun; wait")
    found = ran(driver, order(command, timeout_s=2))
    assert (found.code, found.stdout) == (TOO_LATE, "begun\n")
    assert "not done after 2 s" in found.stderr
    assert ends(int(child.read_text()))


def test_on_a_host_the_time_is_limited_as_well(driver: DriverProcess, home: Path) -> None:
    found = ran(driver, order(program(home, "echo begun; exec sleep 1000"), timeout_s=1, host="localhost"))
    assert (found.code, found.stdout) == (TOO_LATE, "begun\n")


def test_endless_output_is_cut_and_does_not_hold_the_program_up(driver: DriverProcess, home: Path) -> None:
    found = ran(driver, order(program(home, "head -c 5000000 /dev/zero | tr '\\0' x; exit 1")))
    assert found.stdout == "x" * OUTPUT_BYTES_MAX + f"\n[{5_000_000 - OUTPUT_BYTES_MAX} more bytes]"
    assert found.code == 1


def test_a_program_outside_the_directory_is_refused_also_behind_a_link(driver: DriverProcess, home: Path) -> None:
    (home / "hooks" / "link").symlink_to("/bin/echo")
    program(home.parent / "home", "echo inside")
    for command in ("../../../bin/echo", "/bin/echo", "link", "", "."):
        said = outcome(driver, order(command))
        assert isinstance(said, str)
        assert "hooks run programs of that directory only" in said


def test_what_cannot_be_run_says_why(driver: DriverProcess, home: Path) -> None:
    (home / "hooks" / "plain").write_text("no program")
    assert "make it executable" in str(outcome(driver, order("plain")))
    assert "is not there" in str(outcome(driver, order("nothing")))
    assert "ARGUMENTS_STDIN" in str(outcome(driver, order(program(home, "exit"), "x" * 3_000_000)))
    driver.ask("EXECUTE", 5, "bm8geG1s")
    assert driver.answer("EXECUTE", 5).status == "FAILURE"


def test_hooks_run_side_by_side(driver: DriverProcess, home: Path) -> None:
    os.mkfifo(home / "pipe")
    driver.ask("EXECUTE", 1, render("", order(program(home, f"cat {home / 'pipe'}", "reader"))))
    driver.ask("EXECUTE", 2, render("", order(program(home, f"echo met > {home / 'pipe'}", "writer"))))
    assert parse_result(driver.answer("EXECUTE", 1).payload).stdout == "met\n"


def test_everything_ends_with_the_engine(driver: DriverProcess, home: Path) -> None:
    command = program(home, f"echo $$ >{home / 'pid'}; echo up >{home / 'pipe'}; exec sleep 1000")
    os.mkfifo(home / "pipe")
    driver.ask("EXECUTE", 1, render("", order(command)))
    with (home / "pipe").open() as pipe:
        assert pipe.read() == "up\n"
    pid = int((home / "pid").read_text())
    descriptor = os.pidfd_open(pid)
    driver.close_stdin()
    driver.wait()
    assert select.select([descriptor], [], [], 20)[0], "it still runs"
    os.close(descriptor)


# -- webhooks ------------------------------------------------------------------------------------------


def webhook(url: str, **more: object) -> HookOrder:
    told = {"secret": SECRET, "body": BODY, "delivery": "7.1", "allow": "127.0.0.0/8", "timeout_s": 20}
    return order(url, **(told | more))


def test_an_event_is_sent_signed(driver: DriverProcess, receiver: Receiver) -> None:
    found = ran(driver, webhook(receiver.url), "DELIVER")
    assert (found.code, found.stdout) == (0, "HTTP 204")
    sent = receiver.next()
    assert (sent.path, sent.body.decode()) == ("/in?room=1", BODY)
    assert sent.is_signed_with(SECRET)
    assert not sent.is_signed_with("another secret")
    assert (sent.headers["content-type"], sent.headers["trifid-delivery"]) == ("application/json", "7.1")


def test_what_is_not_accepted_tells_the_status(driver: DriverProcess, receiver: Receiver) -> None:
    receiver.statuses = [500]
    assert ran(driver, webhook(receiver.url), "DELIVER").code == 500


def test_redirects_are_not_followed(driver: DriverProcess, receiver: Receiver) -> None:
    receiver.statuses = [307]
    receiver.headers = {"Location": "/elsewhere"}
    assert ran(driver, webhook(receiver.url), "DELIVER").code == 307
    assert receiver.next().path == "/in?room=1"
    assert receiver.sent.empty()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.1.1", "0.0.0.0"])
def test_the_front_end_itself_and_its_link_get_nothing_unless_configured(
    driver: DriverProcess, receiver: Receiver, host: str
) -> None:
    url = receiver.url.replace("127.0.0.1", host)
    said = outcome(driver, webhook(url, allow=""), "DELIVER")
    assert "nothing is sent there unless webhooks_to" in str(said)
    assert receiver.sent.empty()


def test_one_that_does_not_answer_is_given_up_and_the_path_of_the_url_is_not_told(driver: DriverProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/private-path"
        said = str(outcome(driver, webhook(url, timeout_s=1), "DELIVER"))
    assert "no answer within 1 s" in said
    assert "private-path" not in said


def test_a_secret_is_in_no_log(driver: DriverProcess, receiver: Receiver) -> None:
    ran(driver, webhook(receiver.url), "DELIVER")
    outcome(driver, webhook("http://127.0.0.1:1/x"), "DELIVER")
    driver.rest()
    assert SECRET not in driver.stderr.read_text() + "".join(message.payload for message in driver.logs)
