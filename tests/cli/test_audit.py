"""trifid audit: what the engine answers, in lines and as JSON."""

import json

import pytest

from tests.cli.fake_engine import user_xml

ENTRIES = [
    {
        "id": n,
        "at": 1_700_000_000 + n,
        "request_id": f"r{n}",
        "uid": 2,
        "user": "alice",
        "peer": "10.0.0.7",
        "method": "one.vm.action",
        "object_id": 12,
        "arguments": "word=hold vm_id=12",
        "code": 0,
        "text": "",
        "ground": "owner VM 12",
    }
    for n in range(1, 1201)
]
ENTRIES[-1] |= {
    "uid": -1,
    "user": "(no such user)",
    "code": 256,
    "text": "not authenticated",
    "object_id": -1,
    "ground": "",
}


@pytest.fixture
def audit(fake, type_in):
    """Types `trifid audit` against an engine that has ENTRIES; answers what it printed and what it asked."""

    def entries(before_id, limit, *asked):
        found = [e for e in reversed(ENTRIES) if before_id < 0 or e["id"] < before_id]
        return json.dumps(found[:limit])

    fake.methods["trifid.audit.list"] = entries
    fake.users[2] = user_xml(2, "alice")

    def typed(*words):
        return type_in("trifid", "audit", *words)

    return typed


def test_the_newest_calls_are_told_oldest_first(audit):
    lines = audit("-n", "2").stdout.splitlines()
    assert lines[0].split()[:3] == ["TIME", "USER", "FROM"]
    assert "one.vm.action" in lines[1]
    assert lines[1].endswith("12 done     owner VM 12")
    assert lines[2].split()[2] == "-"
    assert "refused" in lines[2]
    assert len(lines) == 3


def test_reasons_and_arguments_come_when_asked_for(audit):
    told = audit("-n", "2", "--full").stdout
    assert "\n    word=hold vm_id=12\n    request r1199\n" in told
    assert "\n    not authenticated\n" in told


def test_as_json_everything_is_there(audit):
    told = audit("-n", "2", "--json").stdout.splitlines()
    assert [json.loads(line) for line in told] == ENTRIES[-2:]


def test_many_entries_come_in_pages(audit, fake):
    assert len(audit("-n", "1100", "--json").stdout.splitlines()) == 1100
    asked = [call for call in fake.calls if call[0] == "trifid.audit.list"]
    assert [call[1:3] for call in asked] == [(-1, 500), (701, 500), (201, 100)]


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ((), (-2, "", -1, -1, -1, 0)),
        (("--user", "alice"), (2, "", -1, -1, -1, 0)),
        (("--user", "-"), (-1, "", -1, -1, -1, 0)),
        (("--method", "one.vm."), (-2, "one.vm.", -1, -1, -1, 0)),
        (("--object", "12"), (-2, "", 12, -1, -1, 0)),
        (("--refused",), (-2, "", -1, -1, -1, 2)),
        (("--done",), (-2, "", -1, -1, -1, 1)),
    ],
)
def test_what_is_chosen_is_asked_for(audit, fake, words, asked):
    assert audit(*words).exit_code == 0
    assert fake.calls[-1][3:] == asked


def test_a_time_that_is_none_is_refused(audit):
    ended = audit("--since", "yesterday")
    assert ended.exit_code != 0
    assert "yesterday is no time" in ended.stderr
