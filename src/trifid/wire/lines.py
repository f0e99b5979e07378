"""The lines between the engine and its drivers: one message per line of text.

    engine to driver   TYPE␣␣OID␣PAYLOAD                     (an empty status makes two blanks)
    driver to engine   TYPE␣STATUS␣OID␣PAYLOAD
    monitor family     TYPE␣STATUS␣OID␣TIMESTAMP␣PAYLOAD     (payload = base64 of zlib of the text)

Source: reference/drivers.md §2.3.  Whatever the bytes, nothing but `DriverFault` is raised.
"""

import base64
import binascii
import re
import zlib

import msgspec

from trifid.errors import DriverFault

LINE_BYTES_MAX = 16 * 1024 * 1024
UNPACKED_BYTES_MAX = 64 * 1024 * 1024
NOTHING = "-"
"""A payload that says nothing."""

_QUOTED_MAX = 80
_BARE = ("INIT", "FINALIZE")
_TYPE = re.compile(r"[A-Z][A-Z_0-9]{0,63}\Z")
_NUMBER = re.compile(r"-?[0-9]{1,18}\Z")


class Message(msgspec.Struct, frozen=True):
    """One line.

    Attributes:
        status: SUCCESS, FAILURE; the severity letter of a LOG; empty or `-` towards drivers.
        oid: what it is about, a VM's or a host's id; -1 when the line names none.
        payload: as on the line (packed in the monitor family); `-` when there is none.
        timestamp: epoch seconds, in the monitor family only.
    """

    type: str
    status: str
    oid: int
    payload: str
    timestamp: int | None = None


class LineTooLong(DriverFault):
    """A line was longer than a line may be.

    Attributes:
        lines: the other lines that were completed at the same time.
    """

    def __init__(self, line_bytes_max: int, lines: list[bytes]) -> None:
        super().__init__(f"a line of more than {line_bytes_max} bytes")
        self.lines = lines


