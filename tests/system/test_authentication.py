"""Logins on a real engine with the real driver: ssh keys, a directory, programs; drivers that go wrong; who guesses."""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.slapd import BASE, SEARCHER, SEARCHER_PASSWORD, slapd
from tests.system.home import Api, Home
from trifid.client import Client
from trifid.client.errors import ApiError
from trifid.wire.elements import one_element
from trifid.wire.xmlrpc import decode_answer, encode_call

TIMEOUT_S = 3
REFUSED = "User couldn't be authenticated, aborting call."
SETTINGS = """
[authentication]
methods = ["ssh", "ldap", "mine", "hangs", "floods"]
default = "{default}"
timeout_s = {timeout_s}
"""
DRIVER = f"#!/bin/sh\nexec {sys.executable} -c 'from trifid.drivers.auth.main import main; main()' \"$@\"\n"
PROGRAMS = {
    "mine": """
document=$(cat)
name=${document#*<USERNAME>} name=${name%%</USERNAME>*}
case $document in
    *"<SECRET>open $name</SECRET>"*) echo "mine $name badge-$name *100 1" ;;
    *) echo "no badge: $document" >&2; exit 1 ;;
esac""",
    "hangs": "exec sleep 600",
    "floods": "exec cat /dev/zero",
}


def made(path: Path, default: str = "", driver: str = DRIVER, timeout_s: int = TIMEOUT_S) -> Home:
    """Make a home with the authentication driver; it is started by whoever asks."""
    home = Home(path)
    home.settings("\n[authentication]\n", SETTINGS.format(default=default, timeout_s=timeout_s))
    programs = {f"auth/{name}/authenticate": f"#!/bin/sh\n{text}\n" for name, text in PROGRAMS.items()}
    for name, text in {"drivers/trifid-auth": driver, **programs}.items():
        program = path / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
    return home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An engine whose unknown users are those of a program."""
    home = made(tmp_path / "home", default="mine")
    home.start()
    yield home
    home.stop()


def asks(home: Home, session: str, method: str = "one.user.info", *arguments: object) -> dict[str, str]:
    """Return the document of who calls."""
    text = Client(f"http://127.0.0.1:{home.port}/RPC2", session).call(method, *(arguments or (-1,)))
    return one_element(text, "USER")


def is_refused(home: Home, session: str) -> str:
    """Return with what text a session is refused; fails when it is not."""
    with pytest.raises(ApiError) as refused:
        asks(home, session)
    assert refused.value.code == 0x0100
    return str(refused.value)


def logs(home: Home) -> str:
    return "".join(path.read_text(errors="replace") for path in (home.path / "log").glob("*.log"))


def test_a_user_logs_in_by_an_ssh_key_from_the_command_line(home: Home, tmp_path: Path) -> None:
    own = tmp_path / "alice"
    own.mkdir()
    home.run("oneuser", "list")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(own / "key")], check=True)
    home.run("oneuser", "create", "alice", "--ssh", "--read-file", str(own / "key.pub"))
    environment = {**home.environment, "HOME": str(own), "ONE_XMLRPC": f"http://127.0.0.1:{home.port}/RPC2"}
    del environment["TRIFID_HOME"]

    def types(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", "from trifid.cli.user import main; main()", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    done = types("login", "alice", "--ssh", "--key", str(own / "key"))
    assert done.returncode == 0, done.stderr
    assert (own / ".one" / "one_auth").read_text() == done.stdout.splitlines()[1] + "\n"
    assert "NAME                : alice" in types("show").stdout
    assert types("token-delete-all", "alice").returncode == 0
    assert "couldn't be authenticated" in types("show").stderr


def test_the_directory_lets_in_whom_it_knows_and_says_which_groups(tmp_path: Path) -> None:
    home = made(tmp_path / "home", default="ldap")
    with slapd(tmp_path / "slapd") as directory:
        place = home.path / "auth"
        (place / "searcher").write_text(f"{SEARCHER_PASSWORD}\n")
        (place / "searcher").chmod(0o600)
        (place / "ldap.toml").write_text(
            f'url = "ldaps://127.0.0.1:{directory.tls_port}"\nca_file = "{directory.certificate}"\n'
            f'bind_dn = "{SEARCHER}"\nbind_password_file = "searcher"\nbase = "ou=people,{BASE}"\n'
            f'group_base = "ou=groups,{BASE}"\n[groups]\n"cn=staff,ou=groups,{BASE}" = 100\n'
        )
        home.start()
        try:
            assert Api(home).call("one.group.allocate", "staff") == 100
            assert is_refused(home, "alice:wrong").endswith(REFUSED)
            document = asks(home, "alice:alice secret")
            assert (document["NAME"], document["AUTH_DRIVER"], document["GID"]) == ("alice", "ldap", "100")
            assert asks(home, "ALICE:alice secret")["ID"] == document["ID"], "the same user, written in another way"
            assert asks(home, "alice:alice secret")["ID"] == document["ID"]
            assert is_refused(home, "alice:").endswith(REFUSED)
        finally:
            home.stop()
    assert "alice secret" not in logs(home)


def test_a_program_makes_users_of_whom_it_knows(home: Home) -> None:
    api = Api(home)
    assert is_refused(home, "dora:open dora").endswith(REFUSED), "it names a group that does not exist"
    assert api.call("one.group.allocate", "staff") == 100
    document = asks(home, "dora:open dora")
    assert (document["AUTH_DRIVER"], document["GID"], document["GROUPS"]["ID"]) == ("mine", "100", ["1", "100"])
    group = one_element(api.call("one.group.info", 100), "GROUP")
    assert group["ADMINS"]["ID"] == document["ID"]
    assert is_refused(home, "oneadmin:open oneadmin").endswith(REFUSED), "a user of core is not the program's"
    assert is_refused(home, "fred:sesame").endswith(REFUSED)
    said = logs(home)
    assert "sesame" not in said and "open dora" not in said, "what the program repeats of a secret is not logged"
    assert "a reason that is not shown" in said


def test_a_session_is_over_at_once_on_a_connection_that_stays_open(home: Home) -> None:
    api = Api(home)
    api.call("one.user.allocate", "alice", "pw", "", [])
    token = Client(f"http://127.0.0.1:{home.port}/RPC2", "alice:pw").call("one.user.login", "alice", "", 600, -1)
    connection = http.client.HTTPConnection("127.0.0.1", home.port, timeout=30)

    def code(session: str) -> int:
        connection.request("POST", "/RPC2", encode_call("one.user.info", [session, -1]), {"Content-Type": "text/xml"})
        answer = decode_answer(connection.getresponse().read())
        return 0 if answer[0] else answer[2]

    assert (code(f"alice:{token}"), code("alice:pw")) == (0, 0)
    socket = connection.sock
    api.call("one.user.login", "alice", "", 0)
    assert (code(f"alice:{token}"), code("alice:pw")) == (0x0100, 0)
    api.call("one.user.passwd", 2, "new")
    assert (code("alice:pw"), code("alice:new")) == (0x0100, 0)
    api.call("one.user.enable", 2, False)
    assert code("alice:new") == 0x0100
    api.call("one.user.enable", 2, True)
    assert code("alice:new") == 0
    api.call("one.user.delete", 2)
    assert code("alice:new") == 0x0100
    assert connection.sock is socket, "all of it went over one connection"


def test_drivers_that_hang_flood_or_die_stop_nobody_else(home: Home) -> None:
    api = Api(home)
    for name in ("hangs", "floods"):
        api.call("one.user.allocate", name, "-", name, [])
    answers: dict[str, str] = {}
    late = threading.Thread(target=lambda: answers.update(hangs=is_refused(home, "hangs:a secret")))
    late.start()
    began = time.monotonic()
    api.call("one.group.allocate", "staff")
    assert asks(home, "dora:open dora")["NAME"] == "dora"
    assert is_refused(home, "floods:a secret").endswith(REFUSED)
    assert time.monotonic() - began < TIMEOUT_S * 3
    late.join(30)
    assert answers["hangs"].endswith(REFUSED)
    said = logs(home)
    assert "did not answer AUTHENTICATE within 3 s" in said and "printed more than" in said
    os.kill(home.child("auth driver trifid"), signal.SIGKILL)
    api.until(lambda: home.children()["auth driver trifid"] > 0, "the driver is there again")
    assert asks(home, "emil:open emil")["NAME"] == "emil"
    assert "a secret" not in logs(home)


@pytest.mark.parametrize(
    "driver",
    [
        'while read -r verb id rest; do [ "$verb" = INIT ] && echo INIT SUCCESS || echo "what is $rest"; done',
        'while read -r verb id rest; do [ "$verb" != INIT ] || echo INIT SUCCESS; done',
        'while read -r verb id rest; do [ "$verb" = INIT ] && echo INIT SUCCESS || exit 7; done',
        "exit 3",
        'echo INIT SUCCESS; exec yes "AUTHENTICATE SUCCESS 1 mine oneadmin -"',
        "echo INIT SUCCESS; exec cat /dev/zero",
    ],
    ids=["garbage", "silence", "dies", "does not start", "answers of nobody", "endless line"],
)
def test_a_driver_that_talks_nonsense_lets_nobody_in_and_the_engine_goes_on(tmp_path: Path, driver: str) -> None:
    home = made(tmp_path / "home", default="mine", driver=f"#!/bin/sh\n{driver}\n", timeout_s=1)
    home.start()
    try:
        api = Api(home)
        assert is_refused(home, "dora:open dora").endswith(REFUSED)
        api.call("one.user.allocate", "of-mine", "-", "mine", [])
        assert is_refused(home, "of-mine:open of-mine").endswith(REFUSED)
        api.call("one.user.allocate", "alice", "pw", "", [])
        assert asks(home, "alice:pw")["NAME"] == "alice"
    finally:
        home.stop()
    assert "open dora" not in logs(home) and "b3BlbiBkb3Jh" not in logs(home)


def test_who_guesses_over_http_has_to_wait_and_others_do_not(home: Home) -> None:
    api = Api(home)
    texts = [is_refused(home, "oneadmin:guess") for _ in range(6)]
    assert [REFUSED in text for text in texts] == [True] * 6
    assert "too many wrong tries: wait" in texts[-1] and "too many" not in texts[0]
    api.call("one.user.allocate", "alice", "pw", "", [])  # a session that is remembered has not to wait
    assert asks(home, "alice:pw")["NAME"] == "alice"
