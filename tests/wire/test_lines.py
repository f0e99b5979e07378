"""The lines between engine and drivers: whatever the bytes, a message or a DriverFault."""

import base64
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trifid.errors import DriverFault
from trifid.wire.lines import (
    NOTHING,
    Lines,
    LineTooLong,
    Message,
    from_driver,
    monitor_from_driver,
    monitor_to_driver,
    pack,
    parse_from_driver,
    parse_to_driver,
    to_driver,
    unpack,
)

# -- cutting a stream --------------------------------------------------------------------------------

STREAMS = st.lists(st.binary(max_size=8) | st.sampled_from([b"\n", b"\r\n", b"  \n"]), max_size=12).map(b"".join)


def cut(pieces, line_bytes_max=1000):
    lines = Lines(line_bytes_max)
    return [line for piece in pieces for line in lines.feed(piece)]


@given(STREAMS, st.data())
def test_lines_are_the_same_however_they_arrive(stream, data):
    whole = cut([stream])
    assert cut([stream[i : i + 1] for i in range(len(stream))]) == whole
    at = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    assert cut([stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)]) == whole
    assert whole == [line for line in stream.split(b"\n")[:-1] if line.strip()]


def test_what_has_no_end_yet_is_kept():
    lines = Lines()
    assert lines.feed(b"DEPLOY SUC") == []
    assert lines.feed(b"CESS 1 x\nLOG") == [b"DEPLOY SUCCESS 1 x"]
    assert lines.feed(b" I 1 y\n") == [b"LOG I 1 y"]


@pytest.mark.parametrize("pieces", [[b"x" * 101], [b"x" * 60, b"x" * 60], [b"a\n", b"x" * 101 + b"\n"], [b"x"] * 101])
def test_a_line_that_is_too_long_is_a_fault_and_forgotten(pieces):
    lines = Lines(100)
    with pytest.raises(DriverFault, match="a line of more than 100 bytes"):
        for piece in pieces:
            lines.feed(piece)
    assert lines.feed(b"\nnext\n") == [b"next"]


@pytest.mark.parametrize("long", [b"x" * 101, b"x" * 500])
def test_lines_beside_one_that_is_too_long_are_not_lost(long):
    lines = Lines(100)
    with pytest.raises(LineTooLong) as fault:
        lines.feed(b"before\n" + long + b"\nafter\nbeg")
    assert fault.value.lines == [b"before", b"after"]
    assert lines.feed(b"un\n") == [b"begun"]


def test_the_rest_of_a_line_that_is_too_long_is_no_line():
    lines = Lines(100)
    with pytest.raises(LineTooLong) as fault:
        lines.feed(b"before\n" + b"x" * 101)
    assert fault.value.lines == [b"before"]
    assert lines.feed(b"DEPLOY SUCCESS 1 x") == []
    assert lines.feed(b" y\nnext\n") == [b"next"]


# -- round trips -------------------------------------------------------------------------------------

TYPES = st.sampled_from(["DEPLOY", "POLL", "TRANSFER", "A_1"])
IDS = st.integers(-(10**17), 10**17)
TEXTS = st.text(max_size=30)


def on_the_line(text):
    """Return a payload as it arrives: on one line, without blanks around it."""
    return text.replace("\r", " ").replace("\n", " ").encode("utf-8", "replace").decode().strip() or NOTHING


def one_line(data):
    """Return the line without its end, after making sure that there is one and no other."""
    assert data.endswith(b"\n") and data.count(b"\n") == 1
    return data[:-1]


@given(TYPES, IDS, TEXTS)
def test_a_request_survives_the_line(type, oid, payload):
    assert parse_to_driver(one_line(to_driver(type, oid, payload))) == Message(type, "", oid, on_the_line(payload))


@given(TYPES, st.sampled_from(["SUCCESS", "FAILURE"]), IDS, TEXTS)
def test_an_answer_survives_the_line(type, status, oid, payload):
    line = one_line(from_driver(type, status, oid, payload))
    assert parse_from_driver(line) == Message(type, status, oid, on_the_line(payload))


@given(TYPES, IDS, IDS, TEXTS)
def test_the_monitor_family_keeps_every_character(type, oid, at, text):
    kept = text.encode("utf-8", "replace").decode()
    request = parse_to_driver(one_line(monitor_to_driver(type, oid, at, text)))
    answer = parse_from_driver(one_line(monitor_from_driver(type, "SUCCESS", oid, at, text)), monitor=True)
    for message in (request, answer):
        assert (message.type, message.oid, message.timestamp, unpack(message.payload)) == (type, oid, at, kept)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (to_driver("INIT"), b"INIT\n"),
        (to_driver("FINALIZE"), b"FINALIZE\n"),
        (to_driver("DEPLOY", 12, "payload"), b"DEPLOY  12 payload\n"),
        (to_driver("POLL", 12), b"POLL  12 -\n"),
        (from_driver("INIT", "SUCCESS", -1, ""), b"INIT SUCCESS -\n"),
        (from_driver("DEPLOY", "FAILURE", 12, "no\nroom"), b"DEPLOY FAILURE 12 no room\n"),
        (from_driver("LOG", "I", 12, "hello"), b"LOG I 12 hello\n"),
    ],
)
def test_lines_to_the_letter(data, line):
    assert data == line


