"""onegroup, typed against a small engine."""

import pytest

from tests.cli.fake_engine import user_xml

STAFF = """<GROUP><ID>100</ID><NAME>staff</NAME><TEMPLATE><ROOM>7</ROOM></TEMPLATE><USERS><ID>2</ID><ID>3</ID></USERS>
<ADMINS><ID>3</ID></ADMINS></GROUP>"""


@pytest.fixture(autouse=True)
def _groups(fake):
    fake.groups[100] = STAFF
    fake.users |= {2: user_xml(2, "alice"), 3: user_xml(3, "bob")}
    fake.methods["one.group.info"] = lambda group_id, *_: STAFF
    fake.answers("one.group.allocate", 101)
    fake.answers("one.acl.addrule", 9)
    fake.answers("one.user.allocate", 4)
    fake.answers("one.group.addadmin", 100, 100)


def test_members_of_a_new_group_may_create_what_they_need(fake, type_in):
    assert type_in("onegroup", "create", "lab").output == "ID: 101\n"
    assert fake.called("one.group.allocate") == [["lab"]]
    kinds = sum(1 << bit for bit in (36, 39, 41, 46, 48, 50, 53))
    assert fake.called("one.acl.addrule") == [["200000065", f"{kinds + (4 << 32):x}", "8", "400000000"]]


@pytest.mark.parametrize(("resources", "count"), [("", 0), ("VM", 1)])
def test_what_members_may_create_can_be_said(fake, type_in, resources, count):
    type_in("onegroup", "create", "lab", "--resources", resources)
    assert len(fake.called("one.acl.addrule")) == count


def test_an_administrator_is_made_with_the_group_its_password_from_a_file(fake, type_in, tmp_path):
    (tmp_path / "secret").write_text("pw\n")
    result = type_in("onegroup", "create", "lab", "--admin_user", "carl", "--read-file", str(tmp_path / "secret"))
    assert result.output == "ID: 101\nAdministrator carl, user ID: 4\n"
    assert fake.called("one.user.allocate") == [["carl", "pw", "", [101]]]
    assert fake.called("one.group.addadmin") == [[101, 4]]


def test_an_administrator_who_is_there_already_makes_nothing(fake, type_in):
    result = type_in("onegroup", "create", "lab", "--admin_user", "alice", "--admin_password", "pw")
    assert (result.exit_code, "there is a user alice already" in result.stderr) == (255, True)
    assert fake.called("one.group.allocate") == []


def test_a_password_without_an_administrator_makes_nothing(fake, type_in):
    result = type_in("onegroup", "create", "lab", "--admin_password", "pw")
    assert (result.exit_code, "name one with --admin_user" in result.stderr) == (255, True)
    assert fake.called("one.group.allocate") == []


@pytest.mark.parametrize(
    ("words", "calls"),
    [
        ("delete staff", [("one.group.delete", 100)]),
        ("addadmin staff alice,bob", [("one.group.addadmin", 100, 2), ("one.group.addadmin", 100, 3)]),
        ("deladmin 100 bob", [("one.group.deladmin", 100, 3)]),
    ],
)
def test_a_command_is_a_call_for_each(fake, type_in, words, calls):
    fake.answers("one.group.delete", 100)
    fake.answers("one.group.deladmin", 100)
    result = type_in("onegroup", *words.split())
    assert (result.exit_code, result.output) == (0, "")
    assert fake.calls[-len(calls) :] == calls


def test_the_list(type_in):
    header, staff, *_ = type_in("onegroup", "list").stdout.splitlines()
    assert header.split() == ["ID", "NAME", "USERS", "ADMINS"]
    assert staff.split() == ["100", "staff", "2", "1"]


def test_show_tells_members_and_who_of_them_administers(type_in):
    shown = type_in("onegroup", "show", "staff").stdout.splitlines()
    assert "    2       alice" in shown and "    3 *     bob" in shown
    assert 'ROOM="7"' in shown
