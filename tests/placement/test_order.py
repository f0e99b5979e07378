"""Who is served first."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from trifid.placement.order import FairOrder, Totals, ordered, totals_of
from trifid.placement.view import Expression, HostView, Usage, WaitingVm

NOTHING = Expression("", "modern", "")
TOTALS = Totals(100_00, 1024 * 100)
ALICE, BOB, CAROL = 2, 3, 4


def waiting(vm_id, uid=0, *, cpu=100, memory=1024, priority=0.0, host_id=-1):
    return WaitingVm(vm_id, cpu, memory, NOTHING, NOTHING, uid=uid, priority=priority, host_id=host_id)


def ids(vms, usages=(), totals=TOTALS):
    return [vm.id for vm in ordered(vms, usages, totals)]


def test_one_users_vms_are_served_by_id():
    assert ids([waiting(vm_id) for vm_id in (5, 3, 9, 4)]) == [3, 4, 5, 9]


def test_a_priority_comes_before_any_share():
    vms = [waiting(1, ALICE), waiting(2, BOB), waiting(3, ALICE, priority=1), waiting(4, ALICE, priority=-1)]
    assert ids(vms, [Usage(ALICE, 5000)]) == [3, 2, 1, 4]


def test_a_vm_that_failed_somewhere_comes_after_those_that_did_not_and_after_no_lower_priority():
    failed = replace(waiting(1), banned_host_ids=frozenset({7}))
    assert ids([failed, waiting(2), waiting(3, BOB), waiting(4, priority=-1)], [Usage(BOB, 5000)]) == [2, 3, 1, 4]


def test_users_who_have_the_same_take_turns():
    vms = [waiting(vm_id, ALICE) for vm_id in range(3)] + [waiting(vm_id, BOB) for vm_id in range(3, 6)]
    assert ids(vms) == [0, 3, 1, 4, 2, 5]


def test_whoever_has_less_is_served_until_both_have_the_same():
    vms = [waiting(vm_id, ALICE) for vm_id in range(4)] + [waiting(vm_id, BOB) for vm_id in range(4, 8)]
    assert ids(vms, [Usage(ALICE, 200, 2048)]) == [4, 5, 0, 6, 1, 7, 2, 3]


def test_the_larger_of_the_two_resources_is_what_counts():
    """Alice has a tenth of all CPU, Bob a fifth of all memory: hers is the smaller share."""
    vms = [waiting(1, BOB), waiting(2, ALICE)]
    assert ids(vms, [Usage(ALICE, 1000, 0), Usage(BOB, 0, 20 * 1024)]) == [2, 1]


def test_a_user_of_twice_the_weight_is_given_twice_as_much():
    vms = [waiting(n, ALICE) for n in range(30)] + [waiting(30 + n, BOB) for n in range(30)]
    first = ordered(vms, [Usage(BOB, weight=2.0)], TOTALS)[:30]
    assert Counter(vm.uid for vm in first) == {ALICE: 10, BOB: 20}


def test_what_a_user_was_refused_does_not_count():
    vms = [waiting(0, ALICE, cpu=9000), waiting(1, ALICE), waiting(2, BOB), waiting(3, BOB)]
    order = FairOrder(vms, (), TOTALS)
    found = []
    for vm in order:
        found.append(vm.id)
        if vm.id == 0:
            order.refused()
    assert found == [0, 1, 2, 3]
    assert ids(vms) == [0, 2, 3, 1]


def test_a_vm_that_moves_gives_its_user_nothing_more():
    vms = [waiting(0, ALICE, host_id=7), waiting(1, ALICE), waiting(2, BOB)]
    assert ids(vms) == [0, 1, 2]


def test_only_hosts_that_take_vms_are_counted():
    hosts = [
        HostView(number, "h", state, "kvm", 0, 0, 0, max_cpu_percent=400, max_memory_kib=2048)
        for number, state in enumerate((2, 3))
    ]
    assert totals_of(hosts) == Totals(400, 2)


def test_a_cluster_without_hosts_has_an_order_too():
    assert ids([waiting(2, ALICE), waiting(1, BOB)], totals=Totals(0, 0)) == [1, 2]


users = st.integers(0, 4)
vms_of_users = st.lists(
    st.tuples(users, st.integers(1, 800), st.integers(1, 8192), st.sampled_from([0.0, 0.0, 1.0])), max_size=40
).map(lambda rows: [waiting(n, uid, cpu=cpu, memory=mem, priority=p) for n, (uid, cpu, mem, p) in enumerate(rows)])
usages = st.lists(
    st.builds(Usage, users, st.integers(0, 9000), st.integers(0, 90_000), st.floats(0.1, 10)),
    unique_by=lambda usage: usage.uid,
)


@given(vms_of_users, usages)
def test_everybody_is_served_once_and_each_users_vms_by_priority_and_id(vms, usages):
    found = ordered(vms, usages, TOTALS)
    assert sorted(vm.id for vm in found) == sorted(vm.id for vm in vms)
    for uid in {vm.uid for vm in vms}:
        mine = [(-vm.priority, vm.id) for vm in found if vm.uid == uid]
        assert mine == sorted(mine)


@given(vms_of_users, usages)
def test_the_order_does_not_depend_on_how_the_vms_are_listed(vms, usages):
    assert ids(vms, usages) == ids(vms[::-1], usages[::-1])


@given(st.lists(st.floats(0.25, 4), min_size=2, max_size=5))
def test_while_all_want_more_shares_are_as_the_weights(weights):
    """No two users' shares by weight are ever apart by more than one VM: nobody who wants something starves."""
    each = 60
    vms = [waiting(uid * each + n, uid) for uid in range(len(weights)) for n in range(each)]
    has: Counter[int] = Counter()
    for vm in ordered(vms, [Usage(uid, weight=weight) for uid, weight in enumerate(weights)], TOTALS):
        has[vm.uid] += 1
        if has[vm.uid] == each:
            return
        by_weight = [has[uid] / weight for uid, weight in enumerate(weights)]
        assert max(by_weight) - min(by_weight) <= max(1 / weight for weight in weights) + 1e-9


@pytest.mark.parametrize("weight", [0.0, -1.0])
def test_a_weight_that_is_none_comes_last_and_is_served_all_the_same(weight):
    vms = [waiting(n, uid) for n, uid in enumerate((ALICE, ALICE, BOB, BOB))]
    assert ids(vms, [Usage(ALICE, weight=weight)]) == [0, 2, 3, 1]
