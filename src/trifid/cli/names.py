"""Names that stand for objects: which one is meant, and what to tell when it is none, or more than one."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from trifid.cli.failure import Failure
from trifid.cli.kinds import Kind

if TYPE_CHECKING:
    from trifid.cli.shell import Shell

_OF_OWNER = re.compile(r"([^\[\]]*)\[(.+)\]\Z", re.DOTALL)
_ALIKE_MAX = 3
_SEVERAL_MAX = 10


class Named(NamedTuple):
    """An object as the pool tells it; `owner` is empty where there is none."""

    id: int
    name: str
    owner: str


class Names:
    """The names of objects, asked for once for each kind."""

    def __init__(self, shell: "Shell") -> None:
        self._shell = shell
        self._pools: dict[str, list[Named]] = {}

    def id(self, kind: Kind, word: str) -> int:
        """Return the id of the one object that a name means.

        Raises:
            Failure: there is none, or more than one.
        """
        known = self._of(kind)
        parts = _OF_OWNER.match(word)
        found = [one for one in known if one.name == word]
        if parts and not found:
            owner, word = parts[1], parts[2]
            found = [one for one in known if one.name == word and owner in ("", one.owner)]
            if not found and owner and (others := [one for one in known if one.name == word]):
                raise Failure(f"{owner} has no {kind.label} named {word}", f"there is {_told(others)}")
        if len(found) == 1:
            return found[0].id
        if found:
            raise Failure(kind.several.format(word), _choice(found))
        raise Failure(kind.missing.format(word), self._next(kind, word, known))

    def name(self, kind: Kind, object_id: int) -> str:
        """Return the name of an object, empty when the caller sees none with that id."""
        return next((one.name for one in self._of(kind) if one.id == object_id), "")

    def only(self, kind: Kind, word: str) -> int | None:
        """Return the id of the only object that a name means; None when it is none, or more than one."""
        try:
            return self.id(kind, word)
        except Failure:
            return None

    def _of(self, kind: Kind) -> list[Named]:
        if kind.element not in self._pools:
            self._pools[kind.element] = list(self._read(kind))
        return self._pools[kind.element]

    def _read(self, kind: Kind) -> Iterator[Named]:
        from trifid.cli.pools import documents
        from trifid.wire.elements import iter_elements

        def names(document: str) -> list[tuple[dict[str, str], Named]]:
            rows = iter_elements(document, kind.element)
            return [
                (row, Named(int(row["ID"]), str(row.get("NAME", row.get("STRING", ""))), str(row.get("UNAME", ""))))
                for row in rows
            ]

        for page in documents(self._shell, kind.pool, names):
            yield from (one for _, one in page)

    def _next(self, kind: Kind, word: str, known: list[Named]) -> str:
        where = f'see "{kind.command} list"'
        if kind.hidden:
            where = f"{where}; {kind.hidden}"
        alike = _alike(word, known)
        return f"did you mean {' or '.join(alike)}?  {where[0].upper()}{where[1:]}" if alike else where


def _named(row: dict[str, str]) -> Named:
    """Return how an object is called; access rules have no name: what they say stands for them."""
    return Named(int(row["ID"]), str(row.get("NAME", row.get("STRING", ""))), str(row.get("UNAME", "")))


def _choice(found: list[Named]) -> str:
    """Return how to name one of several objects: by its id, or by its owner where that tells them apart."""
    ids = ", ".join(str(one.id) for one in sorted(found)[:_SEVERAL_MAX])
    owners = [one.owner for one in found]
    if all(owners) and len(set(owners)) == len(owners):
        return f'use an id, or "OWNER[NAME]": {_told(found)}'
    return f"use an id: {ids}"


def _told(found: list[Named]) -> str:
    shown = [f"{one.id} of {one.owner}" if one.owner else str(one.id) for one in sorted(found)[:_SEVERAL_MAX]]
    return ", ".join(shown) + (" …" if len(found) > _SEVERAL_MAX else "")


def _alike(word: str, known: list[Named]) -> list[str]:
    """Return names that may have been meant."""
    names = sorted({one.name for one in known})
    folded = word.casefold()
    begun = [name for name in names if name.casefold().startswith(folded)]
    if begun:
        return begun[:_ALIKE_MAX]
    from difflib import get_close_matches

    return get_close_matches(word, names, _ALIKE_MAX, 0.7)
