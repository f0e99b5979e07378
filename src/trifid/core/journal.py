"""The journal: what happened, append-only, written in the same transaction as the change."""

import msgspec


class Entry(msgspec.Struct, frozen=True):
    """One fact.

    Attributes:
        id: position in the journal, increasing; 0 until the store has given one.
        at: epoch seconds.
        kind: VM, HOST, NET, USER, GROUP or ENGINE.
        object_id: which one.
        uid: who asked; -1 = the engine.
        what: a word: allocated, state, updated, deleted, renamed, refused …
        old, new: state names for a transition, else empty.
        text: for people; never a secret.
    """

    id: int
    at: int
    kind: str
    object_id: int
    uid: int
    what: str
    old: str = ""
    new: str = ""
    text: str = ""
