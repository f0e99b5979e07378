"""The gate of quotas: no command makes anybody have more than it may.

Every command of a caller passes here in its turn, after it has decided and before its changes join those of the
others: what it changes is compared with the records beneath, so whatever the command was, and however many run at
once, all are counted.  What drivers report has happened already and is never refused.
"""

from collections.abc import Iterator

from trifid.core.access import Caller
from trifid.core.quota import GROUPS, NO_LIMITS, USERS, Limits, amount, effective, resource_text
from trifid.core.quota_usage import GROUP, USER, Figures, Owner, used
from trifid.engine.transaction import Draft
from trifid.errors import NotAllowed

_POOLS = {USER: "users", GROUP: "groups"}
_DEFAULTS = {USER: USERS, GROUP: GROUPS}


def refuse_beyond(draft: Draft, caller: Caller) -> None:
    """Raise when a draft raises a figure of a user or a group, and it is then beyond its limit.

    What is beyond a limit that came later may stay, and go down.

    Raises:
        NotAllowed: names the owner, the limit, what it has and what was asked for.
    """
    if not draft.takes_something or not _is_anybody_limited(draft):
        return
    change = draft.usage_change()
    for owner in sorted(change, key=lambda one: (one[0] != USER, one[1])):
        figures = change[owner]
        if any(more > 0 for more in figures.values()):
            _refuse_beyond(draft, caller, owner, figures)


def _is_anybody_limited(draft: Draft) -> bool:
    """Tell, fast, whether there may be any limit: in memory, or made in this very turn."""
    if draft.memory.limited:
        return True
    return any(layer.batch.users or layer.batch.groups or layer.batch.default_quotas for layer in draft.layers())


def _refuse_beyond(draft: Draft, caller: Caller, owner: Owner, change: Figures) -> None:
    for kind, resource_id, name, limit in _limits_of(draft, owner):
        raised = used(change, kind, resource_id, name)
        if raised <= 0:
            continue
        has = draft.used(owner, kind, resource_id, name)
        if has > limit:
            of = resource_text(kind, resource_id)
            was, more = amount(name, has - raised), amount(name, raised)
            raise NotAllowed(
                f"User [{caller.uid}] : {owner[0]} [{owner[1]}] limit of {amount(name, limit)} reached for {name} "
                f"quota in {of}. It has {was} and would have {more} more: use less, or ask an administrator for more."
            )


def _limits_of(draft: Draft, owner: Owner) -> Iterator[tuple[str, str, str, int]]:
    """Yield what an owner is limited to: kind and id of the resource, the figure, and how much at most."""
    kind, owner_id = owner
    record = draft.find(_POOLS[kind], owner_id)
    default = draft.find("default_quotas", _DEFAULTS[kind])
    own: Limits = record.limits if record is not None else NO_LIMITS
    yield from effective(own, default.limits if default is not None else NO_LIMITS)
