"""Leases carried out by the scheduler's rounds, against an engine that does what it is asked."""

import logging

import pytest

from tests.scheduler.lease_engine import LeaseEngine


@pytest.fixture
def engine():
    return LeaseEngine()


@pytest.fixture
def scheduler(engine):
    return engine.scheduler()


def test_without_leases_nothing_more_is_asked(engine, scheduler):
    engine.submit(1)
    scheduler.round()
    scheduler.round()
    assert engine.state(1) == "RUNNING"
    assert not engine.called("one.vm.info")
    assert not engine.called("one.vm.update")
    engine.calls.clear()
    scheduler.round()
    assert [call[0] for call in engine.calls] == ["one.vmpool.info", "trifid.event.list"]


def test_best_effort_is_suspended_for_a_reservation_and_goes_on_after_it(engine, scheduler):
    engine.submit(1, "best_effort", "", "yes", cpu="4")
    scheduler.round()
    assert engine.state(1) == "RUNNING"
    began = engine.now
    engine.submit(2, "+00:02:00", "00:01:00", cpu="4")
    engine.until(scheduler, lambda: engine.mark(2).get("STATE") == "accepted")
    assert (engine.mark(2)["HOST_ID"], engine.mark(2)["START"]) == ("0", str(int(began) + 120))
    assert "is reserved for it" in engine.message(2)
    assert len(engine.called("one.vm.update")) == 1
    engine.until(scheduler, lambda: engine.state(1) == "SUSPENDED")
    assert 104 <= engine.now - began <= 106  # 10 s, and 6 s for 512 MiB
    assert engine.mark(1) == {"STATE": "suspended"}
    engine.until(scheduler, lambda: engine.state(2) == "RUNNING")
    assert 120 <= engine.now - began <= 122
    assert engine.message(2) == ""
    engine.until(scheduler, lambda: engine.state(2) == "DONE")
    assert 180 <= engine.now - began <= 182
    engine.until(scheduler, lambda: engine.state(1) == "RUNNING", 5)
    engine.until(scheduler, lambda: engine.mark(1) == {"STATE": "resumed"}, 40)


def test_one_that_is_suspended_is_told_when_it_goes_on(engine, scheduler):
    engine.submit(1, "best_effort", "", "yes", cpu="4")
    scheduler.round()
    engine.submit(2, "+00:02:00", "00:01:00", cpu="4")
    engine.until(scheduler, lambda: engine.state(1) == "SUSPENDED")
    engine.until(scheduler, lambda: engine.message(1), 60)
    assert engine.message(1) == "Suspended for others; it goes on on host0 after 2027-01-15 08:03:00 (UTC)"
    updates = len(engine.called("one.vm.update"))
    engine.until(scheduler, lambda: engine.state(2) == "DONE")
    assert len(engine.called("one.vm.update")) <= updates + 2  # its message again only when it is another
    engine.until(scheduler, lambda: engine.mark(1) == {"STATE": "resumed"}, 60)
    assert engine.message(1) == ""


def test_one_that_came_later_makes_way_for_one_that_was_suspended(engine, scheduler):
    engine.submit(1, "best_effort", "", "yes", cpu="4")
    scheduler.round()
    engine.submit(2, "+00:02:00", "00:10:00", cpu="2")
    engine.until(scheduler, lambda: engine.state(2) == "RUNNING")
    engine.submit(3, "best_effort", "", "yes", cpu="2")
    engine.submit(4, cpu="2")
    engine.until(scheduler, lambda: engine.state(3) == "RUNNING", 60)
    engine.until(scheduler, lambda: engine.state(1) == "RUNNING")
    assert (engine.state(2), engine.state(3), engine.state(4)) == ("DONE", "SUSPENDED", "PENDING")
    engine.until(scheduler, lambda: engine.message(3).endswith("after VM 1, there before it"), 60)


def test_one_that_is_rejected_is_put_on_hold_with_the_reason_and_decided_anew_when_released(engine, scheduler):
    engine.submit(1, "+00:10:00", "00:10:00", cpu="3")
    engine.submit(2, "+00:15:00", "00:10:00", cpu="2")
    engine.until(scheduler, lambda: engine.state(2) == "HOLD", 60)
    assert "needs 2 cores, 1 are free on the best host, host0" in engine.message(2)
    engine.vms[2].user["HAIZEA"] = {"START": "+00:20:00", "DURATION": "00:10:00"}
    engine.become(2, "PENDING")
    engine.until(scheduler, lambda: engine.mark(2).get("STATE") == "accepted", 60)


def test_who_holds_a_reservation_gives_it_up(engine, scheduler):
    engine.submit(1, "+00:10:00", "00:10:00", cpu="4")
    engine.until(scheduler, lambda: engine.mark(1), 60)
    engine.become(1, "HOLD")
    engine.submit(2, "+00:10:00", "00:10:00", cpu="4")
    engine.until(scheduler, lambda: engine.mark(2), 60)
    assert engine.mark(1) == {}


def test_an_ordinary_vm_waits_beside_a_reservation_and_is_told_so(engine, scheduler):
    engine.submit(1, "+00:10:00", "00:10:00", cpu="4")
    engine.until(scheduler, lambda: engine.mark(1), 60)
    engine.submit(2)
    engine.until(scheduler, lambda: engine.message(2), 60)
    assert engine.message(2).endswith("; 1 host keeps room for leases (trifid sched leases)")
    engine.until(scheduler, lambda: engine.state(2) == "RUNNING")
    assert engine.state(1) == "DONE"


def test_one_that_its_owner_suspended_is_not_resumed(engine, scheduler):
    engine.submit(1, "best_effort", "", "yes")
    scheduler.round()
    engine.become(1, "SUSPENDED")
    for _ in range(5):
        scheduler.round()
    assert engine.called("one.vm.action") == []


