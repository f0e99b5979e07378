import pytest

from trifid.placement.difference import difference
from trifid.placement.measures import measured
from trifid.placement.plan import Plan
from trifid.placement.view import Expression, HostView, Usage, View, WaitingVm

NOTHING = Expression("", "modern", "SCHED_RANK")


def host(host_id, free_cores=4, free_gib=4, state=2, vms=0):
    """A host of 4 cores and 4 GiB."""
    return HostView(
        host_id,
        f"h{host_id}",
        state,
        "kvm",
        free_cores * 100,
        free_gib << 20,
        vms,
        max_cpu_percent=400,
        max_memory_kib=4 << 20,
    )


def vm(vm_id, cores=1, gib=1, uid=0):
    return WaitingVm(vm_id, cores * 100, gib << 10, NOTHING, NOTHING, uid=uid)


def test_load_is_the_larger_one_of_cpu_and_memory_after_the_plan():
    view = View((vm(1, cores=2), vm(2, gib=4)), (host(0), host(1), host(2, state=3)))
    found = measured(view, Plan([(1, 0, 0), (2, 1, 0)]))
    assert (found.placed, found.refused, found.hosts_used) == (2, 0, 2)
    assert (found.cpu_mean, found.memory_mean) == (0.375, 0.625)
    assert found.bins == (0, 0, 0, 0, 0, 1, 0, 0, 0, 1)
    assert found.spread == 0.25


def test_reasons_are_counted_by_kind():
    refusals = {1: 'No host "a" fits (needs 3), 12 lack it', 2: 'No host "b" fits (needs 4), 9 lack it', 3: "Other"}
    found = measured(View((), ()), Plan([], refusals))
    assert list(found.reasons.values()) == [2, 1]


def test_reasons_of_a_kind_count_as_one_whatever_the_expression_and_however_many_hosts():
    begin = "No host meets SCHED_REQUIREMENTS"
    expression = "do not match the expression"
    refusals = {
        1: f'{begin}: 6 hosts, 1 lacks CPU (needs 2 cores, best has 1 free), 5 {expression} ARCH = "a,b" & ! (X < 3)',
        2: f"{begin}: 9 hosts, 8 lack CPU (needs 4 cores, best has 1 free), 1 does not match the expression X > 3",
        3: f"{begin}: 2 hosts, 1 {expression} PRIORITY > 3, 1 is disabled (onehost enable)",
    }
    found = measured(View((), ()), Plan([], refusals))
    assert found.reasons == {f"{begin}: lack CPU, {expression}": 2, f"{begin}: {expression}, are disabled": 1}


def test_room_in_pieces_that_no_vm_fits_into_is_fragmentation():
    pieces = View((vm(1, cores=2),), (host(0, free_cores=1), host(1, free_cores=1), host(2, free_cores=2)))
    assert measured(pieces, Plan()).fragmentation == 0.5
    assert measured(View((vm(1, cores=2),), (host(0),)), Plan()).fragmentation == 0.0
    assert measured(View((), (host(0),)), Plan()).fragmentation == 0.0


def test_fairness_is_one_when_users_have_what_their_weights_are_due():
    view = View((vm(1, uid=5), vm(2, uid=6), vm(3, uid=6)), (host(0),), usages=(Usage(6, weight=2.0),))
    assert measured(view, Plan([(1, 0, 0), (2, 0, 0), (3, 0, 0)])).fairness == pytest.approx(1.0)
    assert measured(view, Plan([(2, 0, 0), (3, 0, 0)])).fairness == pytest.approx(0.5)


def test_what_is_different_between_two_plans_is_named_vm_by_vm():
    before = Plan([(1, 0, 0), (2, 0, 0), (3, 1, 0)], {4: "full"})
    now = Plan([(1, 0, 9), (2, 1, 0), (4, 1, 0)], {3: "no room"})
    found = difference(before, now)
    assert (found.elsewhere, found.placed, found.refused, found.same) == (((2, 0, 1),), ((4, 1),), ((3, "no room"),), 1)
    assert not found.is_nothing
    assert difference(before, before).is_nothing