# -- reading -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"INIT SUCCESS", Message("INIT", "SUCCESS", -1, "-")),
        (b"INIT SUCCESS kvm 1.0 ready", Message("INIT", "SUCCESS", -1, "kvm 1.0 ready")),
        (b"DEPLOY SUCCESS 0 one-0\r", Message("DEPLOY", "SUCCESS", 0, "one-0")),
        (b"DEPLOY  SUCCESS  12   a  b ", Message("DEPLOY", "SUCCESS", 12, "a  b")),
        (b"POLL FAILURE -1", Message("POLL", "FAILURE", -1, "-")),
        (b"LOG I 12 some text", Message("LOG", "I", 12, "some text")),
        (b"LOG E - some text", Message("LOG", "E", -1, "some text")),
        (b"LOG E", Message("LOG", "E", -1, "-")),
        (b"DEPLOY SUCCESS 1 \xff", Message("DEPLOY", "SUCCESS", 1, "\N{REPLACEMENT CHARACTER}")),
    ],
)
def test_what_drivers_say(line, message):
    assert parse_from_driver(line) == message


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "not a message: ''"),
        (b"hello", "not a message: 'hello'"),
        (b"hello world 1", "not a message: 'hello world 1'"),
        (b"DEPLOY", "not a message: 'DEPLOY'"),
        (b"DEPLOY OK 1 x", "status must be SUCCESS or FAILURE: 'DEPLOY OK 1 x'"),
        (b"DEPLOY SUCCESS", "DEPLOY without an id: 'DEPLOY SUCCESS'"),
        (b"DEPLOY SUCCESS x", "'x' is not a number: 'DEPLOY SUCCESS x'"),
        (b"DEPLOY SUCCESS 1.5", "'1.5' is not a number"),
        (b"DEPLOY SUCCESS " + b"9" * 19, "is not a number"),
        ("DEPLOY SUCCESS ١".encode(), "is not a number"),
        (b"x" * 1000, "not a message: '" + "x" * 80 + "'…"),
    ],
)
def test_what_is_no_message_is_quoted(line, why):
    with pytest.raises(DriverFault) as fault:
        parse_from_driver(line)
    assert why in str(fault.value)


TWO_LINES = "two\nlines"


def test_log_lines_of_the_monitor_family_come_packed_or_plain():
    packed = f"LOG I 3 1700000000 {pack(TWO_LINES)}".encode()
    assert parse_from_driver(packed, monitor=True) == Message("LOG", "I", 3, TWO_LINES, 1700000000)
    assert parse_from_driver(b"LOG I 3 plain text", monitor=True) == Message("LOG", "I", 3, "plain text")


def test_a_monitor_line_needs_its_timestamp():
    with pytest.raises(DriverFault, match="id and timestamp expected"):
        parse_from_driver(b"MONITOR_VM SUCCESS 3", monitor=True)
    with pytest.raises(DriverFault, match="'x' is not a number"):
        parse_from_driver(b"MONITOR_VM SUCCESS 3 x -", monitor=True)


@given(
    st.binary(max_size=60) | st.lists(st.sampled_from([b"DEPLOY", b"SUCCESS", b"LOG", b" ", b"-", b"1"])).map(b"".join)
)
@settings(max_examples=400)
def test_any_bytes_are_a_message_or_a_fault(line):
    for read in (
        parse_to_driver,
        parse_from_driver,
        lambda one: parse_from_driver(one, monitor=True),
        lambda one: unpack(one.decode("latin-1")),
    ):
        try:
            read(line)
        except DriverFault as fault:
            assert len(str(fault)) < 1000


def test_a_payload_cannot_unpack_to_more_than_is_allowed():
    bomb = base64.b64encode(zlib.compress(b"\0" * 10_000_000, 9)).decode()
    with pytest.raises(DriverFault, match="unpacks to more than 1000 bytes"):
        unpack(bomb, 1000)
    assert len(unpack(bomb)) == 10_000_000


def test_a_payload_that_is_cut_short_is_a_fault():
    whole = zlib.compress(b"hello" * 100)
    with pytest.raises(DriverFault, match="cut short"):
        unpack(base64.b64encode(whole[:-3]).decode())
