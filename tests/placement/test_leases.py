"""Who is accepted, who makes room, who goes on, who is over: one look at a time."""

import pytest

from tests.placement.lease_world import NOW, PACE, accepted, host, look, placed, waiting
from trifid.core.vm.record import Needs
from trifid.placement.lease_end import Ending
from trifid.placement.lease_rules import LATE_S_MAX
from trifid.placement.leases import Choice
from trifid.placement.timeline import FOREVER
from trifid.placement.view import LeaseMark, Promise

HOUR = 3600
IN_AN_HOUR = NOW + HOUR


def held(done):
    return {host_id: Needs(kept.cpu_percent, kept.memory_mib) for host_id, kept in done.held_back.items()}


# -- reservations --------------------------------------------------------------------------------------


def test_a_reservation_is_accepted_on_a_host_that_is_free_then():
    done = look([waiting(1, "+01:00:00", "02:00:00", cores=4)], hosts=[host(0, cores=2), host(1)])
    assert done.marks == {1: LeaseMark("accepted", 1, IN_AN_HOUR, IN_AN_HOUR + 2 * HOUR)}
    assert done.waiting[1] == (
        "Accepted: host host-1 is reserved for it from 2027-01-15 09:00:00 to 2027-01-15 11:00:00 (UTC)"
    )
    assert (done.starts, done.wake_at) == ([], IN_AN_HOUR)


def test_one_that_does_not_fit_is_rejected_with_what_is_free_on_the_best_host():
    first = waiting(1, "+01:00:00", "02:00:00", mark=accepted(IN_AN_HOUR, IN_AN_HOUR + 2 * HOUR, 1))
    done = look([first, waiting(2, "+02:30:00", "01:00:00", cores=4)], hosts=[host(0, cores=2), host(1)])
    assert done.rejected == {
        2: "Rejected, from 2027-01-15 10:30:00 to 2027-01-15 11:30:00 (UTC): "
        "needs 4 cores, 3 are free on the best host, host-1"
    }


def test_one_that_no_host_could_ever_have_is_rejected_for_what_placement_says():
    done = look(
        [waiting(1, "+01:00:00")],
        hosts=[host()],
        choose=lambda vm, hosts: Choice(why="No host meets SCHED_REQUIREMENTS"),
    )
    assert "No host meets SCHED_REQUIREMENTS" in done.rejected[1]


def test_reservations_one_after_the_other_share_a_host():
    first = waiting(1, "+01:00:00", "01:00:00", cores=4, mark=accepted(IN_AN_HOUR, IN_AN_HOUR + HOUR))
    done = look([first, waiting(2, "+02:00:00", "01:00:00", cores=4)], hosts=[host()])
    assert done.marks == {2: LeaseMark("accepted", 0, IN_AN_HOUR + HOUR, IN_AN_HOUR + 2 * HOUR)}


def test_of_two_that_want_the_same_the_one_that_was_submitted_first_has_it():
    done = look([waiting(8, "+01:00:00", cores=4), waiting(7, "+01:00:00", cores=4)], hosts=[host()])
    assert (list(done.marks), list(done.rejected)) == ([7], [8])


def test_one_that_was_accepted_keeps_its_room_against_an_older_request_that_comes_later():
    newer = waiting(9, "+01:00:00", cores=4, mark=accepted(IN_AN_HOUR))
    done = look([waiting(3, "+01:00:00", cores=4), newer], hosts=[host()])
    assert (done.marks, list(done.rejected)) == ({}, [3])


def test_a_wish_that_was_changed_after_it_was_accepted_is_another_one():
    changed = waiting(1, "+02:00:00", "01:00:00", mark=accepted(IN_AN_HOUR, IN_AN_HOUR + HOUR))
    assert look([changed], hosts=[host()]).marks[1].start == NOW + 2 * HOUR


def test_a_reservation_moves_to_another_host_when_its_own_is_lost():
    one = waiting(1, "+01:00:00", cores=4, mark=accepted(IN_AN_HOUR))
    done = look([one], hosts=[host(0, state=3), host(1)])
    assert done.marks == {1: accepted(IN_AN_HOUR, host_id=1)}


