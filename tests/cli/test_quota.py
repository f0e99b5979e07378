"""Quotas on the command line: set from files, shown beside what is used."""

import json

import pytest

from tests.cli.fake_engine import user_xml


def figures(**given):
    return "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in given.items())


VM_QUOTA = f"<VM_QUOTA><VM>{figures(CPU='-1', CPU_USED='1.50', VMS='4', VMS_USED='3')}</VM></VM_QUOTA>"
DATASTORE_QUOTA = (
    f"<DATASTORE_QUOTA><DATASTORE>{figures(ID=1, IMAGES=-2, IMAGES_USED=1, SIZE=0, SIZE_USED=0)}"
    "</DATASTORE></DATASTORE_QUOTA>"
)
DEFAULTS = (
    f"<DEFAULT_USER_QUOTAS><VM_QUOTA><VM>{figures(CPU=2, CPU_USED=0, VMS=9, VMS_USED=0)}</VM></VM_QUOTA>"
    "</DEFAULT_USER_QUOTAS>"
)


@pytest.fixture(autouse=True)
def _users(fake):
    told = DATASTORE_QUOTA + VM_QUOTA + DEFAULTS
    fake.users[5] = user_xml(5, "alice", 1, "users").replace("</USER>", f"{told}</USER>")
    fake.users[6] = user_xml(6, "bob", 1, "users")


@pytest.fixture
def limits(tmp_path):
    file = tmp_path / "limits.txt"
    file.write_text("VM=[VMS=3]\n")
    return str(file)


def test_limits_of_a_user_come_from_a_file_or_from_standard_input(fake, type_in, limits):
    fake.answers("one.user.quota", 5)
    assert type_in("oneuser", "quota", "alice", limits).output == ""
    type_in("oneuser", "quota", "5", "-", stdin="VM=[VMS=4]")
    assert fake.called("one.user.quota") == [[5, "VM=[VMS=3]\n"], [5, "VM=[VMS=4]"]]


def test_several_users_get_the_same_limits(fake, type_in, limits):
    fake.answers("one.user.quota", 5)
    assert type_in("oneuser", "batchquota", "alice,6", limits).exit_code == 0
    assert [user_id for user_id, _ in fake.called("one.user.quota")] == [5, 6]


def test_the_defaults_are_set_for_all(fake, type_in, limits):
    fake.answers("one.userquota.update", DEFAULTS)
    assert type_in("oneuser", "defaultquota", limits).output == ""
    assert fake.called("one.userquota.update") == [["VM=[VMS=3]\n"]]


def test_without_a_file_and_a_terminal_nothing_is_set(fake, type_in):
    result = type_in("oneuser", "quota", "alice")
    assert result.exit_code == 255
    assert "no terminal" in result.stderr
    assert not fake.called("one.user.quota")


def test_show_tells_what_is_used_of_how_much(type_in):
    shown = type_in("oneuser", "show", "alice").stdout
    assert "RESOURCE USAGE & QUOTAS" in shown
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "VMS 3 / 4 ███████████████░░░░░ 75%" in lines
    assert "CPU 1.50 / 2 ███████████████░░░░░ 75% (default)" in lines
    assert lines[lines.index("DATASTORE 1") + 1 :][:2] == [
        "IMAGES 1",
        "SIZE 0 / 0 MiB ████████████████████ 100%",
    ]


def test_who_has_and_may_everything_sees_no_quotas(type_in):
    assert "QUOTAS" not in type_in("oneuser", "show", "bob").stdout


def test_the_text_for_the_editor_is_what_sets_the_limits_of_now():
    from trifid.cli.quota_shown import limits_text
    from trifid.core.quota import NO_LIMITS
    from trifid.core.quota_text import with_limits
    from trifid.core.template.scanner import parse
    from trifid.wire.bodies.quotas import quotas
    from trifid.wire.elements import one_element

    text = (
        'VM = [ CPU = "1.50", VMS = "4" ]\nVM = [ CLUSTER_IDS = "0,7", VMS = "2" ]\nIMAGE = [ ID = "3", RVMS = "0" ]\n'
    )
    limits = with_limits(NO_LIMITS, parse(text), of_all=False)
    document = one_element(f"<USER>{quotas(limits)}</USER>", "USER")
    assert with_limits(NO_LIMITS, parse(limits_text(document)), of_all=False) == limits


def test_what_was_set_is_told_as_data(fake, type_in, limits):
    fake.answers("one.user.quota", 5)
    told = json.loads(type_in("oneuser", "quota", "alice", limits, "--json").stdout)
    assert told["objects"] == [{"kind": "USER", "id": 5}]


def test_limits_of_groups_are_set_with_the_same_words(fake, type_in, limits):
    fake.answers("one.group.quota", 1)
    fake.answers("one.groupquota.update", DEFAULTS)
    assert type_in("onegroup", "quota", "1", limits).output == ""
    assert type_in("onegroup", "batchquota", "1,100", limits).output == ""
    assert type_in("onegroup", "defaultquota", limits).output == ""
    assert [group_id for group_id, _ in fake.called("one.group.quota")] == [1, 1, 100]
    assert fake.called("one.groupquota.update") == [["VM=[VMS=3]\n"]]


def test_no_defaults_are_told_of_the_user_for_whom_none_hold(fake, type_in):
    fake.users[0] = user_xml(0, "oneadmin", 0, "oneadmin").replace("</USER>", f"{VM_QUOTA}{DEFAULTS}</USER>")
    shown = type_in("oneuser", "show", "0").stdout
    assert "RESOURCE USAGE & QUOTAS" in shown
    assert "(default)" not in shown
