"""Which events somebody wants: one language for the stream and for webhooks."""

import pytest

from trifid.core.event_filter import EVERYTHING, VALUES_MAX, parse_filter
from trifid.core.journal import Entry
from trifid.errors import BadRequest

ENTRY = Entry(7, 1000, "VM", 3, 2, "state", "BOOT", "RUNNING", "")


@pytest.mark.parametrize(
    "text",
    ["", "?", "kind=VM", "kind=HOST,vm", "kind=HOST&kind=VM", "id=3", "uid=2", "what=state", "old=boot", "new=RUNNING",
     "kind=VM&new=POWEROFF,RUNNING&id=1,2,3", "what=%73tate"],
)  # fmt: skip
def test_an_event_is_wanted_when_it_has_one_of_the_values_of_every_key(text):
    assert parse_filter(text).wants(ENTRY)


@pytest.mark.parametrize(
    "text", ["kind=HOST", "id=4", "uid=-1", "what=updated", "old=RUNNING", "new=BOOT", "kind=VM&id=4"]
)
def test_an_event_that_lacks_one_is_not(text):
    assert not parse_filter(text).wants(ENTRY)


def test_an_empty_filter_wants_everything():
    assert parse_filter("") == EVERYTHING


def test_blanks_may_be_written_as_urls_have_them():
    entry = Entry(1, 0, "HOST", 0, 0, "key accepted")
    assert parse_filter("what=key+accepted").wants(entry)
    assert parse_filter("what=key%20accepted").wants(entry)


@pytest.mark.parametrize(
    "text",
    ["kind", "colour=red", "id=x", "id=", "kind=", "id=" + ",".join(map(str, range(VALUES_MAX + 1))), "what=<b>",
     "x" * 5000, "what=%00"],
)  # fmt: skip
def test_what_is_no_filter_is_refused(text):
    with pytest.raises(BadRequest):
        parse_filter(text)