def test_one_whose_room_is_lost_everywhere_stays_accepted_and_says_so():
    one = waiting(1, "+01:00:00", cores=4, mark=accepted(IN_AN_HOUR))
    done = look([one], hosts=[host(0, free=2)])
    assert (done.marks, done.rejected) == ({}, {})
    assert done.waiting[1].endswith("but host-0 cannot have it")


def test_a_start_that_has_passed_is_rejected_but_a_late_look_is_forgiven():
    late = look([waiting(1, "2027-01-15 07:58:59", "01:00:00")], hosts=[host()])
    assert late.rejected == {1: "Its start 2027-01-15 07:58:59 (UTC) has passed: give HAIZEA another START"}
    assert look([waiting(1, "2027-01-15 07:59:30", "01:00:00")], hosts=[host()]).starts == [(1, 0, 0)]


def test_a_reservation_that_never_could_start_is_given_up_at_its_end():
    done = look([waiting(1, "+00:00:00", "01:00:00", mark=accepted(NOW, IN_AN_HOUR))], hosts=[host()], now=IN_AN_HOUR)
    assert "is over" in done.rejected[1]


def test_without_any_host_that_is_up_nothing_is_decided():
    done = look([waiting(1, "+01:00:00")], hosts=[host(state=3)])
    assert (done.rejected, list(done.waiting)) == ({}, [1])


def test_a_text_that_is_wrong_is_told():
    assert "START must be" in look([waiting(1, "soon")], hosts=[host()]).rejected[1]


# -- now -----------------------------------------------------------------------------------------------


def test_now_is_started_at_once_or_rejected():
    done = look([waiting(1, "now", "01:00:00", cores=4), waiting(2, "now", "01:00:00")], hosts=[host()])
    assert done.starts == [(1, 0, 0)]
    assert "needs 1 cores, 0 are free" in done.rejected[2]


def test_now_has_those_suspended_who_may_be():
    done = look(
        [waiting(5, "now", "01:00:00", cores=4)], [placed(1, preemptible="yes", cores=2)], [host(free=2, vm_ids=[1])]
    )
    assert (done.suspend, done.starts) == ([1], [])
    assert "waits for its room on host-0" in done.waiting[5]


# -- at its start --------------------------------------------------------------------------------------


def test_a_reservation_is_started_on_its_host_when_its_time_has_come():
    one = waiting(1, "+01:00:00", mark=accepted(IN_AN_HOUR, host_id=1))
    hosts = [host(0), host(1)]
    assert look([one], hosts=hosts, now=IN_AN_HOUR - 1).starts == []
    assert look([one], hosts=hosts, now=IN_AN_HOUR).starts == [(1, 1, 0)]


def test_others_are_suspended_so_long_before_as_saving_their_memory_takes():
    one = waiting(9, "+01:00:00", cores=4, mark=accepted(IN_AN_HOUR))
    runs = [placed(1, preemptible="yes", cores=2, memory_mib=500), placed(2, preemptible="yes", memory_mib=300)]
    hosts = [host(free=1, vm_ids=[1, 2])]
    before = look([one], runs, hosts, now=IN_AN_HOUR - 19)
    assert (before.suspend, before.wake_at) == ([], IN_AN_HOUR - 18)
    due = look([one], runs, hosts, now=IN_AN_HOUR - 18)
    assert due.suspend == [1, 2]
    assert due.marks == {1: LeaseMark("suspended"), 2: LeaseMark("suspended")}


def test_no_more_are_suspended_than_must_be_and_the_latest_first():
    one = waiting(9, "+00:00:05", cores=2, mark=accepted(NOW + 5))
    runs = [placed(vm_id, preemptible="yes") for vm_id in (1, 2, 3)]
    assert look([one], runs, [host(free=1, vm_ids=[1, 2, 3])]).suspend == [3]


