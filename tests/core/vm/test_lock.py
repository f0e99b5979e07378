"""What a lock forbids, and who may change it."""

import pytest

from trifid.core.access import Caller, Right
from trifid.core.vm.lock import Lock, locked, refuse_foreign
from trifid.errors import Refused

ALICE, BOB, ADMIN = Caller(10, "alice", (1,)), Caller(11, "bob", (1,)), Caller(0, "oneadmin", (0,))


@pytest.mark.parametrize(
    ("level", "forbidden"),
    [(1, {Right.USE, Right.MANAGE, Right.ADMIN}), (2, {Right.MANAGE, Right.ADMIN}), (3, {Right.ADMIN})],
)
def test_a_level_forbids_its_right_and_all_above(level: int, forbidden: set[Right]) -> None:
    lock = Lock(level, 10, 5)
    assert {right for right in (Right.USE, Right.MANAGE, Right.ADMIN) if lock.forbids(right)} == forbidden


def test_all_is_kept_as_use() -> None:
    assert locked(None, 4, ALICE, 5, "9", only_free=False) == Lock(1, 10, 5, "9")


@pytest.mark.parametrize("level", [-1, 0, 5])
def test_there_are_four_levels(level: int) -> None:
    with pytest.raises(Refused, match="Wrong lock level specified"):
        locked(None, level, ALICE, 5, "9", only_free=False)


def test_a_lock_is_changed_by_whoever_put_it_there_and_administrators() -> None:
    old = Lock(2, ALICE.uid, 5)
    assert locked(old, 3, ALICE, 6, "9", only_free=False).level == 3
    assert locked(old, 3, ADMIN, 6, "9", only_free=False).uid == ADMIN.uid
    with pytest.raises(Refused, match="locked by user 10"):
        locked(old, 3, BOB, 6, "9", only_free=False)
    with pytest.raises(Refused, match="locked by user 10"):
        refuse_foreign(old, BOB)
    with pytest.raises(Refused, match="locked already"):
        locked(old, 3, ALICE, 6, "9", only_free=True)
