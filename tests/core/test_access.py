"""Who may do what: the one gate."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trifid.core.access import ENGINE, Caller, Ground, Permissions, Right, Why, allowed, check, check_use
from trifid.core.acl import ALL, CLUSTER, GROUP, INDIVIDUAL, Rule, RuleSet, Words, words
from trifid.core.vm.lock import Lock
from trifid.errors import Locked, NotAllowed


def ruled(uid: int, gids: tuple[int, ...], *said: Words, **fields) -> Caller:
    """A caller to whom those of these rules apply that speak of it; they are numbered from 10."""
    rules = [Rule(10 + n, one.user, one.resource, one.rights, one.zone) for n, one in enumerate(said)]
    return Caller(uid, f"user {uid}", gids, rules=RuleSet(rules).of(uid, gids), **fields)


ALICE = ruled(
    7,
    (1, 100),
    words(GROUP | 1, "VM+IMAGE+TEMPLATE", ALL, Right.CREATE),
    words(GROUP | 1, "HOST", ALL, Right.MANAGE),
)
ADMIN = Caller(uid=0, name="oneadmin", gids=(0,))


class Thing(msgspec.Struct):
    id: int = 42
    uid: int = 8
    gid: int = 9
    permissions: Permissions = Permissions(0)


RIGHTS = (Right.USE, Right.MANAGE, Right.ADMIN)


@pytest.mark.parametrize(("who", "right"), list(itertools.product(range(3), RIGHTS)))
def test_each_of_the_nine_bits_grants_one_right_to_one_class(who, right):
    digit = {Right.USE: 4, Right.MANAGE: 2, Right.ADMIN: 1}[right]
    only = Permissions(digit << (6 - 3 * who))
    assert [(w, r) for w in range(3) for r in RIGHTS if only.allows(w, r)] == [(who, right)]


def test_no_permission_grants_creation():
    assert not any(Permissions(0o777).allows(who, Right.CREATE) for who in range(3))


@pytest.mark.parametrize(
    ("thing", "bits"),
    [(Thing(uid=7), 0o400), (Thing(gid=1), 0o040), (Thing(gid=100), 0o040), (Thing(), 0o004)],
    ids=["owner", "primary group", "second group", "other"],
)
def test_owner_group_and_other_each_open_the_gate(thing, bits):
    granted = msgspec.structs.replace(thing, permissions=Permissions(bits))
    assert allowed(ALICE, Right.USE, "VM", granted)
    assert not allowed(ALICE, Right.MANAGE, "VM", granted)
    assert not allowed(ALICE, Right.USE, "VM", thing)


def test_group_0_and_the_engine_pass_every_gate():
    for caller, right in itertools.product((ADMIN, ENGINE, Caller(3, "bob", (1, 0))), Right):
        assert allowed(caller, right, "VM", Thing()) and allowed(caller, right, "ANY", None)
    assert not ALICE.is_admin and ALICE.gid == 1


def test_users_may_create_what_a_rule_of_their_group_names_and_nothing_else():
    kinds = ("VM", "NET", "IMAGE", "TEMPLATE", "HOST", "USER", "GROUP")
    assert [k for k in kinds if allowed(ALICE, Right.CREATE, k, None)] == ["VM", "IMAGE", "TEMPLATE"]
    stranger = Caller(uid=9, name="eve", gids=(200,))
    assert not any(allowed(stranger, Right.CREATE, kind, None) for kind in kinds)


def test_a_rule_gives_the_rights_that_it_names_and_no_other():
    host = Thing(uid=0, gid=0)
    assert [right for right in Right if allowed(ALICE, right, "HOST", host)] == [Right.MANAGE]


def test_ownership_does_not_grant_creation():
    owned = Thing(uid=7, permissions=Permissions(0o777))
    assert not allowed(ALICE, Right.CREATE, "HOST", owned)


class Member(Thing):
    cluster_ids: tuple[int, ...] = (0, 101)


@pytest.mark.parametrize(
    ("which", "reaches"),
    [
        (ALL, True),
        (INDIVIDUAL | 42, True),
        (INDIVIDUAL | 9, False),
        (GROUP | 9, True),
        (GROUP | 42, False),
        (CLUSTER | 101, True),
        (CLUSTER | 9, False),
    ],
)
def test_a_rule_is_about_one_object_those_of_a_group_those_in_a_cluster_or_all(which, reaches):
    caller = ruled(7, (1,), words(INDIVIDUAL | 7, "NET+HOST", which, Right.USE))
    assert allowed(caller, Right.USE, "NET", Member()) is reaches
    assert not allowed(caller, Right.USE, "IMAGE", Member())


@pytest.mark.parametrize(
    ("who", "applies"),
    [(ALL, True), (INDIVIDUAL | 7, True), (GROUP | 100, True), (INDIVIDUAL | 100, False), (GROUP | 7, False)],
)
def test_a_rule_speaks_of_a_user_a_group_or_everybody(who, applies):
    assert allowed(ruled(7, (1, 100), words(who, "VM", ALL, Right.USE)), Right.USE, "VM", Thing()) is applies


def test_a_rule_of_another_zone_gives_nothing_here():
    here, there = (words(ALL, "VM", ALL, Right.USE, INDIVIDUAL | zone_id) for zone_id in (0, 1))
    assert allowed(ruled(7, (1,), here), Right.USE, "VM", Thing())
    assert not allowed(ruled(7, (1,), there), Right.USE, "VM", Thing())


def test_a_rule_about_a_group_lets_make_objects_in_that_group():
    maker = ruled(7, (1,), words(INDIVIDUAL | 7, "USER", GROUP | 100, Right.CREATE))
    assert allowed(maker, Right.CREATE, "USER", None, 100)
    assert not allowed(maker, Right.CREATE, "USER", None, 101)
    assert not allowed(maker, Right.CREATE, "USER", None)  # in the own primary group, 1


def test_what_is_asked_of_a_whole_kind_needs_a_rule_about_all():
    one, all_of_them = (words(ALL, "ACL", which, Right.MANAGE) for which in (INDIVIDUAL | 1, ALL))
    assert not allowed(ruled(7, (1,), one), Right.MANAGE, "ACL", None)
    assert allowed(ruled(7, (1,), all_of_them), Right.MANAGE, "ACL", None)


class Somebody(Thing):
    gids: tuple[int, ...] = (9, 0)


def test_no_rule_makes_anybody_an_administrator_or_acts_as_one():
    """A rule about all users or groups means the others: who changes group 0 or its members passes every check."""
    everything = ruled(7, (1,), words(ALL, "USER+GROUP", ALL, sum(Right)))
    assert allowed(everything, Right.ADMIN, "USER", Thing()) and allowed(everything, Right.ADMIN, "GROUP", Thing())
    assert allowed(everything, Right.USE, "USER", Somebody())
    for right in (Right.MANAGE, Right.ADMIN):
        assert not allowed(everything, right, "USER", Somebody())
        assert not allowed(everything, right, "USER", Thing(gid=0))
        assert not allowed(everything, right, "GROUP", Thing(id=0, gid=0))
    assert allowed(everything, Right.CREATE, "USER", None, 100)
    assert not allowed(everything, Right.CREATE, "USER", None, 0)


@pytest.mark.parametrize(
    ("caller", "thing", "why"),
    [
        (ADMIN, Thing(), Why.ADMINISTRATOR),
        (ALICE, Thing(uid=7, permissions=Permissions(0o200)), Why.OWNER),
        (ALICE, Thing(gid=100, permissions=Permissions(0o020)), Why.GROUP),
        (ALICE, Thing(permissions=Permissions(0o002)), Why.OTHER),
        (ALICE, Thing(), Why.RULE),
    ],
)
def test_the_gate_tells_on_what_ground_it_opened(caller, thing, why):
    grounds = []
    check(msgspec.structs.replace(caller, grounds=grounds), Right.MANAGE, "HOST", thing)
    assert grounds == [Ground(Right.MANAGE, "HOST", 42, True, why, 11 if why is Why.RULE else -1)]


class Lockable(Thing):
    lock: Lock | None = None


def test_the_gate_tells_why_it_stayed_shut():
    grounds = []
    caller = msgspec.structs.replace(ALICE, grounds=grounds)
    with pytest.raises(NotAllowed):
        check(caller, Right.ADMIN, "HOST", Thing())
    with pytest.raises(NotAllowed):
        check(caller, Right.CREATE, "USER")
    locked = Lockable(permissions=Permissions(0o777), lock=Lock(1, 8, 0))
    with pytest.raises(Locked):
        check(caller, Right.MANAGE, "VM", locked)
    with pytest.raises(Locked):
        check_use(caller, "VM", locked)
    told = [(one.kind, one.object_id, one.allowed, one.why) for one in grounds]
    assert told == [
        ("HOST", 42, False, Why.NOTHING),
        ("USER", -1, False, Why.NOTHING),
        ("VM", 42, False, Why.LOCK),
        ("VM", 42, True, Why.OTHER),
        ("VM", 42, False, Why.LOCK),
    ]


def test_a_refusal_has_the_text_that_clients_know():
    with pytest.raises(NotAllowed) as refusal:
        check(ALICE, Right.MANAGE, "VM", Thing(id=12))
    assert refusal.value.message == "User [7] : Not authorized to perform MANAGE VM [12]."
    assert refusal.value.object_id == 12
    with pytest.raises(NotAllowed) as refusal:
        check(ALICE, Right.CREATE, "HOST")
    assert refusal.value.message == "User [7] : Not authorized to perform CREATE HOST."
    assert refusal.value.object_id == -1
    check(ALICE, Right.CREATE, "VM")


@given(st.integers(0, 0o777), st.lists(st.sampled_from([-1, 0, 1]), min_size=9, max_size=9).map(tuple))
def test_changing_flags_sets_clears_and_keeps(bits, flags):
    before, after = Permissions(bits).flags(), Permissions(bits).changed(flags).flags()
    assert after == tuple(old if new == -1 else new for old, new in zip(before, flags, strict=True))


def test_flags_are_in_the_order_of_the_documents():
    assert Permissions(0o640).flags() == (1, 1, 0, 1, 0, 0, 0, 0, 0)
