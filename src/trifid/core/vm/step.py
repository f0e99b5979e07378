"""One step of a virtual machine: the only function that changes a VM's state."""

import msgspec
from msgspec.structs import replace

from trifid.core.vm.effects import Ask, Moment, ReleaseLeases
from trifid.core.vm.events import Answer, Deploy, Event, Request
from trifid.core.vm.imported import check_imported
from trifid.core.vm.record import VM, Action
from trifid.core.vm.table import HINTS, TABLE, needed_states
from trifid.errors import Refused


class Outcome(msgspec.Struct, frozen=True):
    """What one event led to.

    Attributes:
        vm: as it is now; the very same object when nothing changed.
        action: what a driver must do, None if nothing.
        releases_leases: the VM's addresses go back.
        ignored: why nothing happened, empty when something did.
    """

    vm: VM
    action: Action | None = None
    releases_leases: bool = False
    ignored: str = ""


def step(vm: VM, event: Event, moment: Moment) -> Outcome:
    """Return the VM as it is after `event`, and what must happen because of it.

    Pure.  An answer to an earlier action than the present one changes nothing, and so does an
    observation for which the table has no row.

    Raises:
        Refused: a request without a row for this state, or one that no imported VM takes; the VM is untouched.
            The text begins with the one that today's clients know (reference/lifecycle.md §5.1).
    """
    if isinstance(event, Answer) and event.step != vm.step:
        return Outcome(vm, ignored=f"answer to step {event.step}, now {vm.step}")
    if isinstance(event, Request):
        check_imported(vm, event)
    row = TABLE.get((vm.state, type(event)))
    if row is None:
        if isinstance(event, Request):
            raise refusal(vm, event)
        return Outcome(vm, ignored=f"{type(event).__name__} means nothing in {vm.state.name}")

    moved = replace(vm, state=row.end, prev=vm.state, step=vm.step + 1)
    action: Action | None = None
    releases_leases = False
    for effect in row.effects:
        if isinstance(effect, Ask):
            action = Action(vm.id, moved.step, effect.family, effect.verb, effect.previous)
        elif isinstance(effect, ReleaseLeases):
            releases_leases = True
        else:
            moved = effect(moved, event, moment)
    return Outcome(moved, action, releases_leases)


def refusal(vm: VM, event: Request) -> Refused:
    """Return the error for a request that this state does not allow, naming the states that do."""
    needed = list(dict.fromkeys(state.printable for state in needed_states(type(event)))) or ["no state"]
    here = vm.state.printable
    if type(event) is Deploy:
        text = f"Deploy action is not available for state {here}"
    else:
        text = f'Error performing action "{event.word}": This action is not available for state {here}'
    hint = HINTS.get(vm.state, "it is in the middle of something: try again in a moment")
    wanted = hint if here in needed else f"it needs {', '.join(needed)}"
    return Refused(f"{text}, {wanted}", vm.id)
