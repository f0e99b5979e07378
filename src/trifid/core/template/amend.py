"""What an update call makes of the attributes that a VM's user keeps beside the machine: USER_TEMPLATE.

The scheduler and the drivers read some of them, so that they are checked here as at submission, and
what only administrators or the engine may say stays as it is.
"""

from trifid.core.restricted import Restricted, refusal
from trifid.core.template.attributes import NOWHERE, place_of
from trifid.core.template.hardware import check_plugged
from trifid.core.template.model import Template, Value
from trifid.core.template.validate import check_values

TOLD = ("ERROR", "SCHED_MESSAGE", "SCHED_LEASE")
"""What the engine, and the scheduler with an update of an administrator, tell the user here."""
DECISION = "SCHED_DECISION"
"""Why the VM was placed where it was: written with the placement itself, and by no update."""


def amended(
    old: Template, given: Template, *, merges: bool, uid: int, is_admin: bool, restricted: Restricted
) -> Template:
    """Return USER_TEMPLATE after an update.

    Clients send back the whole template after it was edited.  So what only the engine writes is dropped
    without a word, a restricted attribute with the value that it has already is accepted, and one that
    was left out stays.

    Args:
        given: replaces everything, or with `merges` only the attributes of the same names.
        uid: who asks, for the message.
        restricted: what only administrators change.

    Raises:
        BadTemplate: a declared attribute has a value that it does not take.
        NotAllowed: another value for a restricted attribute, from somebody who is no administrator.
    """
    before = {_as_key(*pair) for pair in old}
    given = Template(tuple(pair for pair in given if _may_stand(pair[0], _as_key(*pair) in before, is_admin)))
    check_values(given)
    check_plugged(given)
    if not is_admin and (forbidden := restricted.found(given, old)):
        raise refusal(uid, "VM", forbidden[0])
    if merges:
        return old.merged(given)
    names = {name for name, _ in given}
    guarded = {DECISION} if is_admin else {DECISION, *(name for name, _ in restricted.left_out(old, given))}
    kept = [pair for pair in old if pair[0] not in names and pair[0] in guarded]
    return given.having(*kept)


def _as_key(name: str, value: Value) -> tuple[object, ...]:
    return (name, value) if isinstance(value, str) else (name, *value.items())


def _may_stand(name: str, is_unchanged: bool, is_admin: bool) -> bool:
    """Tell whether an attribute is the sender's to give, or one of the engine's as it was."""
    return place_of(name) != NOWHERE or (name in TOLD and (is_admin or is_unchanged))
