"""What is said when something goes wrong: what is missing, who may give it, where to look."""

import pytest

from tests.cli.fake_engine import Refusal, vm_xml


@pytest.mark.parametrize(
    ("text", "next_line"),
    [
        (
            "User [2] : Not authorized to perform MANAGE VM [12].",
            'MANAGE on VM 12 is missing; who may give it: its owner by "onevm chmod 12 MODE", '
            'a member of the group oneadmin by: oneacl create "#2 VM/#12 MANAGE"',
        ),
        (
            "User [2] : Not authorized to perform CREATE VM.",
            "CREATE on VM is missing; who may give it: a member of the group oneadmin by: "
            'oneacl create "#2 VM/* CREATE"',
        ),
        (
            "User [2] : Not authorized to perform ADMIN HOST [0].",
            "ADMIN on HOST 0 is missing; who may give it: a member of the group oneadmin by: "
            'oneacl create "#2 HOST/#0 ADMIN"',
        ),
        (
            "User [2] : Not authorized to perform USE NET [7].",
            'USE on NET 7 is missing; who may give it: its owner by "onevnet chmod 7 MODE", '
            'a member of the group oneadmin by: oneacl create "#2 NET/#7 USE"',
        ),
        ("User [2] : Not authorized to perform MANAGE ACL.", "ask a member of the group oneadmin"),
        ("User [0] : VM is locked. [10].", 'who may manage it takes the lock away: "onevm unlock 10"'),
        (
            "User [2] : VM Template includes a restricted attribute RAW.",
            "leave it out, or ask a member of the group oneadmin to set it",
        ),
        (
            "User [2] : USER [2] limit of 3 reached for VMS quota in VM.",
            '"oneuser show" tells your limits and what of them is used',
        ),
        (
            "User [2] : group [100] limit of 3 reached for VMS quota in VM.",
            '"onegroup show 100" tells its limits and what of them is used',
        ),
        (
            "User [0] : user [2] limit of 3 reached for VMS quota in VM.",
            '"oneuser show 2" tells its limits and what of them is used',
        ),
        ("User [2] : Not authorized to perform MANAGE SYSTEM.", "ask a member of the group oneadmin"),
        (
            "User [2] : Not authorized to perform ADMIN VM [12].",
            "ADMIN on VM 12 is missing; who may give it: a member of the group oneadmin by: "
            'oneacl create "#2 VM/#12 ADMIN"',
        ),
        (
            "User [0] : Not authorized to make a token of another user's groups.",
            'name one of its groups: "oneuser token-create USER --group GROUP"',
        ),
    ],
)
def test_a_refusal_tells_what_is_missing_and_who_may_give_it(fake, type_in, text, next_line):
    fake.answers("one.vm.action", Refusal(f"[one.vm.action] {text}", 0x0200, 12))
    assert type_in("onevm", "hold", "12").stderr.splitlines()[1].strip() == next_line


@pytest.mark.parametrize(
    ("words", "lister"),
    [
        ("security group", "onesecgroup"),
        ("group", "onegroup"),
        ("VDC", "onevdc"),
        ("virtual machine template", "onetemplate"),
    ],
)
def test_what_is_not_there_is_told_with_the_command_that_lists_what_is(fake, type_in, words, lister):
    fake.answers("one.vm.action", Refusal(f"[one.vm.action] Error getting {words} [9].", 0x0400, 9))
    assert f'see "{lister} list"' in type_in("onevm", "hold", "12").stderr


def test_a_session_that_is_not_known_tells_where_it_was_read(fake, type_in, tmp_path, monkeypatch):
    (tmp_path / "other").write_text("oneadmin:wrong\n")
    monkeypatch.setenv("ONE_AUTH", str(tmp_path / "other"))
    result = type_in("onevm", "hold", "1,2")
    assert result.exit_code == 255
    assert f"the session was read from {tmp_path / 'other'}" in result.stderr
    assert len(fake.calls) == 1


def test_of_a_home_it_is_the_session_of_the_home(fake, type_in, tmp_path):
    (tmp_path / "one_auth").write_text("oneadmin:wrong\n")
    result = type_in("onevm", "list", "--home", str(tmp_path), "--endpoint", fake.endpoint)
    assert f"the session was read from {tmp_path / 'one_auth'}" in result.stderr


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("lst", "did you mean list?"),
        ("snap", "did you mean snapshot-create or snapshot-delete or snapshot-revert?"),
        ("reboott", "did you mean reboot or boot?"),
        ("shutdow", "did you mean shutdown?"),
    ],
)
def test_an_unknown_command_is_told_with_those_that_are_like_it(type_in, word, meant):
    result = type_in("onevm", word)
    assert result.exit_code == 255
    assert result.stderr.startswith(f"Error: onevm has no command {word}\n")
    assert meant in result.stderr


def test_a_word_that_is_like_none_is_told_with_the_help(type_in):
    assert type_in("trifid", "xyzzy").stderr == 'Error: trifid has no command xyzzy\n  See "trifid --help"\n'


def test_an_engine_that_does_not_answer_is_told_with_how_to_start_one(type_in, monkeypatch):
    monkeypatch.setenv("ONE_XMLRPC", "http://127.0.0.1:9/RPC2")
    stderr = type_in("onevm", "list").stderr
    assert 'start it with "trifid start --home DIR"' in stderr
    assert "http://127.0.0.1:9/RPC2" in stderr


def test_one_object_that_is_refused_does_not_keep_the_others_from_it(fake, type_in):
    fake.vms = {1: vm_xml(1)}
    fake.answers("one.vm.action", Refusal("[one.vm.action] no", 0x0800, 1), 2)
    assert type_in("onevm", "hold", "1,2", "-v").stdout == "VM 2: hold\n"
