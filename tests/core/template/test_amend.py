"""USER_TEMPLATE after an update: whatever is sent, nobody gains what is not theirs to set."""

from hypothesis import given
from hypothesis import strategies as st

from tests.core.template.strategies import TEMPLATES
from trifid.core.restricted_lists import OF_VM
from trifid.core.template.amend import TOLD, amended
from trifid.core.template.attributes import NOWHERE, RESTRICTED, place_of
from trifid.core.template.model import Template
from trifid.errors import BadTemplate, NotAllowed

NAMES = st.sampled_from(["USER_PRIORITY", "DEPLOY_ID", "ERROR", "SCHED_MESSAGE", "VMID", "MINE", "PCI", "LABELS"])
PAIRS = st.lists(st.tuples(NAMES, st.sampled_from(["1", "2"])), max_size=6).map(lambda pairs: Template(tuple(pairs)))


def result(old, new, *, merges, is_admin):
    """Return USER_TEMPLATE afterwards; as it was when the update is refused."""
    try:
        return amended(old, new, merges=merges, uid=7, is_admin=is_admin, restricted=OF_VM)
    except (BadTemplate, NotAllowed):
        return old


@given(old=PAIRS, new=PAIRS, merges=st.booleans())
def test_a_user_changes_no_restricted_attribute(old, new, merges):
    after = result(old, new, merges=merges, is_admin=False)
    for name in ("USER_PRIORITY", "DEPLOY_ID"):
        assert "" in RESTRICTED[name]
        assert set(after.all(name)) <= set(old.all(name))
        assert (name in after) == (name in old)


@given(old=PAIRS, new=PAIRS, merges=st.booleans())
def test_a_user_forges_nothing_that_the_engine_tells(old, new, merges):
    after = result(old, new, merges=merges, is_admin=False)
    for name in ("ERROR", "SCHED_MESSAGE", "VMID"):
        assert set(after.all(name)) <= set(old.all(name))


@given(new=TEMPLATES, is_admin=st.booleans())
def test_what_nobody_may_write_is_in_no_result(new, is_admin):
    for name, _ in result(Template(), new, merges=False, is_admin=is_admin):
        assert place_of(name) != NOWHERE or (name in TOLD and is_admin)


@given(old=PAIRS)
def test_what_was_shown_can_be_sent_back(old):
    once = result(Template(), old, merges=False, is_admin=True)
    assert set(result(once, once, merges=False, is_admin=False)) == set(once)
