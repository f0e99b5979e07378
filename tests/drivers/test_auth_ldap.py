"""Logins against a real directory: who is let in, as whom, into which groups, and what goes in clear text."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.auth_builders import Door, auth_driver
from tests.drivers.slapd import BASE, SEARCHER, SEARCHER_PASSWORD, Directory, slapd

NOBODY = -1
STAFF, CHIEFS = f"cn=staff,ou=groups,{BASE}", f"cn=chiefs,ou=groups,{BASE}"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    with slapd(tmp_path_factory.mktemp("slapd") / "place") as directory:
        yield directory


@pytest.fixture
def door(tmp_path: Path, directory: Directory) -> Iterator[Door]:
    with auth_driver(tmp_path) as door:
        (door.place / "searcher").write_text(f"{SEARCHER_PASSWORD}\n")
        (door.place / "searcher").chmod(0o600)
        settings(door, url=f"ldaps://127.0.0.1:{directory.tls_port}", ca_file=str(directory.certificate))
        yield door


def settings(door: Door, *, more: str = "", **values: str) -> None:
    """Write ldap.toml."""
    told = {"bind_dn": SEARCHER, "bind_password_file": "searcher", "base": f"ou=people,{BASE}", **values}
    lines = "".join(f'{key} = "{value}"\n' for key, value in told.items())
    (door.place / "ldap.toml").write_text(f"{lines}{more}\n")


def test_the_password_of_the_directory_is_right_and_no_other(door: Door) -> None:
    assert door.says("ldap", "alice", "alice secret") == ("SUCCESS", "ldap alice -")
    assert door.says("ldap", "alice", "bob secret")[0] == "FAILURE"
    assert door.says("ldap", "carol", "alice secret")[0] == "FAILURE"


def test_who_writes_a_name_in_another_way_is_the_user_that_the_directory_knows(door: Door) -> None:
    assert door.says("ldap", "ALICE", "alice secret", uid=NOBODY) == ("SUCCESS", "ldap alice -")


def test_a_name_of_two_people_is_nobodys(door: Door) -> None:
    assert "more than one user" in door.says("ldap", "twin", "twin secret")[1]


@pytest.mark.parametrize("name", ["*", "al*", "alice)(uid=*", "*)(|(uid=*", "\\61lice", "alice\\"])
def test_a_name_is_no_filter(door: Door, name: str) -> None:
    assert door.says("ldap", name, "alice secret", uid=NOBODY)[0] == "FAILURE"


def test_members_get_the_groups_that_the_settings_name(door: Door, directory: Directory) -> None:
    groups = f'group_base = "ou=groups,{BASE}"\ngroup_admins = ["{CHIEFS}"]\n'
    groups += f'[groups]\n"{STAFF.upper()}" = 100\n"{CHIEFS}" = 101\n"cn=none,{BASE}" = 0'
    settings(door, url=f"ldaps://127.0.0.1:{directory.tls_port}", ca_file=str(directory.certificate), more=groups)
    assert door.says("ldap", "alice", "alice secret", uid=NOBODY) == ("SUCCESS", "ldap alice - 100 *101")
    assert door.says("ldap", "bob", "bob secret", uid=NOBODY) == ("SUCCESS", "ldap bob - 100")


def test_only_members_of_the_required_group_are_let_in(door: Door, directory: Directory) -> None:
    settings(
        door,
        url=f"ldaps://127.0.0.1:{directory.tls_port}",
        ca_file=str(directory.certificate),
        group_base=f"ou=groups,{BASE}",
        required_group=CHIEFS,
    )
    assert door.says("ldap", "alice", "alice secret")[0] == "SUCCESS"
    assert "is not a member" in door.says("ldap", "bob", "bob secret")[1]


def test_a_filter_says_what_else_must_be_true(door: Door, directory: Directory) -> None:
    settings(
        door,
        url=f"ldap://127.0.0.1:{directory.port}",
        ca_file=str(directory.certificate),
        user_filter="(sn=A)",
        more="start_tls = true",
    )
    assert door.says("ldap", "alice", "alice secret")[0] == "SUCCESS"
    assert door.says("ldap", "bob", "bob secret")[0] == "FAILURE"


@pytest.mark.parametrize("way", ["ldaps", "start_tls"])
def test_a_directory_whose_certificate_is_not_trusted_gets_no_password(
    door: Door, directory: Directory, way: str
) -> None:
    if way == "ldaps":
        settings(door, url=f"ldaps://127.0.0.1:{directory.tls_port}")
    else:
        settings(door, url=f"ldap://127.0.0.1:{directory.port}", more="start_tls = true")
    status, text = door.says("ldap", "alice", "alice secret")
    assert (status, "ertificate" in text or "TLS" in text) == ("FAILURE", True), text


def test_a_certificate_of_another_name_is_not_trusted(door: Door, directory: Directory) -> None:
    settings(door, url=f"ldaps://localhost:{directory.tls_port}", ca_file=str(directory.certificate))
    assert door.says("ldap", "alice", "alice secret")[0] == "FAILURE"


def test_clear_text_is_only_for_this_machine_or_who_says_so(door: Door, directory: Directory) -> None:
    settings(door, url=f"ldap://127.0.0.1:{directory.port}")
    assert door.says("ldap", "alice", "alice secret")[0] == "SUCCESS"
    settings(door, url="ldap://ldap.example.org")
    assert "in clear text" in door.says("ldap", "alice", "alice secret")[1]


def test_a_directory_that_is_not_there_lets_nobody_in(door: Door) -> None:
    settings(door, url="ldap://127.0.0.1:1")
    assert door.says("ldap", "alice", "alice secret")[0] == "FAILURE"


def test_the_password_of_who_searches_is_for_its_owner_only(door: Door, directory: Directory) -> None:
    (door.place / "searcher").chmod(0o644)
    assert "only its owner may read it" in door.says("ldap", "alice", "alice secret")[1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "missing required field"),
        ("url = 5\nbase = 'x'", "Expected `str`"),
        ("url = 'http://x'\nbase = 'x'", "url must be ldap://"),
        ("url = 'ldap://x:99999'\nbase = 'x'", "url must be ldap://"),
        ("url = 'ldaps://x'\nbase = 'x'\nstart_tls = true", "encrypted from its beginning"),
        ("url = 'ldaps://x'\nbase = 'x'\nnonsense = 1", "nonsense"),
        ("url =", "Invalid value"),
    ],
)
def test_settings_that_cannot_be_used_are_told(door: Door, text: str, told: str) -> None:
    (door.place / "ldap.toml").write_text(text)
    status, said = door.says("ldap", "alice", "alice secret")
    assert (status, told in said) == ("FAILURE", True), said


def test_a_password_is_in_no_answer_and_in_no_log(door: Door) -> None:
    secret = "correct horse battery staple"
    assert secret not in door.says("ldap", "alice", secret)[1]
    assert SEARCHER_PASSWORD not in door.says("ldap", "alice", secret)[1]
    assert secret not in door.process.stderr.read_text()
