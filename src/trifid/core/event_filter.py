"""Which events of the journal somebody wants to hear of: `kind=VM&what=state&new=RUNNING`.

One language for the event stream and for webhooks.  A key may have several values, with commas between or by
repetition; an event is wanted when it has one of the values of every key that is given.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

from trifid.core.journal import Entry
from trifid.errors import BadRequest

KEYS = ("kind", "id", "uid", "what", "old", "new")
VALUES_MAX = 100
TEXT_MAX = 4096
_NUMBER = re.compile(r"-?[0-9]{1,18}")
_WORD = re.compile(r"[A-Za-z0-9_ .:-]{1,80}")
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")


class Filter(msgspec.Struct, frozen=True):
    """What is wanted; an empty set stands for anything.

    Attributes:
        kinds: of objects: VM, HOST, NET, IMAGE …
        ids: of objects.
        uids: of who asked; -1 = the engine.
        whats: words such as state, allocated, deleted.
        old, new: names of states.
    """

    kinds: frozenset[str] = frozenset()
    ids: frozenset[int] = frozenset()
    uids: frozenset[int] = frozenset()
    whats: frozenset[str] = frozenset()
    old: frozenset[str] = frozenset()
    new: frozenset[str] = frozenset()

    def wants(self, entry: Entry) -> bool:
        """Tell whether an event is wanted."""
        return (
            (not self.kinds or entry.kind in self.kinds)
            and (not self.ids or entry.object_id in self.ids)
            and (not self.uids or entry.uid in self.uids)
            and (not self.whats or entry.what in self.whats)
            and (not self.old or entry.old in self.old)
            and (not self.new or entry.new in self.new)
        )


EVERYTHING = Filter()


def filter_of(given: Mapping[str, Sequence[str]]) -> Filter:
    """Return the filter that keys and their values describe; keys that are none of `KEYS` are the caller's to refuse.

    Raises:
        BadRequest: a value is not what its key takes, or there are too many.
    """
    values = {key: _values(key, given.get(key, ())) for key in KEYS}
    return Filter(
        kinds=frozenset(value.upper() for value in values["kind"]),
        ids=frozenset(map(int, values["id"])),
        uids=frozenset(map(int, values["uid"])),
        whats=frozenset(values["what"]),
        old=frozenset(value.upper() for value in values["old"]),
        new=frozenset(value.upper() for value in values["new"]),
    )


def parse_filter(text: str) -> Filter:
    """Return the filter that a query such as `kind=VM&new=RUNNING` describes; an empty one wants everything.

    Raises:
        BadRequest: it is no such query, or has an unknown key.
    """
    if len(text) > TEXT_MAX:
        raise BadRequest(f"a filter of {len(text)} characters: {TEXT_MAX} are accepted")
    given: dict[str, list[str]] = {}
    for part in filter(None, text.strip().lstrip("?").split("&")):
        key, equals, value = part.partition("=")
        if not equals or key not in KEYS:
            raise BadRequest(f"{part[:80]!r} is no part of a filter: write KEY=VALUE, KEY one of {', '.join(KEYS)}")
        given.setdefault(key, []).append(_ESCAPED.sub(lambda found: chr(int(found[1], 16)), value.replace("+", " ")))
    return filter_of(given)


def _values(key: str, texts: Sequence[str]) -> list[str]:
    values = [value.strip() for text in texts for value in text.split(",")]
    if len(values) > VALUES_MAX:
        raise BadRequest(f"{key} has {len(values)} values: {VALUES_MAX} are accepted")
    form, what = (_NUMBER, "a number") if key in ("id", "uid") else (_WORD, "a word")
    for value in values:
        if not form.fullmatch(value):
            raise BadRequest(f"{key} must be {what}, is {value[:80]!r}")
    return values
