"""trifid events, typed against a stream."""

import json

import pytest

from tests.client.test_events import Server

EVENT = {"id": 121, "at": 1790000000, "kind": "VM", "object_id": 3, "uid": 2, "what": "state"}
EVENT |= {"old": "BOOT", "new": "RUNNING", "text": "two\nlines"}
GAP = 'event: gap\ndata: {"after": 5, "first": 90}\n\n'
STREAM = f"{GAP}id: 121\ndata: {json.dumps(EVENT)}\n\n"


@pytest.fixture
def listen(type_in, monkeypatch):
    """Return what types `trifid events` against an engine that answers so, and gives what was asked of it."""

    def run(*words, status=200, text=STREAM):
        with Server((status, text)) as server:
            monkeypatch.setenv("ONE_XMLRPC", server.endpoint)
            return type_in("trifid", "events", *words), server.asked

    return run


def test_events_are_lines_for_people_and_gaps_are_told_aside(listen):
    result, asked = listen()
    assert asked == [{"follow": ["no"], "after": ["-50"]}]
    (line,) = result.stdout.splitlines()
    assert line.split()[0] == "121"
    assert "VM 3" in line
    assert "BOOT -> RUNNING  by 2  two lines" in line
    assert "events after 5 are lost: the oldest one is 90" in result.stderr


@pytest.mark.parametrize(("words", "told"), [((), "among the last 50: --after 0"), (("--after", "0"), "may see\n")])
def test_that_there_is_nothing_is_told_aside(listen, words, told):
    result, _ = listen(*words, text="id: 7\n\n")
    assert result.stdout == ""
    assert told in result.stderr


def test_options_say_what_is_asked_for(listen):
    result, asked = listen("--after", "7", "--filter", "kind=VM&new=BOOT", "--filter", "new=RUNNING", "--json")
    assert asked == [{"follow": ["no"], "after": ["7"], "kind": ["VM"], "new": ["BOOT,RUNNING"]}]
    assert json.loads(result.stdout) == EVENT


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        ((), 401, "check USER:PASSWORD"),
        ((), 404, "this engine has no event stream"),
        ((), 400, "who knows"),
        (("--filter", "VM"), 200, "VM is no filter"),
    ],
)
def test_what_does_not_work_says_why(listen, words, status, told):
    result, _ = listen(*words, status=status, text="who knows")
    assert result.exit_code == 1
    assert told in result.stderr
