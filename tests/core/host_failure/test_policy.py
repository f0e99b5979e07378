"""Whom to fence, and in which order VMs start again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.vm.builders import vm
from trifid.core.host_failure.policy import choose, in_order, is_left_alone, priority, why_not_anew
from trifid.core.template.model import Template
from trifid.core.vm.states import VmState as S


def of_owner(**attributes: str):
    return replace(vm(S.UNKNOWN), user_template=Template(tuple(attributes.items())))


def with_disk(**disk: str):
    machine = of_owner(HA="recreate")
    return replace(machine, template=Template((("DISK", {"DISK_ID": "0", "SAVE": "NO", **disk}),)))


def test_a_silent_host_among_many_is_fenced() -> None:
    assert choose({3}, watched=10, quiet=0, hosts_max=2).fence == (3,)
    assert choose({3}, watched=2, quiet=0, hosts_max=2).fence == (3,)
    assert choose(set(), watched=10, quiet=9, hosts_max=2) == choose(set(), 0, 0, 1)


@pytest.mark.parametrize(
    ("silent", "watched", "quiet", "why"),
    [
        ({1, 2, 3}, 100, 0, "3 of 100 hosts are not heard of at once, 2 may be"),
        ({1}, 100, 99, "100 of 100 hosts are not heard of at once, 2 may be"),
        ({1, 2}, 3, 0, "2 of 3 hosts are not heard of at once, more than half"),
    ],
)
def test_nobody_is_fenced_when_it_may_be_the_front_end_that_is_cut_off(silent, watched, quiet, why) -> None:
    choice = choose(silent, watched, quiet, hosts_max=2)
    assert choice.fence == ()
    assert why in choice.why and "front-end" in choice.why


@given(st.sets(st.integers(0, 20)), st.integers(0, 40), st.integers(0, 20), st.integers(1, 10))
def test_never_more_hosts_are_fenced_than_may_be_missing(silent, watched, quiet, hosts_max) -> None:
    choice = choose(silent, watched, quiet, hosts_max)
    assert set(choice.fence) in (silent, set())
    assert len(choice.fence) <= hosts_max
    assert bool(choice.why) == (bool(silent) and not choice.fence)


def test_the_most_important_start_first_and_of_equals_the_oldest() -> None:
    machines = [replace(of_owner(HA_PRIORITY=text), id=n) for n, text in enumerate(("1", "", "9", "1", "-1"))]
    assert [machine.id for machine in in_order(reversed(machines))] == [2, 0, 3, 1, 4]


@pytest.mark.parametrize("text", ["", "high", "1.5", "9" * 400, "99999999", "\u0669" * 9])
def test_a_priority_that_is_no_sensible_number_is_none(text: str) -> None:
    assert priority(of_owner(HA_PRIORITY=text)) == 0


def test_an_owner_may_want_it_left_where_it_is() -> None:
    assert is_left_alone(of_owner(HA="no"))
    assert not is_left_alone(of_owner(HA="recreate"))
    assert not is_left_alone(of_owner())


@pytest.mark.parametrize(
    ("disk", "why"),
    [
        ({"TYPE": "SWAP"}, ""),
        ({"IMAGE_ID": "3", "CLONE": "YES"}, ""),
        ({"SAVE": "YES"}, "its disk 0 is on the host alone, and is to be kept"),
        ({"PERSISTENT": "YES", "IMAGE_ID": "3"}, "is to be kept"),
        ({"CLONE": "NO", "IMAGE_ID": "3"}, "is a persistent image"),
    ],
)
def test_a_vm_is_made_anew_only_when_nothing_is_lost_that_its_owner_keeps(disk: dict[str, str], why: str) -> None:
    assert (why in why_not_anew(with_disk(**disk))) if why else why_not_anew(with_disk(**disk)) == ""


def test_a_vm_is_made_anew_only_when_its_owner_says_so() -> None:
    assert "does not say HA=RECREATE" in why_not_anew(replace(with_disk(), user_template=Template()))
