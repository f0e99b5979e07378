"""Logins signed with an ssh key: good for one user, until one moment, with the key that is kept."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.auth_builders import Door, auth_driver
from trifid.drivers.auth.ssh import KEYS_MAX, VALID_S_MAX
from trifid.wire.ssh_login import NAMESPACE, BadLogin, key_word, message, parse, secret


def make_key(path: Path, kind: str = "ed25519") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "a comment", "-f", str(path)], check=True)
    return path


def public(key: Path) -> str:
    return key_word(key.with_suffix(".pub").read_text())


def signed(key: Path, user: str, expires_at: int, *, namespace: str = NAMESPACE, text: bytes | None = None) -> str:
    done = subprocess.run(
        ["ssh-keygen", "-Y", "sign", "-f", str(key), "-n", namespace],
        input=message(user, expires_at) if text is None else text,
        capture_output=True,
        check=True,
    )
    return secret(expires_at, done.stdout.decode())


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with auth_driver(tmp_path) as door:
        yield door


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("keys")
    return {
        name: make_key(place / name, kind) for name, kind in (("own", "ed25519"), ("rsa", "rsa"), ("other", "ecdsa"))
    }


def soon() -> int:
    return int(time.time()) + 600


@pytest.mark.parametrize("name", ["own", "rsa", "other"])
def test_a_signed_login_is_right_and_says_until_when(door: Door, keys: dict[str, Path], name: str) -> None:
    end = soon()
    assert door.says("ssh", "alice", signed(keys[name], "alice", end), kept=public(keys[name])) == (
        "SUCCESS",
        f"UNTIL={end}",
    )


def test_one_of_several_keys_is_enough(door: Door, keys: dict[str, Path]) -> None:
    kept = f"{public(keys['rsa'])},{public(keys['own'])}"
    assert door.says("ssh", "alice", signed(keys["own"], "alice", soon()), kept=kept)[0] == "SUCCESS"


def test_a_login_of_another_user_another_key_another_time_or_another_purpose_is_wrong(
    door: Door, keys: dict[str, Path]
) -> None:
    end, kept = soon(), public(keys["own"])
    right = signed(keys["own"], "alice", end)
    wrong = {
        "another user": ("bob", right),
        "another key": ("alice", signed(keys["other"], "alice", end)),
        "another time": ("alice", right.replace(f".{end}.", f".{end + 1}.")),
        "another purpose": ("alice", signed(keys["own"], "alice", end, namespace="file")),
        "another text": ("alice", signed(keys["own"], "alice", end, text=b"hello")),
    }
    assert {
        about: door.says("ssh", name, said, kept=kept)[0] for about, (name, said) in wrong.items()
    } == dict.fromkeys(wrong, "FAILURE")


@pytest.mark.parametrize("seconds", [-1, VALID_S_MAX + 60])
def test_a_login_that_is_over_or_holds_too_long_is_wrong(door: Door, keys: dict[str, Path], seconds: int) -> None:
    said = signed(keys["own"], "alice", int(time.time()) + seconds)
    status, text = door.says("ssh", "alice", said, kept=public(keys["own"]))
    assert (status, "it is over" in text) == ("FAILURE", True)


def test_names_are_no_patterns(door: Door, keys: dict[str, Path]) -> None:
    for name in ("*", "!alice,*", "user"):
        said = signed(keys["own"], name, soon())
        assert door.says("ssh", name, said, kept=public(keys["own"]))[0] == "SUCCESS"
        assert door.says("ssh", "alice", said, kept=public(keys["own"]))[0] == "FAILURE"


@pytest.mark.parametrize("kept", ["-", "AAAA", "nonsense", "AAAAC3NzaC1lZDI1NTE5AAAA\tx", ",", "x" * 4000])
def test_what_is_kept_must_be_public_keys(door: Door, keys: dict[str, Path], kept: str) -> None:
    assert door.says("ssh", "alice", signed(keys["own"], "alice", soon()), kept=kept.replace("\t", ","))[0] == "FAILURE"


def test_a_user_who_does_not_exist_has_no_key(door: Door, keys: dict[str, Path]) -> None:
    said = signed(keys["own"], "alice", soon())
    assert door.says("ssh", "alice", said, kept=public(keys["own"]), uid=-1)[0] == "FAILURE"


def test_more_keys_than_a_user_may_have_are_refused(door: Door, keys: dict[str, Path]) -> None:
    kept = ",".join([public(keys["own"])] * (KEYS_MAX + 1))
    assert "11 keys" in door.says("ssh", "alice", signed(keys["own"], "alice", soon()), kept=kept)[1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "password",
        "ssh1.5.",
        "ssh1.5.AAAA",
        "ssh1.x.U1NIU0lH",
        "ssh2.5.U1NIU0lH",
        "ssh1.9999999999999.U1NIU0lH",
        "ssh1.5.U1",
    ],
)
def test_what_is_no_login_of_a_key_is_told(text: str) -> None:
    with pytest.raises(BadLogin):
        parse(text)


@pytest.mark.parametrize("line", ["", "ssh-ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----", "AAAAB3NzaC1kc3MAAAA="])
def test_what_is_no_public_key_is_told(line: str) -> None:
    with pytest.raises(BadLogin):
        key_word(line)


def test_the_word_of_a_key_is_taken_as_well_as_its_line(keys: dict[str, Path]) -> None:
    word = public(keys["own"])
    assert key_word(word) == word
    assert key_word(f"ssh-ed25519 {word}") == word
