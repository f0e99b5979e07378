"""oneuser, typed against a small engine."""

import pytest

from tests.cli.fake_engine import user_xml, vm_xml


@pytest.fixture(autouse=True)
def _alice(fake):
    fake.users[5] = user_xml(5, "alice", 1, "users")


def test_a_password_comes_from_the_line_from_a_file_or_from_standard_input(fake, type_in, tmp_path):
    (tmp_path / "secret").write_text("from-file\n")
    fake.answers("one.user.allocate", 6)
    assert type_in("oneuser", "create", "bob", "from-line").stdout == "ID: 6\n"
    type_in("oneuser", "create", "bob", "--read-file", str(tmp_path / "secret"))
    type_in("oneuser", "create", "bob", "-r", "-", "--group", "users,0", stdin="from-stdin\n")
    assert fake.called("one.user.allocate") == [
        ["bob", "from-line", "", []],
        ["bob", "from-file", "", []],
        ["bob", "from-stdin", "", [1, 0]],
    ]


@pytest.mark.parametrize(("words", "stdin"), [([], ""), (["-r", "-"], "\n")])
def test_without_a_password_nobody_is_created(fake, type_in, words, stdin):
    result = type_in("oneuser", "create", "bob", *words, stdin=stdin)
    assert result.exit_code == 255
    assert "password" in result.stderr
    assert not fake.called("one.user.allocate")


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["delete", "alice"], ("one.user.delete", 5)),
        (["enable", "5"], ("one.user.enable", 5, True)),
        (["disable", "alice"], ("one.user.enable", 5, False)),
        (["umask", "alice", "137"], ("one.user.update", 5, 'UMASK="137"', 1)),
        (["umask", "alice"], ("one.user.update", 5, 'UMASK=""', 1)),
        (["chgrp", "alice", "oneadmin"], ("one.user.chgrp", 5, 0)),
        (["addgroup", "alice", "oneadmin"], ("one.user.addgroup", 5, 0)),
        (["delgroup", "alice", "users"], ("one.user.delgroup", 5, 1)),
        (["passwd", "alice", "new"], ("one.user.passwd", 5, "new")),
    ],
)
def test_a_command_is_one_call(fake, type_in, words, call):
    fake.answers(call[0], 5)
    result = type_in("oneuser", *words)
    assert (result.exit_code, result.output) == (0, "")
    assert fake.calls[-1] == call


def test_who_changes_the_own_password_is_reminded_of_the_credentials_file(fake, type_in):
    fake.answers("one.user.passwd", 0)
    result = type_in("oneuser", "passwd", "-r", "-", stdin="new\n")
    assert "credentials file" in result.stderr
    assert fake.calls[-1] == ("one.user.passwd", -1, "new")


def test_the_list_counts_what_users_have(fake, type_in):
    fake.vms = {1: vm_xml(1, uid=5), 2: vm_xml(2, uid=5)}
    header, alice, oneadmin = type_in("oneuser", "list").stdout.splitlines()
    assert header.split() == ["ID", "NAME", "ENABLED", "GROUP", "AUTH", "VMS", "MEMORY", "CPU"]
    assert alice.split() == ["5", "alice", "yes", "users", "core", "2", "1G", "2"]
    assert oneadmin.split()[5] == "0"


def test_show_is_about_yourself_or_another(type_in):
    assert "NAME                : oneadmin" in type_in("oneuser", "show").stdout
    assert "NAME                : alice" in type_in("oneuser", "show", "alice").stdout


@pytest.mark.parametrize("mask", ["rwx", "0137", '1"7'])
def test_what_is_no_umask_is_not_sent(fake, type_in, mask):
    result = type_in("oneuser", "umask", "alice", mask)
    assert (result.exit_code, "three digits from 0 to 7" in result.stderr) == (255, True)
    assert fake.called("one.user.update") == []
