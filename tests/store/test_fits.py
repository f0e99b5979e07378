"""What is refused before it is written, and what every database does keep."""

import pytest
from msgspec.structs import replace

from tests.store.records import user, vm
from trifid.core.user import User
from trifid.core.vm.record import Needs
from trifid.errors import Refused
from trifid.store.fits import INTEGER_MAX, refuse_what_does_not_fit
from trifid.store.interface import Batch
from trifid.store.sql import SqlStore


@pytest.mark.parametrize("number", [INTEGER_MAX, -INTEGER_MAX, 0])
def test_what_is_let_pass_is_kept(store: SqlStore, number: int) -> None:
    record = replace(vm(7), needs=Needs(number, number), stime=number)
    refuse_what_does_not_fit(record)
    store.commit(Batch(vms={7: record}))
    assert store.load().vms == [record]


@pytest.mark.parametrize("number", [INTEGER_MAX + 1, -(10**30)])
def test_a_number_beyond_is_refused_with_its_object_and_name(number: int) -> None:
    with pytest.raises(Refused, match=f"vm 7: stime has a number beyond {INTEGER_MAX}"):
        refuse_what_does_not_fit(replace(vm(7), stime=number))
    with pytest.raises(Refused, match="user 2: gids"):
        refuse_what_does_not_fit(replace(user(2), gids=(1, number)))


def test_texts_and_switches_are_no_numbers() -> None:
    refuse_what_does_not_fit(User(id=2, name="9" * 40, gids=(1,), enabled=False))
