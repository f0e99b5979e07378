"""Who fails waits, twice as long each time; who does not never waits with them."""

import math

from trifid.scheduler.backoff import EVERYBODY, FORGET_S, HOST_S, HOST_S_MAX, PAIR_S, PAIR_S_MAX, VM_S_MAX, BackOff

VM, OTHER, THIRD, FOURTH = 4, 5, 6, 7
HOST, SECOND = 2, 3
MANY = 10
ALICE, BOB, CAROL = 21, 22, 23


def fails(back_off, vm_id, host_id=HOST, now=0.0, hosts=MANY, uid=0):
    back_off.placed(vm_id, host_id, uid)
    return back_off.moved(vm_id, "BOOT", "BOOT_FAILURE", now, hosts)


def runs(back_off, vm_id, host_id=HOST):
    back_off.placed(vm_id, host_id)
    back_off.moved(vm_id, "BOOT", "RUNNING", 0.0, MANY)


def test_a_vm_that_is_refused_is_left_alone_twice_as_long_each_time():
    back_off = BackOff()
    delays = [back_off.refused(VM, HOST, 0.0) for _ in range(12)]
    assert delays[:4] == [1, 2, 4, 8]
    assert delays[-1] == VM_S_MAX
    assert not back_off.is_ready(VM, VM_S_MAX - 1)
    assert back_off.is_ready(VM, VM_S_MAX)
    assert back_off.is_ready(OTHER, 0.0)


def test_the_host_that_refused_it_is_not_tried_for_longer():
    back_off = BackOff()
    back_off.refused(VM, HOST, 0.0)
    assert back_off.banned(VM, 1.0) == {HOST: PAIR_S - 1}
    assert back_off.banned(OTHER, 1.0) == {}
    assert back_off.banned(VM, PAIR_S) == {}


def test_a_deployment_that_fails_bans_the_host_for_that_vm_twice_as_long_each_time():
    back_off = BackOff()
    now, delays = 0.0, []
    for _ in range(9):
        fails(back_off, VM, now=now)
        delays.append(back_off.banned(VM, now)[HOST])
        now += delays[-1]
    assert delays[:3] == [PAIR_S, 2 * PAIR_S, 4 * PAIR_S]
    assert delays[-1] == PAIR_S_MAX
    assert back_off.is_ready(VM, 0.0)


def test_a_failure_of_the_prolog_counts_and_one_of_another_step_does_not():
    back_off = BackOff()
    back_off.placed(VM, HOST)
    back_off.moved(VM, "PROLOG", "PROLOG_FAILURE", 0.0, MANY)
    back_off.placed(OTHER, HOST)
    back_off.moved(OTHER, "BOOT", "RUNNING", 0.0, MANY)
    back_off.moved(OTHER, "EPILOG", "EPILOG_FAILURE", 0.0, MANY)
    assert HOST in back_off.banned(VM, 1.0)
    assert back_off.banned(OTHER, 1.0) == {}


def test_a_vm_that_runs_after_all_begins_anew():
    back_off = BackOff()
    fails(back_off, VM)
    runs(back_off, VM)
    fails(back_off, VM, now=5.0)
    assert back_off.banned(VM, 5.0) == {HOST: PAIR_S}


def test_a_host_where_three_vms_fail_in_a_row_takes_none_for_a_while():
    back_off = BackOff()
    assert [fails(back_off, vm_id) for vm_id in (VM, OTHER, THIRD)] == [None, None, HOST]
    assert back_off.left_out(HOST_S - 1) == {HOST}
    assert back_off.banned(FOURTH, 0.0) == {HOST: HOST_S}
    assert back_off.left_out(HOST_S) == frozenset()


def test_the_vms_of_one_user_leave_a_host_out_for_that_user_only():
    back_off = BackOff()
    assert [fails(back_off, vm_id, uid=ALICE) for vm_id in (VM, OTHER, THIRD)] == [None, None, HOST]
    assert back_off.banned(FOURTH, 0.0, ALICE) == {HOST: HOST_S}
    assert back_off.banned(FOURTH, 0.0, BOB) == {}
    assert (back_off.left_out(0.0, ALICE), back_off.left_out(0.0, BOB)) == ({HOST}, frozenset())
    assert back_off.row(HOST, 0.0) == (HOST_S, ALICE)


