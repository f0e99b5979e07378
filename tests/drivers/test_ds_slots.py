"""Slow requests to a datastore driver: a few at a time, and nobody else waits for them."""

import contextlib

import pytest

from tests.drivers.tm_builders import Listening
from trifid.drivers.ds.slots import COPIES_MAX, LOOKS_MAX, Slots, slot_for
from trifid.drivers.kit import Failure, Request
from trifid.wire.image_action import ImageActionData
from trifid.wire.lines import Message

URL = "http://example.org/x"


def request(verb: str = "CP", *, is_cancelled: bool = False) -> Request:
    """A request to a datastore driver, under way."""
    made = Request(Listening(), Message(verb, "", 7, ""), 1)
    if is_cancelled:
        made.cancel()
    return made


@pytest.mark.parametrize(("busy", "number"), [("CP", COPIES_MAX), ("CLONE", COPIES_MAX), ("STAT", LOOKS_MAX)])
def test_what_is_quick_goes_on_while_as_many_as_may_are_at_work(busy: str, number: int) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(number):
            stack.enter_context(slot_for(request(busy), ImageActionData(path=URL)))
        for verb in ("RM", "MKFS", "RESIZE", "SNAP_DELETE", "MONITOR"):
            stack.enter_context(slot_for(request(verb, is_cancelled=True), ImageActionData()))
        stack.enter_context(slot_for(request("STAT", is_cancelled=True), ImageActionData(path="/var/tmp/x")))
        one_more = request(busy, is_cancelled=True)
        with pytest.raises(Failure, match="cancelled by the engine"), slot_for(one_more, ImageActionData(path=URL)):
            pytest.fail("it did not wait")
    with slot_for(request(busy, is_cancelled=True), ImageActionData(path=URL)):
        pass


def test_a_slot_is_free_again_whatever_became_of_the_request() -> None:
    slots = Slots(1)
    for _ in range(2):
        with pytest.raises(Failure, match="no space"), slots.taken(request()):
            raise Failure("no space")


def test_a_request_says_that_it_waits() -> None:
    slots, waiting = Slots(1), request(is_cancelled=True)
    with (
        slots.taken(request()),
        pytest.raises(Failure),
        slots.taken(waiting),
    ):
        pytest.fail("it did not wait")
    assert isinstance(waiting._kit, Listening)
    assert [message.payload for message in waiting._kit.heard] == ["waits, 1 others are at work"]


def test_a_look_does_not_wait_for_long() -> None:
    slots = Slots(2, wait_max_s=0)
    with (
        slots.taken(request()),
        slots.taken(request()),
        pytest.raises(Failure, match="2 others are at work and none came to its end: try again later"),
        slots.taken(request()),
    ):
        pytest.fail("it did not wait")
