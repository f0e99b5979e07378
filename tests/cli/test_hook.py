"""onehook, typed against a small engine."""

import json

import pytest

RECORD = (
    "<HOOK_EXECUTION_RECORD><HOOK_ID>0</HOOK_ID><EXECUTION_ID>{number}</EXECUTION_ID><TIMESTAMP>1790000000</TIMESTAMP>"
    "<ARGUMENTS><![CDATA[3 'a b']]></ARGUMENTS><EXECUTION_RESULT><COMMAND>/hooks/tell.sh</COMMAND>"
    "<STDOUT>said so</STDOUT><STDERR>but why</STDERR><CODE>{code}</CODE></EXECUTION_RESULT>"
    "<REMOTE_HOST>node1</REMOTE_HOST><RETRY>yes</RETRY></HOOK_EXECUTION_RECORD>"
)
LOG = f"<HOOKLOG>{RECORD.format(number=0, code=0)}{RECORD.format(number=1, code=7)}</HOOKLOG>"
STATE = (
    "<HOOK><ID>0</ID><NAME>tell</NAME><TYPE>state</TYPE><LOCK><LOCKED>1</LOCKED><OWNER>0</OWNER><TIME>1</TIME>"
    "<REQ_ID>1</REQ_ID></LOCK><TEMPLATE><COMMAND>tell.sh</COMMAND><LCM_STATE>RUNNING</LCM_STATE>"
    "<RESOURCE>VM</RESOURCE><STATE>ACTIVE</STATE></TEMPLATE>{log}</HOOK>"
)
CALL = (
    "<HOOK><ID>1</ID><NAME>made</NAME><TYPE>api</TYPE><TEMPLATE><CALL>one.vm.allocate</CALL><COMMAND>m.sh</COMMAND>"
    "</TEMPLATE></HOOK>"
)
CHAT = (
    "<HOOK><ID>2</ID><NAME>chat</NAME><TYPE>webhook</TYPE><TEMPLATE><COMMAND>https://x/in</COMMAND></TEMPLATE></HOOK>"
)


@pytest.fixture(autouse=True)
def _hooks(fake):
    fake.answers("one.hookpool.info", f"<HOOK_POOL>{CHAT}{CALL}{STATE.format(log='')}</HOOK_POOL>")
    fake.answers("one.hook.info", STATE.format(log=LOG))
    fake.answers("one.hooklog.info", LOG)
    for verb in ("allocate", "delete", "rename", "update", "lock", "unlock", "retry"):
        fake.answers(f"one.hook.{verb}", 0)


def test_a_list_tells_what_each_waits_for(type_in):
    lines = type_in("onehook", "list").output.splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["2", "chat", "webhook", "everything", "https://x/in"],
        ["1", "made", "api", "one.vm.allocate", "m.sh"],
        ["0", "tell", "state", "VM", "ACTIVE", "RUNNING", "tell.sh"],
    ]


def test_a_hook_is_shown_with_what_it_did(type_in):
    output = type_in("onehook", "show", "tell").output
    assert "HOOK 0 INFORMATION" in output
    assert "LOCK" in output
    assert "failed 7" in output
    assert "node1" in output


def test_one_execution_is_shown_with_its_outputs(type_in):
    output = type_in("onehook", "show", "0", "--execution", "1").output
    assert "said so" in output
    assert "but why" in output
    assert "3 'a b'" in output
    missing = type_in("onehook", "show", "0", "-e", "9")
    assert missing.exit_code == 255
    assert "no execution 9" in missing.stderr


def test_a_template_is_sent_as_it_was_written(fake, type_in):
    assert type_in("onehook", "create", "-", stdin="NAME=x # mine").output == "ID: 0\n"
    assert fake.called("one.hook.allocate") == [["NAME=x # mine"]]


def test_the_log_is_asked_for_as_the_options_say(fake, type_in, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    output = type_in("onehook", "log", "--hook", "tell", "--error", "--since", "2026-09-21T13:33:20+00:00").output
    assert "failed 7" in output
    type_in("onehook", "log", "--success", "-u", "2026-09-21T13:33:20+00:00")
    type_in("onehook", "log")
    assert fake.called("one.hooklog.info") == [
        [1789997600, -1, 0, -1],
        [-1, 1789997600, -1, 1],
        [-1, -1, -1, 0],
    ]
    assert [one["EXECUTION_ID"] for one in json.loads(type_in("onehook", "log", "--json").output)] == ["0", "1"]
    assert type_in("onehook", "log", "--xml").output.startswith("<HOOKLOG>")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["log", "--error", "--success"], "each other's opposite"),
        (["log", "--since", "yesterday"], "yesterday is no time"),
        (["retry", "tell", "first"], "first is no execution"),
        (["show", "nothing"], "Hook named nothing not found."),
    ],
)
def test_what_cannot_be_asked_says_what_to_write(type_in, words, told):
    result = type_in("onehook", *words)
    assert result.exit_code == 255
    assert told in result.stderr


def test_the_other_commands_call_what_they_are_called(fake, type_in):
    type_in("onehook", "retry", "tell", "12")
    type_in("onehook", "rename", "made", "built")
    type_in("onehook", "lock", "tell,made", "--manage")
    type_in("onehook", "unlock", "0..1")
    type_in("onehook", "update", "tell", "-", "--append", stdin="TIMEOUT=5")
    type_in("onehook", "delete", "chat")
    assert fake.called("one.hook.retry") == [[0, 12]]
    assert fake.called("one.hook.rename") == [[1, "built"]]
    assert fake.called("one.hook.lock") == [[0, 2, False], [1, 2, False]]
    assert fake.called("one.hook.unlock") == [[0], [1]]
    assert fake.called("one.hook.update") == [[0, "TIMEOUT=5", 1]]
    assert fake.called("one.hook.delete") == [[2]]