def test_where_the_vms_of_several_users_fail_the_host_takes_none_of_anybody():
    back_off = BackOff()
    assert [fails(back_off, vm_id, uid=uid) for vm_id, uid in ((VM, ALICE), (OTHER, ALICE), (THIRD, BOB))][-1] == HOST
    assert back_off.banned(FOURTH, 0.0, CAROL) == {HOST: HOST_S}
    assert back_off.row(HOST, 0.0) == (HOST_S, EVERYBODY)


def test_a_host_that_is_left_out_for_one_user_is_left_out_for_all_when_anothers_vm_fails_there():
    back_off = BackOff()
    for vm_id in (VM, OTHER, THIRD):
        fails(back_off, vm_id, uid=ALICE)
    assert fails(back_off, FOURTH, now=1.0, uid=BOB) == HOST
    assert HOST in back_off.left_out(1.0, CAROL)


def test_one_user_keeps_no_host_from_others_however_many_vms_fail():
    back_off = BackOff()
    for vm_id in range(300):
        fails(back_off, vm_id, vm_id % 10, uid=ALICE)
    assert back_off.left_out(0.0, BOB) == frozenset()
    assert len(back_off.left_out(0.0, ALICE)) == MANY // 2


def test_it_is_left_out_twice_as_long_when_it_fails_again_and_begins_anew_when_a_vm_runs():
    back_off = BackOff()
    for vm_id in (VM, OTHER, THIRD):
        fails(back_off, vm_id)
    now, delays = HOST_S, []
    for vm_id in range(100, 106):
        assert fails(back_off, vm_id, now=now) == HOST
        delays.append(back_off.banned(FOURTH, now)[HOST])
        now += delays[-1]
    assert delays[:2] == [2 * HOST_S, 4 * HOST_S]
    assert delays[-1] == HOST_S_MAX
    runs(back_off, FOURTH)
    assert fails(back_off, 200, now=now) is None


def test_one_vm_that_fails_again_and_again_is_not_the_hosts_fault():
    back_off = BackOff()
    assert [fails(back_off, VM) for _ in range(5)] == [None] * 5
    assert back_off.left_out(0.0) == frozenset()


def test_a_vm_that_runs_in_between_ends_the_row():
    back_off = BackOff()
    fails(back_off, VM)
    fails(back_off, OTHER)
    runs(back_off, FOURTH)
    assert fails(back_off, THIRD) is None


def test_vms_that_fail_everywhere_leave_half_of_the_hosts():
    back_off = BackOff()
    for host_id in range(4):
        for vm_id in (VM, OTHER, THIRD):
            fails(back_off, vm_id, host_id, hosts=4)
    assert len(back_off.left_out(0.0)) == 2


def test_the_only_host_is_never_left_out():
    back_off = BackOff()
    assert [fails(back_off, vm_id, hosts=1) for vm_id in (VM, OTHER, THIRD, FOURTH)] == [None] * 4


def test_of_a_vm_that_others_placed_nothing_is_made():
    back_off = BackOff()
    back_off.placed(VM, HOST)
    back_off.lost_track()
    back_off.moved(VM, "BOOT", "BOOT_FAILURE", 0.0, MANY)
    assert back_off.banned(VM, 0.0) == {}


def test_what_is_over_is_forgotten():
    back_off = BackOff()
    fails(back_off, VM)
    back_off.refused(OTHER, HOST, 0.0)
    back_off.tidy((), PAIR_S + FORGET_S)
    fails(back_off, VM, now=PAIR_S + FORGET_S)
    assert back_off.banned(VM, PAIR_S + FORGET_S) == {HOST: PAIR_S}
    assert back_off.refused(OTHER, HOST, 0.0) == 1


def test_a_vm_that_is_done_is_forgotten():
    back_off = BackOff()
    fails(back_off, VM)
    back_off.moved(VM, "BOOT_FAILURE", "DONE", 1.0, MANY)
    assert back_off.banned(VM, 1.0) == {}


def test_it_tells_when_something_may_be_tried_again():
    back_off = BackOff()
    back_off.refused(VM, HOST, 0.0)
    assert back_off.next_at((VM,), 0.0) == 1
    assert back_off.next_at((VM,), 1.0) == PAIR_S
    assert back_off.next_at((VM,), PAIR_S) == math.inf
    assert back_off.next_at((OTHER,), 0.0) == math.inf
    for vm_id in (VM, OTHER, THIRD):
        fails(back_off, vm_id, SECOND, now=20.0)
    assert back_off.next_at((FOURTH,), 20.0) == 20 + HOST_S
