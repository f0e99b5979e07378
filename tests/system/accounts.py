"""What people may expect of a VM, from the answers to their calls alone.

A call that was acknowledged happened, one that was refused did not, and one whose answer did not come
may have happened or not: then both are possible.
"""

import dataclasses
from collections.abc import Callable

ANYWHERE = -1
RUNS, OFF, SAVED = "RUNNING", "POWEROFF", "SUSPENDED"
STOPPED, UNDEPLOYED, HELD, ENDED = "STOPPED", "UNDEPLOYED", "HOLD", "DONE"

Value = str | int
Change = Callable[[Value], Value]


@dataclasses.dataclass
class Possible:
    """What one thing about a VM may be."""

    values: set[Value]

    def change(self, change: Change, is_sure: bool) -> None:
        """Something was asked that changes it."""
        changed = {change(value) for value in self.values}
        self.values = changed if is_sure else self.values | changed


def to(value: Value) -> Change:
    """Return the change to a value, whatever it was."""
    return lambda _: value


def more(value: Value) -> Value:
    """One more."""
    assert isinstance(value, int)
    return value + 1


def less(value: Value) -> Value:
    """One less."""
    assert isinstance(value, int)
    return value - 1


@dataclasses.dataclass(frozen=True)
class Ask:
    """One call about a VM.

    Attributes:
        word: for people.
        call: method and arguments.
        where: the rests from which it is legal, or on the way to which it is (reference/lifecycle.md §5.2).
        rest: where the VM comes to rest because of it, "" = where it would have without.
        changes: what else it changes, by the name of the account's part.
    """

    word: str
    call: tuple[object, ...]
    where: frozenset[str]
    rest: str = ""
    changes: dict[str, Change] = dataclasses.field(default_factory=dict)


class Account:
    """One VM.

    Attributes:
        story: every call about it and what came of that, oldest first.
        is_moved: the scheduler may move it at any time.
    """

    def __init__(self, vm_id: int, name: str, rest: str, memory_mib: int) -> None:
        self.vm_id = vm_id
        self.is_moved = False
        self.story: list[str] = []
        self.parts: dict[str, Possible] = {
            "rest": Possible({rest}),
            "name": Possible({name}),
            "host": Possible({ANYWHERE}),
            "memory": Possible({memory_mib}),
            "mark": Possible({""}),
            "size": Possible({100}),
            "disks": Possible({1}),
            "nics": Possible({1}),
            "snapshots": Possible({0}),
            "disk_snapshots": Possible({0}),
        }

    @property
    def rests(self) -> set[Value]:
        """Where it may come to rest."""
        return self.parts["rest"].values

    def answered(self, ask: Ask) -> str:
        """A call was acknowledged; return what is wrong with that, if anything."""
        self.story.append(f"{ask.word}: yes")
        if not self.rests & ask.where:
            return f"{ask.word} of VM {self.vm_id} was accepted though it was on its way to {sorted(self.rests)}"
        self.rests.intersection_update(ask.where)
        self._change(ask, is_sure=True)
        return ""

    def refused(self, ask: Ask, why: str) -> None:
        """A call was refused: nothing has changed."""
        self.story.append(f"{ask.word}: {why}")

    def unanswered(self, ask: Ask) -> None:
        """No answer came."""
        self.story.append(f"{ask.word}: no answer")
        self._change(ask, is_sure=False)

    def _change(self, ask: Ask, is_sure: bool) -> None:
        for name, change in ask.changes.items():
            self.parts[name].change(change, is_sure)
        if ask.rest:
            self.parts["rest"].change(to(ask.rest), is_sure)
        self.is_moved |= ask.word == "resched"
        if self.is_moved:
            self.parts["host"].values = {ANYWHERE}
