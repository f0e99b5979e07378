import logging
import re

import pytest

from tests.scheduler.builders import Engine, vm_xml
from trifid.core.network.auto import read_choice
from trifid.core.template.scanner import parse
from trifid.placement.policy import planner_of
from trifid.placement.settings import Settings
from trifid.scheduler.loop import Loop
from trifid.scheduler.messages import FEW, MESSAGES_MAX

HISTORY = "<HISTORY><HID>0</HID><VM_MAD>kvm</VM_MAD></HISTORY>"


@pytest.fixture
def engine():
    return Engine()


def loop(engine):
    return Loop(engine, policy="striping", interval_s=30, clock=engine.clock, sleep=engine.sleep, now=engine.clock)


def test_a_pending_vm_is_deployed_with_its_capacity_enforced(engine):
    engine.pending, engine.hosts = {4: {}}, {2: {}}
    loop(engine).round()
    assert engine.called("trifid.vm.place") == [[4, 2, 0]]


def test_a_vm_is_placed_with_the_reason_and_the_next_best_host(engine):
    engine.pending = {4: {"SCHED_RANK": "SPEED * 2"}}
    engine.hosts = {1: {"SPEED": 5}, 2: {"SPEED": 7}, 3: {"state": 4}}
    loop(engine).round()
    assert engine.whys[4].endswith(
        " UTC host2 [2] of 2 that fit (3 hosts): SCHED_RANK SPEED * 2 = 14; next host1 with 10"
    )
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC ", engine.whys[4])


def test_an_engine_at_rest_is_asked_twice_an_interval(engine):
    scheduler = loop(engine)
    scheduler.round()
    engine.calls.clear()
    scheduler.round()
    assert engine.now == 60
    assert [call[0] for call in engine.calls] == ["one.vmpool.info", "trifid.event.list"]


def test_news_wakes_it_at_once(engine):
    engine.hosts = {2: {}}

    def submit():
        engine.pending[7] = {}
        engine.event(object_id=7, what="allocated", new="PENDING")

    engine.coming = [(11.0, submit)]
    scheduler = loop(engine)
    scheduler.round()
    scheduler.cycle()
    assert engine.now < 12
    assert engine.called("trifid.vm.place") == [[7, 2, 0]]


def test_events_that_do_not_matter_neither_wake_it_nor_keep_it_from_looking(engine):
    engine.coming = [(float(s), lambda: engine.event(old="BOOT", new="RUNNING")) for s in range(1, 100)]
    loop(engine).round()
    assert 30 <= engine.now < 32
    assert len(engine.called("one.vmpool.info")) == 2


def test_the_reason_is_written_once_and_does_not_wake_it(engine):
    engine.pending, engine.hosts = {4: {"memory": "9999"}}, {2: {}}
    scheduler = loop(engine)
    for _ in range(3):
        scheduler.round()
    ((vm_id, template, append),) = engine.called("one.vm.update")
    assert (vm_id, append) == (4, 1)
    assert template.startswith('SCHED_MESSAGE="No host meets SCHED_REQUIREMENTS: 1 host, 1 lacks memory')
    assert engine.now >= 90


@pytest.mark.parametrize(("waiting", "pause_s"), [(1, 2), (FEW, 2), (FEW + 1, 30)])
def test_a_changed_reason_is_told_soon_where_few_wait_and_once_an_interval_where_many_do(engine, waiting, pause_s):
    engine.pending, engine.hosts = {vm_id: {"memory": "9999"} for vm_id in range(waiting)}, {2: {}}
    scheduler = loop(engine)
    scheduler.cycle()
    engine.hosts[3] = {}
    engine.now += pause_s - 1
    scheduler.cycle()
    assert len(engine.called("one.vm.update")) == waiting
    engine.now += 1
    scheduler.cycle()
    assert len(engine.called("one.vm.update")) == 2 * waiting


def test_explaining_is_bounded_and_goes_on_in_the_next_round(engine):
    engine.pending = {vm_id: {} for vm_id in range(MESSAGES_MAX + 5)}
    scheduler = loop(engine)
    scheduler.cycle()
    assert len(engine.called("one.vm.update")) == MESSAGES_MAX
    scheduler.cycle()
    assert {args[0] for args in engine.called("one.vm.update")} == set(engine.pending)


def test_an_expression_error_is_written_to_its_vm(engine):
    engine.pending, engine.hosts = {4: {"SCHED_REQUIREMENTS": 'A = "'}}, {2: {}}
    loop(engine).cycle()
    assert "Error in SCHED_REQUIREMENTS: 'A = " in engine.called("one.vm.update")[0][1]


def test_a_reason_that_is_over_is_cleared(engine):
    engine.pending, engine.hosts = {4: {"SCHED_MESSAGE": "No host"}}, {2: {}}
    loop(engine).cycle()
    assert engine.called("one.vm.update") == [[4, 'SCHED_MESSAGE=""', 1]]


def test_a_refused_vm_keeps_nobody_waiting_and_tries_another_host_next(engine):
    engine.pending, engine.hosts, engine.refuse = {4: {}, 5: {}}, {2: {}, 3: {"vms": (1, 2)}}, {4}
    scheduler = loop(engine)
    scheduler.cycle()
    assert [args[:2] for args in engine.called("trifid.vm.place")] == [[4, 2], [5, 2]]
    engine.now += 1
    scheduler.cycle()
    assert engine.called("trifid.vm.place")[2:] == [[4, 3, 0]]


