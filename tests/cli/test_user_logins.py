"""oneuser about logging in, typed against a small engine: passwords, drivers, ssh keys, tokens and their files."""

import hashlib
import stat
import subprocess
from pathlib import Path

import pytest

from tests.cli.fake_engine import user_xml
from trifid.core.user import token_digest, token_id

TOKEN = "3f" * 32
NAME = token_id(token_digest(TOKEN))
KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIBLqZ4YjwXo4"


@pytest.fixture(autouse=True)
def _alice(fake):
    fake.users[5] = user_xml(5, "alice", 1, "users")
    fake.answers("one.user.login", TOKEN)


@pytest.fixture
def place(type_in, tmp_path) -> Path:
    """Where clients keep their tokens."""
    return tmp_path / "user" / ".one"


@pytest.fixture
def key(type_in, tmp_path) -> Path:
    path = tmp_path / "user" / ".ssh" / "id_ed25519"
    path.parent.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def with_tokens(*tokens: tuple[str, int, int], user_id: int = 0, name: str = "oneadmin") -> str:
    told = "".join(
        f"<LOGIN_TOKEN><TOKEN>{name}</TOKEN><EXPIRATION_TIME>{end}</EXPIRATION_TIME><EGID>{egid}</EGID></LOGIN_TOKEN>"
        for name, end, egid in tokens
    )
    return user_xml(user_id, name).replace("<TEMPLATE>", f"{told}<TEMPLATE>")


# -- what is kept ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        (["pw"], ["pw", ""]),
        (["pw", "--driver", "core"], ["pw", "core"]),
        (["--driver", "ldap"], ["-", "ldap"]),
        (["CN=bob", "--driver", "x509"], ["CN=bob", "x509"]),
        (["pw", "--sha1"], [hashlib.sha1(b"pw").hexdigest(), ""]),
        (["pw", "--sha256", "--driver", "mine"], [hashlib.sha256(b"pw").hexdigest(), "mine"]),
        ([f"ssh-ed25519 {KEY} bob@example.org", "--ssh"], [KEY, "ssh"]),
        ([KEY, "--driver", "ssh"], [KEY, "ssh"]),
    ],
)
def test_a_user_is_created_with_what_its_driver_wants(fake, type_in, words, sent):
    fake.answers("one.user.allocate", 6)
    assert type_in("oneuser", "create", "bob", *words).stdout == "ID: 6\n"
    assert fake.calls[-1] == ("one.user.allocate", "bob", *sent, [])


def test_a_user_is_created_with_ones_own_key_or_one_from_a_file(fake, type_in, key, tmp_path):
    fake.answers("one.user.allocate", 6)
    word = key.with_suffix(".pub").read_text().split()[1]
    type_in("oneuser", "create", "bob", "--ssh")
    key.with_suffix(".pub").rename(tmp_path / "bob.pub")
    type_in("oneuser", "create", "bob", "--ssh", "--key", str(key))
    type_in("oneuser", "create", "bob", "--ssh", "-r", str(tmp_path / "bob.pub"))
    assert fake.called("one.user.allocate") == [["bob", word, "ssh", []]] * 3
    assert type_in("oneuser", "key").stdout == f"{word}\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["create", "bob", "--ssh"], "there is no key in"),
        (["create", "bob", "--ssh", "--key", "/nowhere/id"], "/nowhere/id is not there"),
        (["create", "bob", "nonsense", "--ssh"], "this is no public key"),
        (["create", "bob", "x", "--ssh", "--driver", "ldap"], "two drivers"),
        (["chauth", "alice"], "there is no driver"),
    ],
)
def test_what_cannot_be_kept_is_told_before_anything_is_asked(fake, type_in, words, says):
    result = type_in("oneuser", *words)
    assert (result.exit_code, says in result.stderr) == (255, True)
    assert not fake.called("one.user.allocate") and not fake.called("one.user.chauth")


def test_a_user_of_another_installation_is_created_with_its_hash(fake, type_in):
    fake.answers("one.user.allocate", 6)
    fake.answers("trifid.user.import_hash", 6)
    assert type_in("oneuser", "create", "bob", "a" * 64, "--hashed").stdout == "ID: 6\n"
    ((name, password, driver, groups),) = fake.called("one.user.allocate")
    assert (name, driver, groups) == ("bob", "core", []) and len(password) > 40 and password != "a" * 64
    assert fake.calls[-1] == ("trifid.user.import_hash", 6, "a" * 64)
    type_in("oneuser", "passwd", "alice", "--hashed", "-r", "-", stdin=f"{'b' * 40}\n")
    assert fake.calls[-1] == ("trifid.user.import_hash", 5, "b" * 40)


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        (["alice", "ldap"], ("ldap", "-")),
        (["alice", "core", "new"], ("core", "new")),
        (["alice", "public"], ("public", "")),
        (["alice", "ssh", KEY], ("ssh", KEY)),
        (["alice", "--driver", "ldap"], ("ldap", "-")),
        (["alice", "--ssh", "-r", "-"], ("ssh", KEY)),
    ],
)
def test_what_checks_a_user_is_changed(fake, type_in, words, sent):
    fake.answers("one.user.chauth", 5)
    result = type_in("oneuser", "chauth", *words, stdin=f"ssh-ed25519 {KEY}\n")
    assert (result.exit_code, result.output) == (0, "")
    assert fake.calls[-1] == ("one.user.chauth", 5, *sent)