def test_one_that_is_being_suspended_is_not_told_again():
    one = waiting(9, "+00:00:05", cores=4, mark=accepted(NOW + 5))
    saving = placed(1, preemptible="yes", lcm_state=6, mark=LeaseMark("suspended"))
    done = look([one], [saving], [host(free=3, vm_ids=[1])])
    assert (done.suspend, done.marks) == ([], {})


def test_leases_that_may_not_be_suspended_are_not():
    done = look([waiting(9, "+00:10:00", cores=4)], [placed(1, preemptible="no")], [host(free=3, vm_ids=[1])])
    assert (done.suspend, list(done.rejected)) == ([], [9])


def test_a_lease_that_ends_before_makes_room():
    ends = placed(1, duration="00:05:00", cores=4)
    done = look([waiting(9, "+00:05:00", cores=4)], [ends], [host(free=0, vm_ids=[1])])
    assert done.marks[9] == accepted(NOW + 300)


# -- going on ------------------------------------------------------------------------------------------


def suspended(vm_id, *, mark="suspended", **more):
    return placed(vm_id, preemptible="yes", state=5, lcm_state=0, runs_since=0, mark=LeaseMark(mark), **more)


def test_one_that_was_suspended_goes_on_when_there_is_room_again():
    assert look([], [suspended(1, cores=4)], [host()]).resume == [1]
    assert look([], [suspended(1, cores=4)], [host(free=3)]).resume == []


def test_one_that_its_owner_suspended_is_left_alone():
    assert look([], [suspended(1, mark="")], [host()]).resume == []


def test_nobody_goes_on_who_would_be_suspended_at_once():
    one = waiting(9, "+00:00:40", cores=4, mark=accepted(NOW + 40))
    assert look([one], [suspended(1)], [host()]).resume == []
    later = waiting(9, "+00:00:41", cores=4, mark=accepted(NOW + 41))
    assert look([later], [suspended(1)], [host()]).resume == [1]


def test_one_that_runs_again_is_marked_so_that_its_owner_may_suspend_it():
    runs = placed(1, preemptible="yes", mark=LeaseMark("suspended"))
    assert look([], [runs], [host(vm_ids=[1])]).marks == {1: LeaseMark("resumed")}


def test_vms_without_end_do_not_take_the_room_of_one_that_was_suspended():
    runs = placed(9, "now", "01:00:00", cores=3, mark=accepted(NOW, IN_AN_HOUR))
    done = look([waiting(20)], [runs, suspended(1, cores=4)], [host(free=1, vm_ids=[9])])
    assert held(done) == {0: Needs(100, 0)}


def test_vms_without_end_do_not_take_its_room_though_one_that_came_later_runs_there_too():
    reserved = placed(9, "now", "01:00:00", cores=1, mark=accepted(NOW, IN_AN_HOUR))
    later = placed(5, preemptible="yes", here_since=NOW)
    done = look([waiting(20)], [reserved, later, suspended(3, cores=4)], [host(free=2, vm_ids=[5, 9])])
    assert held(done) == {0: Needs(200, 0)}


def test_one_that_came_later_makes_way_for_one_that_was_suspended():
    later = placed(2, preemptible="yes", here_since=NOW)
    done = look([], [later, suspended(7, cores=4)], [host(free=3, vm_ids=[2])])
    assert (done.suspend, done.marks) == ([2], {2: LeaseMark("suspended")})
    assert done.resting == {7: "Suspended for others; it goes on on host-0 as soon as those leave that are in its room"}


def test_one_that_came_before_does_not_make_way():
    before = placed(7, preemptible="yes")
    done = look([], [before, suspended(2, cores=4, here_since=NOW)], [host(free=3, vm_ids=[7])])
    assert done.suspend == []
    assert done.resting == {2: "Suspended for others; it goes on on host-0 after VM 7, there before it"}


def test_nobody_makes_way_for_one_that_would_be_suspended_again_at_once():
    later = placed(2, preemptible="yes", here_since=NOW)
    soon = waiting(9, "+00:00:40", cores=3, mark=accepted(NOW + 40))
    done = look([soon], [later, suspended(1, cores=4)], [host(free=3, vm_ids=[2])])
    assert done.suspend == []