class Lines:
    """Cuts a stream of bytes into lines."""

    def __init__(self, line_bytes_max: int = LINE_BYTES_MAX) -> None:
        self._line_bytes_max = line_bytes_max
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._is_skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes, without their ends; empty ones are left out.

        Raises:
            LineTooLong: a line is dropped, to its end; the fault has all others.
        """
        head, newline, rest = data.rpartition(b"\n")
        complete: list[bytes] = []
        if newline:
            self._pending.append(head)
            complete = b"".join(self._pending).split(b"\n")[self._is_skipping :]
            self._pending, self._pending_bytes, self._is_skipping = [], 0, False
        if rest and not self._is_skipping:
            self._pending.append(rest)
            self._pending_bytes += len(rest)
        is_pending_too_long = self._pending_bytes > self._line_bytes_max
        if is_pending_too_long:
            self._pending, self._pending_bytes, self._is_skipping = [], 0, True
        short = [line for line in complete if len(line) <= self._line_bytes_max]
        lines = [line for line in short if line.strip()]
        if is_pending_too_long or len(short) < len(complete):
            raise LineTooLong(self._line_bytes_max, lines)
        return lines


# -- writing ---------------------------------------------------------------------------------------


def _flat(text: str) -> str:
    """Return `text` on one line; an empty one becomes `-`."""
    return text.replace("\r", " ").replace("\n", " ") if text else NOTHING


def _bytes(line: str) -> bytes:
    # a lone surrogate is how undecodable bytes of a file name look in Python
    return line.encode("utf-8", errors="replace")


def to_driver(type: str, oid: int = -1, payload: str = "") -> bytes:
    """Return the line of a request: `DEPLOY  12 payload`, or the bare word for INIT and FINALIZE."""
    return f"{type}\n".encode() if type in _BARE else _bytes(f"{type}  {oid} {_flat(payload)}\n")


def monitor_to_driver(type: str, oid: int, timestamp: int, text: str) -> bytes:
    """Return the line of a request to a driver of the monitor family."""
    return f"{type} - {oid} {timestamp} {pack(text)}\n".encode()


def from_driver(type: str, status: str, oid: int, payload: str = "") -> bytes:
    """Return the line of an answer, or of a LOG; line ends inside become blanks."""
    about = "" if type == "INIT" else f"{oid} "
    return _bytes(f"{type} {status} {about}{_flat(payload)}\n")


def monitor_from_driver(type: str, status: str, oid: int, timestamp: int, text: str = "") -> bytes:
    """Return the line of an answer of the monitor family."""
    return f"{type} {status} {oid} {timestamp} {pack(text)}\n".encode()


def pack(text: str) -> str:
    """Return base64(zlib(UTF-8)) of `text`."""
    return base64.b64encode(zlib.compress(text.encode("utf-8", errors="replace"), 1)).decode()


def unpack(packed: str, bytes_max: int = UNPACKED_BYTES_MAX) -> str:
    """Return the text of a packed payload.

    Raises:
        DriverFault: not base64, not zlib, or more than `bytes_max` bytes once unpacked.
    """
    try:
        engine = zlib.decompressobj()
        data = engine.decompress(base64.b64decode(packed, validate=True), bytes_max + 1)
    except (binascii.Error, ValueError, zlib.error) as fault:
        raise DriverFault(f"payload is not base64 of zlib: {fault}: {_quoted(packed)}") from None
    if len(data) > bytes_max:
        raise DriverFault(f"payload unpacks to more than {bytes_max} bytes")
    if not engine.eof:
        raise DriverFault(f"payload is cut short: {_quoted(packed)}")
    return data.decode("utf-8", errors="replace")


# -- reading ---------------------------------------------------------------------------------------


def parse_to_driver(line: bytes) -> Message:
    """Return the message of a line that the engine sent; the monitor family is told by its `-`.

    Raises:
        DriverFault: not a message.
    """
    text = _text(line)
    words = text.split(None, 2)
    if not words or not _TYPE.match(words[0]):
        raise DriverFault(f"not a message: {_quoted(text)}")
    if words[0] in _BARE:
        return Message(words[0], "", -1, NOTHING)
    if len(words) > 1 and words[1] == NOTHING:
        return _monitor(text)
    if len(words) < 2:
        raise DriverFault(f"{words[0]} without an id: {_quoted(text)}")
    return Message(words[0], "", _number(words[1], text), words[2].rstrip() if len(words) > 2 else NOTHING)


def parse_from_driver(line: bytes, monitor: bool = False) -> Message:
    """Return the message of a line that a driver said.

    Args:
        monitor: it is of the monitor family, whose lines have a timestamp.  Its LOG lines may come
            packed or plain; their payload is the plain text either way.

    Raises:
        DriverFault: not a message.
    """
    text = _text(line)
    words = text.split(None, 3)
    if len(words) < 2 or not _TYPE.match(words[0]):
        raise DriverFault(f"not a message: {_quoted(text)}")
    if words[0] == "LOG":
        return _log(text, words, monitor)
    if words[1] not in ("SUCCESS", "FAILURE"):
        raise DriverFault(f"status must be SUCCESS or FAILURE: {_quoted(text)}")
    if words[0] == "INIT":
        rest = text.split(None, 2)
        return Message("INIT", words[1], -1, rest[2].rstrip() if len(rest) > 2 else NOTHING)
    if len(words) < 3:
        raise DriverFault(f"{words[0]} without an id: {_quoted(text)}")
    if monitor:
        return _monitor(text)
    return Message(words[0], words[1], _number(words[2], text), words[3].rstrip() if len(words) > 3 else NOTHING)


def _monitor(text: str) -> Message:
    words = text.split(None, 4)
    if len(words) < 4:
        raise DriverFault(f"id and timestamp expected: {_quoted(text)}")
    payload = words[4].rstrip() if len(words) > 4 else NOTHING
    return Message(words[0], words[1], _number(words[2], text), payload, _number(words[3], text))


def _log(text: str, words: list[str], monitor: bool) -> Message:
    said = words[3].rstrip() if len(words) > 3 else NOTHING
    oid = int(words[2]) if len(words) > 2 and _NUMBER.match(words[2]) else -1
    if monitor and len(words) > 3:
        stamp, _, packed = said.rpartition(" ")
        try:
            return Message("LOG", words[1], oid, unpack(packed), int(stamp) if _NUMBER.match(stamp) else None)
        except DriverFault:
            pass  # it is plain text
    return Message("LOG", words[1], oid, said)


def _text(line: bytes) -> str:
    return line.decode("utf-8", errors="replace").strip()


def _number(word: str, line: str) -> int:
    if not _NUMBER.match(word):
        raise DriverFault(f"{_quoted(word)} is not a number: {_quoted(line)}")
    return int(word)


def _quoted(text: str) -> str:
    return repr(text[:_QUOTED_MAX]) + ("…" if len(text) > _QUOTED_MAX else "")
