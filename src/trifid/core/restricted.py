"""What of a template only administrators set, on whatever way it reaches an object.

A list names attributes (`EMULATOR`) and keys of vectors (`NIC/MAC`).  Clients send whole templates back after they
were edited, so that a restricted value which is there already is nobody's wish.
Source: reference/templates.md §2.2 (*_RESTRICTED_ATTR).
"""

import functools
import re
from collections import Counter
from collections.abc import Iterable

import msgspec

from trifid.core.template.model import Template, Value
from trifid.errors import BadTemplate, NotAllowed

NOTHING = Template()
WHOLE = ""
"""The key that stands for the attribute itself."""
_PATH = re.compile(r"[A-Z_][A-Z0-9_]*(/[A-Z_][A-Z0-9_]*)?")
_SAME = {
    "NIC": ("NETWORK", "NETWORK_ID", "NETWORK_UID", "NETWORK_UNAME", "NETWORK_MODE"),
    "NIC_ALIAS": ("NETWORK", "NETWORK_ID", "NETWORK_UID", "NETWORK_UNAME", "PARENT"),
    "RAW": ("TYPE",),
}
"""Keys of a vector that say what its restricted values are good for: with others they are something else."""


class Restricted(msgspec.Struct, frozen=True):
    """The restricted attributes of one kind of template.

    Attributes:
        names: attribute -> its keys, where the key WHOLE is the attribute itself.
    """

    names: dict[str, frozenset[str]]

    def keys(self, name: str) -> frozenset[str]:
        """Return the restricted keys of an attribute."""
        return self.names.get(name, frozenset())

    def is_whole(self, name: str) -> bool:
        """Tell whether an attribute is restricted, whatever is in it."""
        return WHOLE in self.keys(name)

    def found(self, template: Template, known: Template = NOTHING) -> list[str]:
        """Return what of a template is restricted, as `NAME` or `NAME/KEY`, each once.

        Args:
            known: what does not count where it is the same, once for once: the object's own attributes.
        """
        found: dict[str, None] = {}
        there: dict[str, list[Value]] = {name: [] for name in self.names}
        for name, value in known:
            there.get(name, []).append(value)
        for name, value in template:
            keys = self.keys(name)
            if not keys or value in there[name]:
                continue
            if WHOLE in keys:
                found[name] = None
            elif isinstance(value, dict):
                present = [one for one in there[name] if isinstance(one, dict) and _is_same(name, one, value)]
                brought = [key for key in value if key in keys and not _has(present, key, value[key])]
                found.update((f"{name}/{key}", None) for key in brought)
        found.update((path, None) for path, _ in self._values(template) - self._values(known))
        return list(found)

    def lost(self, old: Template, new: Template) -> list[str]:
        """Return the restricted keys of vectors of which a new template has fewer values than the old one.

        Who leaves a limit out of a DISK takes it away, as who gives it another value does.
        """
        return [path for path, _ in self._values(old) - self._values(new)]

    def _values(self, template: Template) -> Counter[tuple[str, str]]:
        """Count the values of restricted keys, each by its path."""
        return Counter(
            (f"{name}/{key}", text)
            for name, value in template
            if isinstance(value, dict)
            for key, text in value.items()
            if key in self.keys(name)
        )

    def left_out(self, old: Template, new: Template) -> list[tuple[str, Value]]:
        """Return the restricted attributes of an object that its new template does not name."""
        return [(name, value) for name, value in old if self.is_whole(name) and name not in new]

    def checked(self, old: Template, new: Template, *, uid: int, what: str) -> Template:
        """Return the attributes that an object has after somebody who is no administrator changed it.

        Restricted ones that were left out stay, but keys of vectors must be there.

        Args:
            uid: who asks, for the message.
            what: the kind of the object, as messages say it: `User`.

        Raises:
            NotAllowed: a restricted attribute has another value.
        """
        self.refuse_changes(old, new, uid=uid, what=what)
        return new.having(*self.left_out(old, new))

    def refuse_changes(self, old: Template, new: Template, *, uid: int, what: str, object_id: int = -1) -> None:
        """Raise NotAllowed when somebody who is no administrator would bring something restricted, or take a key away.

        Args:
            uid, what: as of `checked`.
        """
        if brought := self.found(new, old):
            raise refusal(uid, what, brought[0], object_id)
        if lost := self.lost(old, new):
            raise refusal(uid, what, lost[0], object_id, "It stays as it is.")


@functools.cache
def restricted(paths: tuple[str, ...]) -> Restricted:
    """Return a list as it is written; raises BadTemplate for an entry that is no `NAME` or `NAME/KEY`."""
    names: dict[str, frozenset[str]] = {}
    for path in paths:
        if _PATH.fullmatch(path) is None:
            raise BadTemplate(f'"{path[:60]}" is no restricted attribute: it must be NAME or NAME/KEY, in capitals')
        name, _, key = path.partition("/")
        names[name] = names.get(name, frozenset()) | {key}
    return Restricted(names)


def refusal(uid: int, what: str, name: str, object_id: int = -1, more: str = "") -> NotAllowed:
    """Return the refusal of a restricted attribute, with the text that today's clients know, and more."""
    text = f"User [{uid}] : {what} Template includes a restricted attribute {name}. {more}"
    return NotAllowed(text.rstrip(), object_id)


def _is_same(name: str, one: dict[str, str], other: dict[str, str]) -> bool:
    return all(one.get(key) == other.get(key) for key in _SAME.get(name, ()))


def _has(vectors: Iterable[dict[str, str]], key: str, text: str) -> bool:
    return any(one.get(key) == text for one in vectors)
