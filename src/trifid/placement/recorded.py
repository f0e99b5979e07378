"""A decision that is kept: what was to be decided, what was decided, and by which settings."""

import gzip
import zlib

import msgspec

from trifid.placement.plan import Plan
from trifid.placement.problem import Answer, BadProblem, Problem, answer_of, decoded, plan_of, problem_of, view_of
from trifid.placement.settings import Settings
from trifid.placement.view import View

VERSION = 1
_GZIP = b"\x1f\x8b"
_GZIP_BITS = 31
"""For zlib: gzip, with the largest window."""
OPENED_BYTES_MAX = 1 << 29
"""One about 2,500 hosts and 10,000 VMs that wait has some 10 MB."""
_COMPRESSION = 3
"""Of gzip: more takes longer and saves little."""


class Decision(msgspec.Struct, frozen=True):
    """One decision.

    Attributes:
        by: what decided: the name of a policy, or of a program.
    """

    view: View
    plan: Plan
    settings: Settings
    by: str


class _Written(msgspec.Struct, frozen=True):
    trifid_decision: int
    by: str
    settings: Settings
    problem: Problem
    plan: Answer


class _Head(msgspec.Struct):
    trifid_decision: int | None = None


def pack(decision: Decision) -> bytes:
    """Return a decision as compressed JSON."""
    written = _Written(VERSION, decision.by, decision.settings, problem_of(decision.view), answer_of(decision.plan))
    return gzip.compress(msgspec.json.encode(written), _COMPRESSION, mtime=0)


def unpack(packed: bytes) -> Decision:
    """Return the decision that was packed, or that JSON describes.

    Raises:
        BadProblem: it is no decision, or one of another version.
    """
    written: _Written = decoded(opened(packed), _Written, "a decision")
    if written.trifid_decision != VERSION:
        raise BadProblem(f"trifid_decision is {written.trifid_decision}: only version {VERSION} is known here")
    return Decision(view_of(written.problem), plan_of(written.plan), written.settings, written.by)


def opened(packed: bytes) -> bytes:
    """Return JSON, uncompressed if it was compressed.

    Raises:
        BadProblem: it cannot be uncompressed.
    """
    if not packed.startswith(_GZIP):
        return packed
    reader = zlib.decompressobj(wbits=_GZIP_BITS)
    try:
        text = reader.decompress(packed, OPENED_BYTES_MAX + 1)
    except zlib.error as bad:
        raise BadProblem(f"not a decision: it cannot be uncompressed: {bad}") from None
    if len(text) > OPENED_BYTES_MAX:
        raise BadProblem(f"not a decision: it has more than {OPENED_BYTES_MAX} bytes when it is uncompressed")
    if not reader.eof:
        raise BadProblem("not a decision: it cannot be uncompressed: its end is missing")
    return text


def is_decision(text: bytes) -> bool:
    """Tell whether JSON is meant as a decision, not as a problem."""
    try:
        return msgspec.json.decode(text, type=_Head).trifid_decision is not None
    except msgspec.DecodeError:
        return False