def test_another_scheduler_goes_on_with_what_was_decided(engine, scheduler):
    engine.submit(1, "best_effort", "", "yes", cpu="4")
    scheduler.round()
    engine.submit(2, "+00:02:00", "00:05:00", cpu="4")
    engine.until(scheduler, lambda: engine.state(1) == "SUSPENDED")
    another = engine.scheduler()
    engine.until(another, lambda: engine.state(2) == "RUNNING", 60)
    third = engine.scheduler()
    engine.until(third, lambda: engine.state(1) == "RUNNING")
    assert engine.state(2) == "DONE"
    assert [args[0] for args in engine.called("one.vm.action")] == ["suspend", "terminate", "resume"]


def test_what_is_refused_is_tried_again_and_keeps_nobody_waiting(engine, scheduler, caplog):
    caplog.set_level(logging.WARNING, "trifid.scheduler")
    engine.submit(1, "now", "00:10:00")
    engine.submit(2, "now", "00:10:00")
    engine.refused = {("place", 1)}
    engine.until(scheduler, lambda: engine.state(2) == "RUNNING", 60)
    assert engine.state(1) == "PENDING"
    assert "next try in 5 s: [place] no" in caplog.text
    engine.refused = set()
    engine.until(scheduler, lambda: engine.state(1) == "RUNNING", 10)


def test_a_mark_that_cannot_be_written_suspends_nobody(engine, scheduler):
    engine.submit(1, "best_effort", "", "yes", cpu="4")
    scheduler.round()
    plain = engine.one_vm_update

    def refuse(vm_id, template, append):
        if vm_id == 1:
            engine._refuse("update", vm_id)
        return plain(vm_id, template, append)

    engine.one_vm_update = refuse
    engine.refused = {("update", 1)}
    engine.submit(2, "now", "00:10:00", cpu="4")
    for _ in range(10):
        scheduler.round()
    assert engine.called("one.vm.action") == []
    engine.refused = set()
    engine.until(scheduler, lambda: engine.state(2) == "RUNNING", 60)


def test_one_that_does_not_shut_down_is_cut_off(engine, scheduler):
    engine.submit(1, "now", "00:01:00")
    engine.deaf = {"terminate"}
    took_s = engine.until(scheduler, lambda: engine.state(1) == "DONE")
    assert 120 <= took_s <= 123


def test_a_vm_that_becomes_a_lease_while_it_runs_is_ended_by_it(engine, scheduler):
    vm = engine.submit(1)
    scheduler.round()
    vm.user["HAIZEA"] = {"START": "best_effort", "DURATION": "00:05:00"}
    engine.event(object_id=1, what="updated")
    engine.until(scheduler, lambda: engine.state(1) == "DONE")
    assert 300 <= engine.now - vm.stime <= 302


def test_the_scheduler_does_not_wake_itself(engine, scheduler):
    engine.submit(1, "+01:00:00", "00:10:00")
    for _ in range(4):
        scheduler.round()
    engine.calls.clear()
    began = engine.now
    for _ in range(4):
        scheduler.round()
    assert engine.now - began >= 115
    assert not engine.called("one.vm.info")


# -- an end that cannot be taken back ------------------------------------------------------------------


def words(engine):
    return [args[0] for args in engine.called("one.vm.action")]


def test_who_is_late_asks_first_and_not_at_once(engine, scheduler):
    engine.submit(1, "now", "00:10:00")
    engine.until(scheduler, lambda: engine.state(1) == "RUNNING", 60)
    engine.now += 10_000  # no scheduler ran
    another = engine.scheduler()
    began = engine.now
    another.round()
    assert engine.message(1).startswith("Its time was over at ")
    engine.until(another, lambda: engine.state(1) == "DONE")
    assert 300 <= engine.now - began <= 302
    assert words(engine) == ["terminate"]


def test_a_clock_that_jumps_and_comes_back_ends_nobody(engine, scheduler):
    engine.submit(1, "now", "10:00:00")
    engine.until(scheduler, lambda: engine.state(1) == "RUNNING", 60)
    right = engine.now
    engine.now += 86_400
    scheduler.round()
    engine.now = right + 60
    scheduler.round()
    engine.until(scheduler, lambda: engine.now > right + 1000)
    assert engine.state(1) == "RUNNING"
    assert words(engine) == []


def test_one_that_gets_more_time_after_its_end_runs_on(engine, scheduler):
    vm = engine.submit(1, "best_effort", "00:10:00")
    engine.until(scheduler, lambda: engine.state(1) == "RUNNING", 60)
    engine.now += 10_000
    scheduler.round()
    vm.user["HAIZEA"] = {"START": "best_effort", "DURATION": "99:00:00"}
    engine.event(object_id=1, what="updated")
    began = engine.now
    engine.until(scheduler, lambda: engine.now > began + 2000)
    assert engine.state(1) == "RUNNING"


@pytest.mark.parametrize(("word", "duration"), [("suspend", "02:00:00"), ("resume", "00:01:00")])
def test_what_is_taken_and_fails_is_asked_again_after_longer_and_longer_pauses(engine, scheduler, word, duration):
    engine.submit(1, "best_effort", "", "yes", cpu="4")
    engine.until(scheduler, lambda: engine.state(1) == "RUNNING", 60)
    engine.failing = {word}
    engine.submit(2, "+00:01:00", duration, cpu="4")
    engine.until(scheduler, lambda: words(engine).count(word) == 1)
    began = engine.now
    engine.until(scheduler, lambda: engine.now > began + 600)
    assert 4 <= words(engine).count(word) <= 8
    engine.failing = set()
    asked = words(engine).count(word)
    engine.until(scheduler, lambda: words(engine).count(word) == asked + 1, 600)
