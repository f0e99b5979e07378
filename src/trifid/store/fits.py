"""What every database can keep: numbers of 64 bits.

Looked at before a record becomes part of a turn, so that one command is refused; in the middle of a
write it would be a fault of the database, and the end of the engine.
"""

from typing import Any

import msgspec

from trifid.core.template.model import Template
from trifid.core.vm.record import HistoryRecord
from trifid.errors import Refused

INTEGER_MAX = (1 << 63) - 1

_WITHOUT_FOREIGN_NUMBERS = (Template, HistoryRecord)


def refuse_what_does_not_fit(record: msgspec.Struct) -> None:
    """Let a record pass if a row can hold it.

    Raises:
        Refused: a number is too big.
    """
    for name, value in zip(record.__struct_fields__, msgspec.structs.astuple(record), strict=True):
        if not _fits(value):
            object_id = getattr(record, "id", -1)
            about = f"{type(record).__name__.lower()} {object_id}"
            raise Refused(f"{about}: {name} has a number beyond {INTEGER_MAX}, give a smaller one", object_id)


def _fits(value: Any) -> bool:
    if isinstance(value, int):
        return -INTEGER_MAX <= value <= INTEGER_MAX
    if isinstance(value, msgspec.Struct) and not isinstance(value, _WITHOUT_FOREIGN_NUMBERS):
        return all(map(_fits, msgspec.structs.astuple(value)))
    if isinstance(value, tuple):
        return all(map(_fits, value))
    return True
