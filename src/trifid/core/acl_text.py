"""Access rules as text: hexadecimal words as clients send them, and the readable form `@1 VM+NET/* CREATE *`.

Source: reference/api-modern.md §2 (what is said of a malformed one) and §5.6.
"""

import re
from collections.abc import Callable, Mapping

from trifid.core.access import Right
from trifid.core.acl import ALL, ALL_KINDS, ALL_RIGHTS, CLUSTER, CLUSTERED, GROUP, ID_MAX, INDIVIDUAL, KINDS, Words
from trifid.errors import NotAllocated

THIS_ZONE = INDIVIDUAL
"""Zone 0, the only one."""
_HEXADECIMAL = re.compile(r"(?:0[xX])?[0-9a-fA-F]{1,16}", re.ASCII)
_ID = (1 << 32) - 1
_SIGNS = {INDIVIDUAL: "#", GROUP: "@", CLUSTER: "%", ALL: "*"}
_NAMES = {INDIVIDUAL: "INDIVIDUAL", GROUP: "GROUP", CLUSTER: "CLUSTER", ALL: "ALL"}
_UNKNOWN = "??"
_HELP = 'write it like "@100 VM+IMAGE/* USE+MANAGE", "#5 HOST/%101 MANAGE *" or "* SECGROUP/#0 USE"'

Resolve = Callable[[str, str], int]
"""From a kind (USER, GROUP, CLUSTER, ZONE, or a kind of rules) and a name to an id; raises ValueError."""


def number(text: str, what: str) -> int:
    """Return the number of a hexadecimal word.

    Raises:
        NotAllocated: it is none, or has more than 64 bits; the text says which.
    """
    if not _HEXADECIMAL.fullmatch(text):
        raise NotAllocated(f"[{what}] is not a hexadecimal number of up to 64 bits")
    return int(text, 16)


# -- to text -----------------------------------------------------------------------------------------


def readable(said: Words) -> str:
    """Return a rule as `@1 VM+NET/* CREATE *`; what has no meaning is shown as ??."""
    kinds = "+".join(kind for kind, bit in KINDS.items() if said.resource & bit)
    rights = "+".join(right.name for right in Right if said.rights & right)
    which = _which(said.resource)
    return f"{_which(said.user)} {kinds}/{which} {rights} {_which(said.zone)}"


def _which(word: int) -> str:
    scopes = [scope for scope in _SIGNS if word & scope]
    if len(scopes) != 1:
        return _UNKNOWN
    sign = _SIGNS[scopes[0]]
    return sign if scopes[0] == ALL else f"{sign}{word & _ID}"


# -- what is wrong with one --------------------------------------------------------------------------


def check_words(said: Words) -> None:
    """Raise NotAllocated for a rule that means nothing, with everything that is wrong with it."""
    kinds = [kind for kind, bit in KINDS.items() if said.resource & bit]
    wrong = _wrong_scope("user", said.user, "INDIVIDUAL, GROUP or ALL", INDIVIDUAL | GROUP | ALL)
    wrong += _wrong_scope("resource", said.resource & ~ALL_KINDS, "INDIVIDUAL, GROUP, CLUSTER or ALL")
    if not kinds:
        wrong.append("[resource] names no kind of objects")
    elif said.resource & CLUSTER and not CLUSTERED.issuperset(kinds):
        wrong.append(f"[resource] only {', '.join(sorted(CLUSTERED))} are in clusters")
    if not said.rights & ALL_RIGHTS:
        wrong.append("[rights] is missing one of USE, MANAGE, ADMIN or CREATE")
    if said.rights & ~ALL_RIGHTS:
        wrong.append("[rights] has bits that are no right")
    wrong += _wrong_scope("zone", said.zone, "INDIVIDUAL or ALL", INDIVIDUAL | ALL)
    if wrong:
        raise NotAllocated(f"Rule {readable(said)} is malformed: {'; '.join(wrong)}")
    if said.zone not in (THIS_ZONE, ALL):
        raise NotAllocated(f"Rule {readable(said)} is for zone {said.zone & _ID}: there is zone 0 only")


def _wrong_scope(what: str, word: int, wanted: str, known: int = INDIVIDUAL | GROUP | CLUSTER | ALL) -> list[str]:
    scopes = [scope for scope in _SIGNS if word & scope & known]
    if not scopes:
        return [f"[{what}] is missing one of the {wanted} bits"]
    if len(scopes) > 1:
        return [f"[{what}] has more than one of the {wanted} bits"]
    if word & ~known & ~_ID:
        return [f"[{what}] has bits that mean nothing"]
    if scopes[0] == ALL and word & _ID:
        return [f"[{what}] has an id and the ALL bit"]
    if word & _ID > ID_MAX:
        return [f"[{what}] the id is greater than {ID_MAX}"]
    return []


# -- from text ---------------------------------------------------------------------------------------


def no_names(kind: str, name: str) -> int:
    """Resolve no name."""
    raise ValueError(f"{name} is not an id")


def parse_rule(text: str, resolve: Resolve = no_names) -> Words:
    """Return what a readable rule says; without a zone it is for all.

    Args:
        resolve: finds what is named where an id may stand.

    Raises:
        ValueError: it is no rule; says what is wrong, and how one is written.
    """
    parts = text.split()
    if len(parts) not in (3, 4):
        raise ValueError(f'"{text}" has {len(parts)} word{"s"[len(parts) == 1 :]}, a rule has three or four: {_HELP}')
    who, resource, rights, zone = (*parts, "*")[:4]
    kinds, slash, which = resource.partition("/")
    if not slash:
        raise ValueError(f"{resource} does not say which of them, with a slash: {_HELP}")
    names = kinds.upper().split("+")
    bits = sum(_bit(KINDS, name, "kind of objects") for name in dict.fromkeys(names))
    said = Words(
        _word(who, {"#": "USER", "@": "GROUP"}, resolve),
        bits | _word(which, {"#": names[0], "@": "GROUP", "%": "CLUSTER"}, resolve),
        sum(_bit({right.name: right for right in Right}, name, "right") for name in set(rights.upper().split("+"))),
        _word(zone, {"#": "ZONE"}, resolve),
    )
    try:
        check_words(said)
    except NotAllocated as bad:
        raise ValueError(bad.message) from bad
    return said


def _bit(bits: Mapping[str, int], name: str, what: str) -> int:
    if name not in bits:
        raise ValueError(f"{name or 'nothing'} is no {what}: there are {', '.join(bits)}")
    return int(bits[name])


def _word(text: str, kinds: dict[str, str], resolve: Resolve) -> int:
    """Return the scope and id of `#5`, `@staff`, `%0` or `*`."""
    if text == "*":
        return ALL
    sign, name = text[:1], text[1:]
    if sign not in kinds or not name:
        known = ", ".join(f"{sign}ID" for sign in kinds)
        raise ValueError(f"{text or 'nothing'} does not say whom or what: write {known} or *")
    scope = next(scope for scope, known in _SIGNS.items() if known == sign)
    object_id = int(name) if name.isascii() and name.isdecimal() else resolve(kinds[sign], name)
    if object_id > ID_MAX:
        raise ValueError(f"the id in {text} is greater than {ID_MAX}")
    return scope | object_id
