"""A template as data: an ordered multimap of attributes, single or vector.

Immutable.  Names and keys are upper case; values are text, as written
(reference/templates.md §1.2).
"""

from collections.abc import Iterator, Mapping

import msgspec

Value = str | dict[str, str]
"""A single attribute's text, or a vector attribute's {KEY: text}."""


class Template(msgspec.Struct, frozen=True, array_like=True):
    """An ordered multimap of attribute name to value; repeated names keep their order.

    Attributes:
        pairs: (NAME, value) in the order written.  A vector's dict is never changed in place.
    """

    pairs: tuple[tuple[str, Value], ...] = ()

    def __iter__(self) -> Iterator[tuple[str, Value]]:
        return iter(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __contains__(self, name: object) -> bool:
        return any(n == name for n, _ in self.pairs)

    @property
    def length(self) -> int:
        """How many characters the names, keys and values have together."""
        return sum(len(n) + (len(v) if isinstance(v, str) else sum(map(len, (*v, *v.values())))) for n, v in self.pairs)

    def all(self, name: str) -> list[Value]:
        """Return every value of `name`, in order."""
        return [v for n, v in self.pairs if n == name]

    def vectors(self, name: str) -> list[dict[str, str]]:
        """Return every vector called `name`, in order; single attributes of that name are left out."""
        return [v for n, v in self.pairs if n == name and isinstance(v, dict)]

    def vector(self, name: str) -> dict[str, str]:
        """Return the first vector called `name`, or an empty dict."""
        for n, v in self.pairs:
            if n == name and isinstance(v, dict):
                return v
        return {}

    def single(self, name: str, default: str = "") -> str:
        """Return the text of the first single attribute `name`, or `default`."""
        for n, v in self.pairs:
            if n == name and isinstance(v, str):
                return v
        return default

    def having(self, *pairs: tuple[str, Value]) -> "Template":
        """Return this template with `pairs` appended."""
        return Template(self.pairs + pairs)

    def without(self, *names: str) -> "Template":
        """Return this template without any attribute of these names."""
        return Template(tuple(p for p in self.pairs if p[0] not in names))

    def only(self, *names: str) -> "Template":
        """Return the attributes of these names, in their order here."""
        return Template(tuple(p for p in self.pairs if p[0] in names))

    def replacing(self, name: str, *values: Value) -> "Template":
        """Return this template with all attributes `name` replaced by `values`.

        The new ones stand where the first old one stood, else at the end.
        """
        new = tuple((name, v) for v in values)
        out: list[tuple[str, Value]] = []
        put = False
        for pair in self.pairs:
            if pair[0] != name:
                out.append(pair)
            elif not put:
                out.extend(new)
                put = True
        if not put:
            out.extend(new)
        return Template(tuple(out))

    def merged(self, other: "Template") -> "Template":
        """Return the union, where a name present in `other` replaces all of that name here.

        This is update's "append" mode: (reference/api-modern.md §4, `append` = 1).
        """
        names = {n for n, _ in other.pairs}
        return Template(tuple(p for p in self.pairs if p[0] not in names) + other.pairs)

    def by_name(self) -> "Template":
        """Return the attributes sorted by name, equal names in their order, vector keys sorted.

        This is the order of every document and of context.sh (reference/templates.md §1.2).
        """
        ordered = sorted(self.pairs, key=lambda pair: pair[0])
        return Template(tuple((n, dict(sorted(v.items())) if isinstance(v, dict) else v) for n, v in ordered))


def template(pairs: Mapping[str, Value | list[Value]] | None = None, /, **more: Value | list[Value]) -> Template:
    """Build a template from Python values, a list standing for a repeated attribute.  For code and tests."""
    out: list[tuple[str, Value]] = []
    for name, value in {**(pairs or {}), **more}.items():
        for one in value if isinstance(value, list) else [value]:
            out.append((name.upper(), {k.upper(): v for k, v in one.items()} if isinstance(one, dict) else one))
    return Template(tuple(out))
