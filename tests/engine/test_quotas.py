"""The gate of quotas against what the records say, for random records, limits and changes."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.quota_changes import COMMANDS, carry_out, usage_of
from tests.engine.fake_store import FakeStore
from trifid.core.access import Caller
from trifid.core.quota import USERS, DefaultQuotas, Limits, ResourceLimits
from trifid.core.quota_usage import recomputed
from trifid.core.user import Group, User
from trifid.engine.memory import Memory
from trifid.engine.quotas import refuse_beyond
from trifid.engine.transaction import Draft
from trifid.errors import NotAllowed

CALLER = Caller(0, "oneadmin", (0,))
FIGURES = {
    "VM": [("", "VMS"), ("", "CPU"), ("", "RUNNING_VMS"), ("", "SYSTEM_DISK_SIZE"), ("5", "VMS"), ("5,6", "MEMORY")],
    "DATASTORE": [("1", "SIZE"), ("2", "IMAGES")],
    "NETWORK": [("1", "LEASES")],
    "IMAGE": [("1", "RVMS")],
}
AMOUNTS = st.sampled_from([-2, -1, 0, 1, 2, 20])


@st.composite
def limits(draw):
    found = []
    for kind, known in FIGURES.items():
        for resource_id, name in known:
            if draw(st.integers(0, 3)) == 0:
                found.append(ResourceLimits(kind, resource_id, {name: draw(AMOUNTS)}))
    by_resource = {}
    for one in found:
        key = (one.kind, one.id)
        by_resource[key] = ResourceLimits(*key, {**by_resource.get(key, one).figures, **one.figures})
    return Limits(tuple(by_resource.values()))


def amount(usage, owner, kind, resource_id, name):
    own = usage.get(owner, {})
    places = resource_id.split(",") if kind == "VM" and resource_id else [resource_id]
    return sum(own.get((kind, place, name), 0) for place in places)


def is_beyond(draft, before):
    """The oracle: somebody's figure has risen, and is above the limit of its own, or else above the default."""
    after = usage_of(draft)
    for owner in {*before, *after}:
        kind_of_owner, owner_id = owner
        record = draft.find(f"{kind_of_owner}s", owner_id)
        default = draft.find("default_quotas", USERS) if kind_of_owner == "user" else None
        for kind, known in FIGURES.items():
            for resource_id, name in known:
                limit = record.limits.of(kind, resource_id).get(name, -1) if record else -1
                if limit == -1 and default is not None:
                    limit = default.limits.of(kind, resource_id).get(name, -1)
                was, now = (amount(usage, owner, kind, resource_id, name) for usage in (before, after))
                if limit >= 0 and now > was and now > limit:
                    return True
    return False


@settings(max_examples=150, deadline=None)
@given(begin=COMMANDS, commands=COMMANDS, of_user=limits(), of_group=limits(), of_all=limits())
def test_a_command_is_refused_just_when_it_raises_something_beyond_its_limit(
    begin, commands, of_user, of_group, of_all
):
    memory = Memory(FakeStore().load())
    first = Draft(memory, 1)
    for change in (change for command in begin for change in command):
        carry_out(first, change)
    first.put(User(2, "alice", (3,), limits=of_user))
    first.put(Group(3, "staff", limits=of_group))
    first.put(DefaultQuotas(USERS, of_all))
    memory.adopt(first.batch)
    turn = Draft(memory, 2)
    for changes in commands:
        before = usage_of(turn)
        command = turn.child()
        for change in changes:
            carry_out(command, change)
        try:
            refuse_beyond(command, CALLER)
        except NotAllowed:
            assert is_beyond(command, before)
        else:
            assert not is_beyond(command, before)
            command.fold()
    memory.adopt(turn.batch)
    records = memory.vms.values(), memory.images.values(), memory.networks, memory.leases.values()
    assert memory.usage == recomputed(*records)
