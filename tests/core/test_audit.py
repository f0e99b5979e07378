"""What the audit tells of arguments: enough to see what was asked, never a secret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trifid.core.audit import ARGUMENTS_LENGTH_MAX, AuditEntry, AuditQuery, shown_arguments


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("vm_id", 3, "vm_id=3"),
        ("hold", True, "hold=True"),
        ("name", "web", "name=web"),
        ("password", "tell-nobody", "password=***"),
        ("new_password", "tell-nobody", "new_password=***"),
        ("token", "tell-nobody", "token=***"),
        ("template", "CPU=1\nNAME=web", "template=[CPU=1 NAME=web]"),
        ("template", "CONTEXT=[A=tell-nobody,PASSWORD=x]", "template=[CONTEXT=[A=*** PASSWORD=***]]"),
        ("template", 'GRAPHICS=[TYPE=vnc,PASSWD="tell-nobody"]', "template=[GRAPHICS=[TYPE=vnc PASSWD=***]]"),
        ("template", "SSH_PRIVATE=tell-nobody", "template=[SSH_PRIVATE=***]"),
        ("template", "SECRET=tell-nobody", "template=[SECRET=***]"),
        ("template", "<T><SECRET>tell-nobody</SECRET><CPU>1</CPU></T>", "template=[SECRET=*** CPU=1]"),
        ("template", "PASSWORD=tell-nobody\nCPU=[", "template=(26 characters)"),
        ("name", "two\nlines", "name=two?lines"),
        ("template", "RESTIC_PASS=tell-nobody\nPASSTHROUGH=yes", "template=[RESTIC_PASS=*** PASSTHROUGH=yes]"),
        ("template", 'PATH="https://me:tell-nobody@x.org/a?s=tell-nobody"', "template=[PATH=https://***@x.org/a?***]"),
        ("template", "BODY=\"{'password':'tell-nobody'}\"", "template=[BODY=***]"),
        ("wanted", '{"password": "tell-nobody=1"}', "wanted=(29 characters)"),
        ("pairs", "[[1, 2]]", "pairs=[[1, 2]]"),
    ],
)
def test_arguments_are_told_without_secrets(name, value, shown):
    assert shown_arguments([(name, value)]) == shown


@given(st.text(max_size=3000), st.text(max_size=3000))
def test_what_is_told_is_one_line_of_bounded_length(first, second):
    told = shown_arguments([("name", first), ("template", second)])
    assert len(told) <= ARGUMENTS_LENGTH_MAX
    assert "\n" not in told
    assert "\0" not in told


def entry(number: int, **fields: object) -> AuditEntry:
    made = {"at": 100, "request_id": "1", "uid": 2, "user": "alice", "peer": "::1", "method": "one.vm.action"}
    return AuditEntry(number, **{**made, "object_id": 3, "arguments": "", **fields})


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        (AuditQuery(), [1, 2, 3]),
        (AuditQuery(before_id=3), [1, 2]),
        (AuditQuery(since=200), [2]),
        (AuditQuery(until=199), [1, 3]),
        (AuditQuery(uid=-1), [3]),
        (AuditQuery(method="one.vm."), [1, 3]),
        (AuditQuery(object_id=9), [2]),
        (AuditQuery(is_refused=True), [3]),
        (AuditQuery(is_refused=False), [1, 2]),
    ],
)
def test_a_query_finds_what_it_asks_for(query, fits):
    entries = [entry(1), entry(2, at=200, method="one.vn.hold", object_id=9), entry(3, uid=-1, code=256)]
    assert [one.id for one in entries if query.matches(one)] == fits
