"""The authentication driver as a process: its lines, and programs of the administrator's that it asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.auth_builders import Door, auth_driver

NOBODY = -1
SECRET = "pässword <&> '\"$(id)%41"


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with auth_driver(tmp_path) as door:
        yield door


def test_plain_compares_with_what_is_kept(door: Door) -> None:
    assert door.says("plain", "alice", "pw", kept="pw") == ("SUCCESS", "-")
    assert door.says("plain", "alice", "pw2", kept="pw") == ("FAILURE", "wrong secret")
    assert door.says("plain", "alice", "-")[0] == "FAILURE", "nothing is kept"


def test_dummy_lets_everybody_in(door: Door) -> None:
    assert door.says("dummy", "alice", "whatever", uid=NOBODY) == ("SUCCESS", "dummy alice -")


@pytest.mark.parametrize(
    "payload",
    [
        *("-", "7 plain alice pw", "7 plain alice pw cHc= more", "7 plain alice pw !", "x plain alice pw cHc="),
        *("7 ../plain alice pw cHc=", "7 plain alice pw =", "7 plain alice pw /w==", "7  alice pw cHc="),
    ],
)
def test_what_is_no_login_is_refused(door: Door, payload: str) -> None:
    door.process.ask("AUTHENTICATE", 5, payload)
    answer = door.process.answer("AUTHENTICATE", 5)
    assert (answer.status, "expected" in answer.payload or "base64" in answer.payload) == ("FAILURE", True)


def test_only_methods_that_the_arguments_name_are_there(tmp_path: Path) -> None:
    with auth_driver(tmp_path, "--authn ssh,dummy") as door:
        assert door.says("dummy", "alice", "x")[0] == "SUCCESS"
        assert "'plain' not available" in door.says("plain", "alice", "pw", kept="pw")[1]


def test_arguments_that_are_not_known_are_told_to_the_engine(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="--nonsense is not known"), auth_driver(tmp_path, "--nonsense"):
        pass


def test_a_program_gets_one_document_on_its_standard_input(door: Door) -> None:
    door.program(
        "mine", 'cat > "$TRIFID_HOME/heard"; printf "%s" "$#" > "$TRIFID_HOME/count"; echo "mine $0 kept 100 *101"'
    )
    status, text = door.says("mine", "alice", SECRET, kept="CN=alice")
    assert (status, text.split()[0], text.split()[2:]) == ("SUCCESS", "mine", ["kept", "100", "*101"])
    assert (door.place.parent / "heard").read_text() == (
        "<AUTHN><USERNAME>alice</USERNAME><PASSWORD>CN=alice</PASSWORD>"
        "<SECRET>pässword &lt;&amp;&gt; '\"$(id)%41</SECRET></AUTHN>\n"
    )
    assert (door.place.parent / "count").read_text() == "0"


def test_a_program_denies_by_its_exit_status_and_tells_why_on_standard_error(door: Door) -> None:
    door.program("mine", "echo mine alice x; echo 'no such badge' >&2; exit 255")
    status, text = door.says("mine", "alice", "x")
    assert (status, text.endswith("authenticate: no such badge")) == ("FAILURE", True)


def test_a_program_may_be_a_file_and_need_not_read(door: Door) -> None:
    path = door.place / "short"
    path.write_text("#!/bin/sh\nexec <&-\necho short alice -\n")
    path.chmod(0o755)
    assert door.says("short", "alice", "x" * 4000) == ("SUCCESS", "short alice -")


@pytest.mark.parametrize("name", ["missing", "heap"])
def test_a_program_that_is_not_there_is_told(door: Door, name: str) -> None:
    (door.place / "heap").mkdir()
    status, text = door.says(name, "alice", "x")
    assert (status, f"Authentication driver '{name}' not available" in text) == ("FAILURE", True)


def test_a_program_that_must_not_be_executed_is_told(door: Door) -> None:
    path = door.program("mine", "exit 0", mode=0o644)
    assert door.says("mine", "alice", "x") == ("FAILURE", f"{path} is not executable: chmod +x {path}")


def test_a_program_that_floods_is_ended(door: Door) -> None:
    door.program("flood", "exec cat /dev/zero")
    status, text = door.says("flood", "alice", "x")
    assert (status, "printed more than" in text) == ("FAILURE", True)
    assert door.says("dummy", "alice", "x")[0] == "SUCCESS"


def test_a_program_is_not_waited_for_when_what_it_left_holds_its_output(door: Door) -> None:
    door.program("lazy", "sleep 600 & echo lazy alice -")
    assert door.says("lazy", "alice", "x") == ("SUCCESS", "lazy alice -")


def test_a_program_that_hangs_is_ended_when_the_engine_gives_up_and_others_are_answered_meanwhile(door: Door) -> None:
    door.program("hangs", "sleep 600")
    number = door.ask("hangs", "alice", "x")
    assert door.says("dummy", "alice", "x")[0] == "SUCCESS"
    door.process.ask("DRIVER_CANCEL", number)
    answer = door.process.answer("AUTHENTICATE", number)
    assert (answer.status, answer.payload) == ("FAILURE", "cancelled by the engine")


def test_secrets_are_on_no_command_line_and_in_no_log(door: Door) -> None:
    door.program("mine", 'tr "\\0" " " < /proc/$$/cmdline > "$TRIFID_HOME/line"; env > "$TRIFID_HOME/env"; exit 1')
    secret = "correct horse battery staple"
    status, text = door.says("mine", "alice", secret)
    assert status == "FAILURE"
    told = [
        text,
        door.process.stderr.read_text(),
        *((door.place.parent / name).read_text() for name in ("line", "env")),
    ]
    assert not [one for one in told if secret in one]


def test_the_program_of_the_page_does_what_the_page_says(door: Door, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "authentication.md").read_text()
    (program,) = [part.partition("```")[0] for part in page.split("```sh\n") if part.startswith("#!/bin/sh")]
    (tmp_path / "word").write_text("sesame\n")
    path = door.program("word", "")
    path.write_text(program.replace("/etc/word-of-the-day", str(tmp_path / "word")))
    assert door.says("word", "alice", "sesame", uid=NOBODY) == ("SUCCESS", "word alice -")
    status, text = door.says("word", "alice", "abracadabra", uid=NOBODY)
    assert (status, text.endswith("not the word of the day")) == ("FAILURE", True)
