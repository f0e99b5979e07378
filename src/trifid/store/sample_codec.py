"""Figures as bytes: MessagePack, with known names as small numbers: eight figures take 40 bytes or so."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from trifid.core.samples import Figure, Kind, Sample

_NAMES = (
    *("CPU", "MEMORY", "NETRX", "NETTX", "DISKRDBYTES", "DISKWRBYTES", "DISKRDIOPS", "DISKWRIOPS"),
    *("FREE_CPU", "USED_CPU", "FREE_MEMORY", "USED_MEMORY"),
)
"""Names that are written as their place here.  Databases hold these numbers: names are only ever added at the end."""
_CODES: dict[str, int] = {name: code for code, name in enumerate(_NAMES)}

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[int | str, int | float]).decode


class Packed(NamedTuple):
    """A sample of one object, its figures as bytes.

    Attributes:
        weight: how many measurements it stands for.
    """

    id: int
    at: int
    weight: int
    figures: bytes


class Note(NamedTuple):
    """A packed sample with the kind of its object."""

    kind: int
    row: Packed


_decode_notes = msgspec.msgpack.Decoder(list[tuple[int, tuple[int, int, int, bytes]]]).decode


class Unreadable(ValueError):
    """Bytes that are no figures: changed by hand, damaged, or of a newer version."""


def packed(object_id: int, sample: Sample) -> Packed:
    """Return a sample with its figures as bytes."""
    figures = _encode({_CODES.get(name, name): value for name, value in sample.figures.items()})
    return Packed(object_id, sample.at, sample.count, figures)


def unpacked(row: Packed) -> Sample:
    """Return a sample with its figures.

    Raises:
        Unreadable: the bytes are no figures.
    """
    try:
        told = _decode(row.figures)
        figures: dict[str, Figure] = {key if isinstance(key, str) else _NAMES[key]: told[key] for key in told}
    except (msgspec.MsgspecError, IndexError, TypeError) as fault:
        raise Unreadable(str(fault)) from None
    return Sample(row.at, figures, row.weight)


def packed_notes(notes: Sequence[Note]) -> bytes:
    """Return many packed samples as bytes."""
    return _encode(notes)


def unpacked_notes(data: bytes) -> list[Note]:
    """Return the packed samples; raises Unreadable."""
    try:
        return [Note(Kind(kind), Packed(*row)) for kind, row in _decode_notes(data)]
    except (msgspec.MsgspecError, ValueError, TypeError) as fault:
        raise Unreadable(str(fault)) from None
