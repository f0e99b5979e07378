"""Capacity is a function of the VMs: charging, crediting, and what does not fit."""

import pytest

from tests.core.vm.builders import stay, vm
from trifid.core.host import Host, HostState
from trifid.core.ledger import Share, charged_hosts, check_room
from trifid.core.template.model import Template
from trifid.core.vm.record import Needs
from trifid.errors import Refused


def host(**more: str) -> Host:
    """400 % CPU and 4 GiB."""
    return Host(
        id=3,
        name="node3",
        state=HostState.MONITORED,
        im="dummy",
        vmm="dummy",
        total_cpu_percent=400,
        total_memory_kib=4096 * 1024,
        template=Template(tuple(more.items())),
    )


def test_what_is_charged_and_credited_is_as_before() -> None:
    share = Share(100, 128, 1)
    assert share.plus(Needs(50, 64), 1) == Share(150, 192, 2)
    assert share.plus(Needs(50, 64), 1).plus(Needs(50, 64), -1) == share


@pytest.mark.parametrize("needs", [Needs(101, 0), Needs(0, 129)])
def test_nothing_is_credited_that_was_not_charged(needs: Needs) -> None:
    with pytest.raises(AssertionError, match="credited with"):
        Share(100, 128, 1).plus(needs, -1)


def test_a_vm_is_carried_by_the_hosts_of_its_open_stays() -> None:
    assert charged_hosts(vm(history=())) == frozenset()
    assert charged_hosts(vm(history=(stay(0, host_id=3, etime=150), stay(1, host_id=4)))) == {4}
    assert charged_hosts(vm(history=(stay(0, host_id=3), stay(1, host_id=4)))) == {3, 4}


@pytest.mark.parametrize("needs", [Needs(300, 3072), Needs(0, 0)])
def test_what_fits_to_the_last_bit_fits(needs: Needs) -> None:
    check_room(host(), Share(100, 1024, 1), needs)


@pytest.mark.parametrize(
    ("needs", "text"),
    [
        (Needs(301, 1), "Not enough CPU capacity: needs 3.01 cores, has 3 free"),
        (Needs(1, 3073), "Not enough memory: needs 3073 MiB, has 3072 free"),
        (
            Needs(1000, 3073),
            "Not enough CPU capacity: needs 10 cores, has 3 free; Not enough memory: needs 3073 MiB, has 3072 free",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_what_is_needed_and_left(needs: Needs, text: str) -> None:
    with pytest.raises(Refused) as refused:
        check_room(host(), Share(100, 1024, 1), needs)
    assert refused.value.message == f"host node3 [3] has no room: {text}: choose another host"
    assert refused.value.object_id == 3


def test_what_is_reserved_is_not_given_and_a_negative_reserve_gives_more() -> None:
    with pytest.raises(Refused, match=r"needs 2\.01 cores, has 2 free"):
        check_room(host(RESERVED_CPU="200"), Share(), Needs(201, 1))
    with pytest.raises(Refused, match="Not enough memory: needs 4096 MiB, has 4095 free"):
        check_room(host(RESERVED_MEM="1024"), Share(), Needs(1, 4096))
    check_room(host(RESERVED_CPU="-400"), Share(400, 0, 4), Needs(400, 1))
    check_room(host(RESERVED_CPU="much"), Share(), Needs(400, 1))


def test_an_overcommitted_host_says_so_without_a_negative_number() -> None:
    with pytest.raises(Refused) as refused:
        check_room(host(), Share(550, 5000, 5), Needs(10, 64))
    assert "needs 0.1 cores, the host is overcommitted by 1.5 cores; " in refused.value.message
    assert "needs 64 MiB, the host is overcommitted by 904 MiB: " in refused.value.message
    assert "-" not in refused.value.message


def test_a_memory_that_lacks_less_than_a_mib_is_not_told_as_enough() -> None:
    with pytest.raises(Refused, match="needs 4096 MiB, has 4095 free"):
        check_room(host(RESERVED_MEM="1"), Share(), Needs(1, 4096))


def test_who_has_no_other_host_is_told_what_else_to_do() -> None:
    with pytest.raises(Refused, match=r"has 3 free: wait$"):
        check_room(host(), Share(100, 0, 1), Needs(301, 0), "wait")