def test_it_is_told_when_one_that_was_suspended_goes_on():
    runs = placed(9, "now", "01:00:00", cores=3, mark=accepted(NOW, IN_AN_HOUR))
    done = look([], [runs, suspended(1, cores=4)], [host(free=1, vm_ids=[9])])
    assert done.resting == {1: "Suspended for others; it goes on on host-0 after 2027-01-15 09:00:00 (UTC)"}


def test_vms_without_end_that_hold_its_room_are_named_and_nothing_is_kept_that_would_not_do():
    endless = placed(9, "now", cores=1, mark=accepted(NOW))
    done = look([], [endless, suspended(1, cores=4)], [host(free=2, vm_ids=[5, 9])])
    assert done.resting == {
        1: "Suspended for others; it cannot go on on host-0: "
        "needs 4 cores, 2 are free beside VM 5 and VM 9 without an end"
    }
    assert done.held_back == {}


def test_a_host_that_is_away_is_told():
    done = look([], [suspended(1)], [host(state=4)])
    assert done.resting == {1: "Suspended for others; it goes on when host-0 is monitored again"}


def test_one_that_is_over_while_it_is_suspended_is_ended_and_nothing_else():
    done = look([], [suspended(1, duration="00:10:00", ran_s=600)], [host()])
    assert (done.over, done.resume, done.resting) == ([1], [], {})


# -- over ----------------------------------------------------------------------------------------------


def test_a_lease_is_shut_down_at_its_end():
    one = placed(1, duration="00:10:00")
    hosts = [host(free=3, vm_ids=[1])]
    before = look([], [one], hosts, now=NOW + 599)
    assert (before.over, before.wake_at) == ([], NOW + 600)
    at = look([], [one], hosts, now=NOW + 600)
    assert (at.over, at.overdue, at.ended, at.wake_at) == ([1], [], [1], NOW + 660)


def test_one_that_was_asked_and_does_not_shut_down_is_cut_off():
    one = placed(1, duration="00:10:00")
    asked = {1: Ending(NOW + 600, asked_at=NOW + 610)}
    again = look([], [one], [host()], now=NOW + 669, endings=asked)
    assert (again.over, again.overdue, again.wake_at) == ([1], [], NOW + 670)
    done = look([], [one], [host()], now=NOW + 670, endings=asked)
    assert (done.over, done.overdue) == ([], [1])


def test_nobody_is_cut_off_who_was_not_asked_first():
    one = placed(1, duration="00:10:00")
    seen_at = NOW + 600
    done = look([], [one], [host()], now=NOW + 100_000, endings={1: Ending(seen_at)})
    assert (done.over, done.overdue) == ([1], [])


def test_one_that_shuts_down_is_left_alone_until_it_is_overdue():
    one = placed(1, duration="00:10:00", lcm_state=12)
    hosts = [host(free=3, vm_ids=[1])]
    assert look([], [one], hosts, now=NOW + 600).over == []
    asked = {1: Ending(NOW + 600, asked_at=NOW + 600)}
    before = look([], [one], hosts, now=NOW + 659, endings=asked)
    assert (before.over, before.overdue) == ([], [])
    assert look([], [one], hosts, now=NOW + 660, endings=asked).overdue == [1]


def test_one_that_is_first_seen_long_after_its_end_is_left_alone_for_a_while_and_told_so():
    one = placed(1, duration="00:10:00")
    at = NOW + 600 + LATE_S_MAX + 1
    late = look([], [one], [host()], now=at)
    assert (late.over, late.ended, late.wake_at) == ([], [1], at + PACE.late_s)
    assert late.late == {
        1: "Its time was over at 2027-01-15 08:10:00 (UTC): it is terminated at 2027-01-15 08:16:01 (UTC), "
        "unless HAIZEA gives it more"
    }
    seen = {1: Ending(at)}
    assert look([], [one], [host()], now=at + PACE.late_s - 1, endings=seen).over == []
    then = look([], [one], [host()], now=at + PACE.late_s, endings=seen)
    assert (then.over, then.overdue, then.late) == ([1], [], {})


