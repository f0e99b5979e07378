"""What a call comes to: an answer, good or bad, or a fault of the protocol."""

from typing import Any

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """The outcome of a call that was understood.

    Attributes:
        value: the result, or the message of a refusal.
        success: whether it was done.
        code: of the error, 0 on success (reference/api-modern.md §2).
        object_id: what the error is about, -1 for nothing.
    """

    value: Any
    success: bool = True
    code: int = 0
    object_id: int = -1


class Fault(msgspec.Struct, frozen=True):
    """The call itself was wrong: unknown method, wrong types, no XML."""

    code: int
    text: str