def test_a_refusal_of_the_engine_is_told_to_the_vm(engine):
    engine.pending, engine.hosts, engine.refuse = {4: {}}, {2: {}}, {4}
    loop(engine).cycle()
    assert "Host 2 was chosen, but the engine refused: [trifid.vm.place] no" in engine.called("one.vm.update")[0][1]


def test_it_looks_again_when_a_refused_vm_may_be_tried(engine):
    engine.pending, engine.hosts, engine.refuse = {4: {}}, {2: {}}, {4}
    scheduler = loop(engine)
    scheduler.round()
    assert 1 <= engine.now < 3
    engine.refuse.clear()
    scheduler.round()
    scheduler.cycle()
    assert 10 <= engine.now < 13
    assert not engine.pending


def test_a_vm_that_no_host_may_have_yet_is_told_until_when(engine):
    engine.pending, engine.hosts, engine.refuse = {4: {}}, {2: {}}, {4}
    scheduler = loop(engine)
    scheduler.cycle()
    told = engine.called("one.vm.update")[0][1]
    assert told.endswith('; left out after failures: host 2 until 00:00:10 UTC"')


def test_an_engine_that_is_away_is_waited_for_and_said_once(engine, caplog):
    caplog.set_level(logging.INFO, "trifid.scheduler")
    engine.pending, engine.hosts, engine.is_up = {4: {}}, {2: {}}, False
    scheduler = loop(engine)
    waits = []
    for _ in range(8):
        before = engine.now
        scheduler.round()
        waits.append(engine.now - before)
    assert waits[:2] == pytest.approx([0.2, 0.5])
    assert waits[-1] == pytest.approx(5)
    engine.is_up = True
    scheduler.round()
    assert engine.called("trifid.vm.place")
    said = [record.getMessage() for record in caplog.records]
    assert said.count("cannot schedule: no engine answers") == 1
    assert "engine is back" in said


def test_after_an_outage_it_listens_from_now_on(engine):
    scheduler = loop(engine)
    scheduler.round()
    engine.is_up = False
    scheduler.round()
    engine.is_up, engine.events = True, []
    engine.calls.clear()
    scheduler.round()
    assert engine.calls[0] == ("trifid.event.list", -1, 0, 1)


def test_a_vm_marked_before_the_start_is_moved_to_another_host(engine):
    engine.running = {6: vm_xml(6, state=3, lcm_state=3, resched=1, history=HISTORY)}
    engine.hosts = {0: {}, 1: {"vms": (1, 2)}}
    loop(engine).round()
    assert engine.called("trifid.vm.place") == [[6, 1, 0]]


def test_a_vm_marked_later_is_moved_too(engine):
    engine.hosts = {0: {}, 1: {}}

    def mark():
        engine.running[6] = vm_xml(6, state=3, lcm_state=3, resched=1, history=HISTORY)
        engine.event(object_id=6, old="RUNNING", new="RUNNING")

    engine.coming = [(3.0, mark)]
    scheduler = loop(engine)
    scheduler.round()
    scheduler.cycle()
    scheduler.cycle()
    assert engine.called("trifid.vm.place") == [[6, 1, 0]]


AUTO = {"NIC_ID": "0", "NETWORK_MODE": "auto"}


def test_the_networks_of_nics_that_take_any_are_chosen_for_the_owner_and_told_with_the_place(engine):
    engine.pending, engine.hosts = {4: {"nics": [AUTO], "uid": 7}, 5: {}}, {2: {}}
    engine.networks, engine.users = {3: {"bits": 0o600}, 6: {"gid": 100, "bits": 0o640}}, {7: (1, 100), 8: (0,)}
    loop(engine).round()
    chosen = read_choice(parse(engine.called("trifid.vm.place")[0][3]))
    assert engine.called("trifid.vm.place")[0][:3] == [4, 2, 0]
    assert chosen == {0: 6}
    assert engine.called("trifid.vm.place")[1:] == [[5, 2, 0]]


def test_networks_are_not_read_for_vms_that_do_not_care(engine):
    engine.pending, engine.hosts = {4: {}}, {2: {}}
    loop(engine).round()
    assert engine.called("one.vnpool.info") == engine.called("one.userpool.info") == []


def test_a_vm_that_waits_for_a_network_is_told_so_and_placed_when_there_is_one(engine):
    engine.pending, engine.hosts = {4: {"nics": [AUTO]}}, {2: {}}

    def make():
        engine.networks[3] = {}
        engine.event(kind="NET", object_id=3, what="allocated")

    engine.coming = [(11.0, make)]
    scheduler = loop(engine)
    scheduler.round()
    assert engine.pending[4]["SCHED_MESSAGE"].startswith("No virtual network meets SCHED_NIC_REQUIREMENTS for NIC 0, ")
    assert engine.now < 12
    scheduler.cycle()
    assert engine.pending == {}


def test_each_policy_of_networks_reaches_the_plan(engine):
    engine.pending, engine.hosts = {4: {"nics": [AUTO, AUTO | {"NIC_ID": "1"}]}}, {2: {}}
    engine.networks = {3: {"used": 1}, 6: {"used": 2}}
    Loop(
        engine,
        planner=planner_of(Settings(network_policy="packing", different_networks=False)),
        interval_s=30,
        clock=engine.clock,
        sleep=engine.sleep,
        now=engine.clock,
    ).cycle()
    assert read_choice(parse(engine.called("trifid.vm.place")[0][3])) == {0: 6, 1: 6}