def test_the_password_of_a_user_of_ssh_is_its_key(fake, type_in, key):
    fake.users[5] = fake.users[5].replace("<AUTH_DRIVER>core", "<AUTH_DRIVER>ssh")
    fake.answers("one.user.passwd", 5)
    type_in("oneuser", "passwd", "alice")
    assert fake.calls[-1] == ("one.user.passwd", 5, key.with_suffix(".pub").read_text().split()[1])


# -- tokens ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["token-create", "login"])
def test_a_token_is_said_and_written_where_clients_look_for_it(fake, type_in, place, word):
    result = type_in("oneuser", word, "--time", "60")
    assert result.stdout == f"Authentication Token is:\noneadmin:{TOKEN}\n"
    assert fake.calls[-1] == ("one.user.login", "oneadmin", "", 60, -1)
    for name in ("one_auth", f"{NAME}.token"):
        assert (place / name).read_text() == f"oneadmin:{TOKEN}\n"
        assert stat.S_IMODE((place / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_credentials_that_are_there_are_kept_unless_forced(type_in, place):
    place.mkdir(parents=True)
    (place / "one_auth").write_text("oneadmin:password\n")
    assert "exists, use --force to overwrite" in type_in("oneuser", "token-create").stderr
    assert (place / "one_auth").read_text() == "oneadmin:password\n"
    type_in("oneuser", "token-create", "--force")
    assert (place / "one_auth").read_text() == f"oneadmin:{TOKEN}\n"


def test_a_token_of_another_user_is_not_ones_own_credentials(fake, type_in, place):
    type_in("oneuser", "token-create", "alice", "--group", "users")
    assert fake.calls[-1] == ("one.user.login", "alice", "", 36000, 1)
    assert not (place / "one_auth").exists()
    assert (place / f"{NAME}.token").read_text() == f"alice:{TOKEN}\n"


@pytest.mark.parametrize("words", [["token-create", "alice", "--time", "0"], ["token-delete-all", "alice"]])
def test_all_tokens_are_cleared_with_their_files_and_those_of_others_are_not(fake, type_in, place, words):
    place.mkdir(parents=True)
    for name, user in (("aaaa", "alice"), ("bbbb", "oneadmin")):
        (place / f"{name}.token").write_text(f"{user}:x\n")
    result = type_in("oneuser", *words)
    assert (result.stdout, "tokens of alice are cleared" in result.stderr) == ("", True)
    assert fake.calls[-1] == ("one.user.login", "alice", "", 0, -1)
    assert [path.name for path in place.iterdir()] == ["bbbb.token"]


def test_a_token_is_set_by_the_beginning_of_what_the_list_calls_it(fake, type_in, place):
    fake.users[0] = with_tokens((NAME, -1, -1), ("aaaa11112222", 2000, 1))
    type_in("oneuser", "token-create")
    for said in (NAME[:3], NAME, TOKEN):
        result = type_in("oneuser", "token-set", "--token", said)
        assert result.stdout == f"export ONE_AUTH={place / NAME}.token; export ONE_EGID=-1\n"
    result = type_in("oneuser", "token-set", "--token", "aaaa")
    assert (result.exit_code, "has no such token" in result.stderr) == (255, True), "there is no file of it here"


def test_one_token_is_cleared_with_its_file(fake, type_in, place):
    fake.users[0] = with_tokens((NAME, -1, -1), (f"{NAME[:4]}11112222", 2000, 1))
    type_in("oneuser", "token-create")
    result = type_in("oneuser", "token-delete", NAME[:4])
    assert (result.exit_code, "is the beginning of 2 tokens" in result.stderr) == (255, True)
    assert "Token removed." in type_in("oneuser", "token-delete", NAME).stderr
    assert fake.calls[-1] == ("one.user.login", "oneadmin", NAME, 0, -1)
    assert not (place / f"{NAME}.token").exists()
    fake.users[5] = with_tokens(("cccc11112222", -1, -1), user_id=5, name="alice")
    type_in("oneuser", "token-delete", "alice", "cccc")
    assert fake.calls[-1] == ("one.user.login", "alice", "cccc11112222", 0, -1)


def test_show_lists_the_tokens_as_upstream_does(fake, type_in):
    fake.users[0] = with_tokens((NAME, -1, -1), ("aaaa11112222", 2000, 1))
    lines = [line.split() for line in type_in("oneuser", "show").stdout.splitlines()]
    assert ["ID", "EGID", "EGROUP", "EXPIRATION"] in lines
    assert [NAME, "*0", "oneadmin", "forever"] in lines
    assert any(line[:3] == ["aaaa11112222", "1", "users"] for line in lines)


def test_a_login_by_key_is_signed_for_the_user_and_becomes_a_token(fake, type_in, key, place):
    fake.known = ("carol:ssh1.",)
    result = type_in("oneuser", "login", "carol", "--ssh", "--time", "60")
    assert result.stdout == f"Authentication Token is:\ncarol:{TOKEN}\n"
    assert fake.calls[-1] == ("one.user.login", "carol", "", 60, -1)
    assert (place / "one_auth").read_text() == f"carol:{TOKEN}\n"