def test_one_that_is_seen_a_little_late_is_shut_down_at_once():
    one = placed(1, duration="00:10:00")
    assert look([], [one], [host()], now=NOW + 600 + LATE_S_MAX).over == [1]


def test_the_time_that_a_lease_was_suspended_does_not_count():
    one = placed(1, duration="00:10:00", preemptible="yes", runs_since=NOW + 1000, ran_s=400)
    hosts = [host(free=3, vm_ids=[1])]
    assert look([], [one], hosts, now=NOW + 1199).over == []
    assert look([], [one], hosts, now=NOW + 1200).over == [1]


def test_a_reservation_ends_when_it_was_to_end_even_if_it_started_late():
    one = placed(1, "+00:00:00", "00:10:00", runs_since=NOW + 300, mark=accepted(NOW, NOW + 600))
    assert look([], [one], [host(vm_ids=[1])], now=NOW + 600).over == [1]


@pytest.mark.parametrize("state", [5, 8])
def test_a_reservation_that_rests_is_over_at_its_end_too(state):
    one = placed(1, "+00:00:00", "00:10:00", state=state, lcm_state=0, mark=accepted(NOW, NOW + 600))
    assert look([], [one], [host()], now=NOW + 600).over == [1]


# -- best effort and ordinary VMs ----------------------------------------------------------------------


def test_without_reservations_best_effort_is_placed_like_any_vm():
    vms = [waiting(1, "best_effort", "01:00:00", "yes"), waiting(2)]
    done = look(vms, hosts=[host()])
    assert ({vm.id for vm in done.others}, done.held_back, done.starts, done.wake_at) == ({1, 2}, {}, [], FOREVER)


def test_vms_without_end_leave_the_room_of_reservations_free():
    one = waiting(9, "+01:00:00", cores=3, memory_mib=1000, mark=accepted(IN_AN_HOUR))
    done = look([one, waiting(1, "best_effort", cores=2), waiting(2, cores=2)], hosts=[host(), host(1)])
    assert held(done) == {0: Needs(300, 1000)}
    assert done.held_back[0].promises == (Promise(9, 300, 1000, IN_AN_HOUR),)
    assert [vm.id for vm in done.others] == [2, 1]


def test_a_lease_that_ends_before_a_reservation_begins_may_use_its_room():
    one = waiting(9, "+01:00:00", cores=4, mark=accepted(IN_AN_HOUR))
    assert look([one, waiting(1, "best_effort", "01:00:00", cores=4)], hosts=[host()]).starts == [(1, 0, 0)]
    done = look([one, waiting(1, "best_effort", "01:00:01", cores=4)], hosts=[host()])
    assert (done.starts, done.waiting[1]) == ([], "It waits for room that no reservation needs (trifid sched leases)")


def test_one_that_may_be_suspended_uses_the_room_of_a_reservation_until_then():
    one = waiting(9, "+01:00:00", cores=4, mark=accepted(IN_AN_HOUR))
    assert look([one, waiting(1, "best_effort", "", "yes", cores=4)], hosts=[host()]).starts == [(1, 0, 0)]
    soon = waiting(9, "+00:00:40", cores=4, mark=accepted(NOW + 40))
    assert look([soon, waiting(1, "best_effort", "", "yes", cores=4)], hosts=[host()]).starts == []


def test_what_starts_now_is_not_given_away_again():
    one = waiting(9, "+01:00:00", cores=1, mark=accepted(IN_AN_HOUR))
    queue = [waiting(vm_id, "best_effort", "", "yes", cores=3) for vm_id in (1, 2)]
    done = look([one, *queue], hosts=[host()])
    assert done.starts == [(1, 0, 0)]
    assert held(done) == {0: Needs(400, 200)}


def test_a_reservation_that_was_started_but_still_waits_in_what_was_read_is_not_counted_twice():
    one = waiting(9, "+00:00:00", cores=3, mark=accepted(NOW))
    assert look([one, waiting(2, "now", "01:00:00")], hosts=[host(free=1, vm_ids=[9])]).marks[2].host_id == 0
