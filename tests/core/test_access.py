"""Who may do what: the one gate."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trifid.core.access import DEFAULT_RULES, ENGINE, Caller, Permissions, Right, Rule, allowed, check
from trifid.errors import NotAllowed

ALICE = Caller(uid=7, name="alice", gids=(1, 100))
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


def test_users_may_create_what_the_default_rules_name_and_nothing_else():
    kinds = ("VM", "NET", "IMAGE", "TEMPLATE", "HOST", "USER", "GROUP")
    assert [k for k in kinds if allowed(ALICE, Right.CREATE, k, None)] == ["VM", "IMAGE", "TEMPLATE"]
    stranger = Caller(uid=9, name="eve", gids=(200,))
    assert not any(allowed(stranger, Right.CREATE, kind, None) for kind in kinds)


def test_users_may_deploy_to_hosts_but_not_administer_them():
    host = Thing(uid=0, gid=0)
    assert allowed(ALICE, Right.MANAGE, "HOST", host)
    assert not allowed(ALICE, Right.ADMIN, "HOST", host)
    assert not allowed(ALICE, Right.USE, "HOST", host)


def test_users_may_use_the_first_datastores_and_of_others_those_that_permissions_open():
    assert [n for n in range(4) if allowed(ALICE, Right.USE, "DATASTORE", Thing(id=n, uid=0, gid=0))] == [0, 1, 2]
    assert not allowed(ALICE, Right.MANAGE, "DATASTORE", Thing(id=1, uid=0, gid=0))
    assert not allowed(ALICE, Right.USE, "DATASTORE", None)
    assert not allowed(ALICE, Right.CREATE, "DATASTORE", None)
    stranger = Caller(uid=9, name="eve", gids=(200,))
    assert not allowed(stranger, Right.USE, "DATASTORE", Thing(id=1, uid=0, gid=0))


def test_ownership_does_not_grant_creation():
    owned = Thing(uid=7, permissions=Permissions(0o777))
    assert not allowed(ALICE, Right.CREATE, "HOST", owned)


def test_rules_can_be_given():
    rules = (*DEFAULT_RULES, Rule(100, frozenset({"USER"}), Right.USE | Right.CREATE))
    assert allowed(ALICE, Right.CREATE, "USER", None, rules)
    assert allowed(ALICE, Right.USE, "USER", Thing(), rules)
    assert not allowed(ALICE, Right.MANAGE, "USER", Thing(), rules)


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
