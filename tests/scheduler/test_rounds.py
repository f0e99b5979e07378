"""What the rounds make of limits, users, failures and idle time."""

import logging

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scheduler.builders import Engine
from trifid.scheduler.dispatch import Limits
from trifid.scheduler.loop import WARM_HOSTS_MIN, Loop
from trifid.scheduler.messages import MESSAGES_MAX

ALICE, BOB = 2, 3
CYCLES_PER_VM = 4


def loop(engine, **limits):
    return Loop(
        engine,
        policy="striping",
        interval_s=30,
        clock=engine.clock,
        sleep=engine.sleep,
        now=engine.clock,
        limits=Limits(**limits),
    )


def placed(engine):
    return [args[0] for args in engine.called("trifid.vm.place")]


def test_what_is_beyond_a_limit_is_done_in_the_next_round_without_waiting():
    engine = Engine()
    engine.pending, engine.hosts = {vm_id: {"cpu": "0.1"} for vm_id in range(5)}, {2: {}, 3: {}}
    scheduler = loop(engine, max_host=1)
    for expected in (2, 4, 5):
        scheduler.round()
        assert len(placed(engine)) == expected
        assert (engine.now < 1) is (expected < 5)


def test_vms_that_fit_nowhere_do_not_keep_others_from_being_considered():
    engine = Engine()
    engine.pending = {vm_id: {"memory": "99999"} for vm_id in range(6)} | {7: {}}
    engine.hosts = {2: {}}
    scheduler = loop(engine, max_vm=2)
    for _ in range(4):
        scheduler.round()
    assert placed(engine) == [7]
    assert engine.now >= 30


def test_when_room_is_scarce_it_goes_to_the_user_who_has_least():
    engine = Engine()
    engine.pending = {4: {"uid": ALICE, "cpu": "4"}, 5: {"uid": BOB, "cpu": "4"}}
    engine.hosts = {2: {"cpu": 400}}
    engine.usages = {ALICE: {"cpu_percent": 800, "memory_mib": 0}}
    loop(engine).cycle()
    assert placed(engine) == [5]


def test_a_vm_goes_to_a_host_that_its_owner_may_use_even_to_a_worse_one_and_else_waits_with_the_reason():
    engine = Engine()
    engine.pending = {4: {"uid": ALICE}, 5: {"uid": BOB}}
    engine.hosts = {2: {"cpu": 4000, "memory": 40_000_000}, 3: {"cpu": 400}}
    engine.barred = {ALICE: [2], BOB: [2, 3]}
    loop(engine).cycle()
    assert [[*args[:2]] for args in engine.called("trifid.vm.place")] == [[4, 3]]
    (told,) = [args for args in engine.called("one.vm.update") if args[0] == 5]
    assert "2 are not in a virtual data centre of its owner" in told[1]


def test_what_users_have_is_asked_only_when_several_wait():
    engine = Engine()
    engine.pending, engine.hosts = {4: {"uid": ALICE}, 5: {"uid": ALICE}}, {2: {}}
    loop(engine).cycle()
    assert engine.called("trifid.user.usage") == []


def test_everybody_is_told_a_reason_before_it_waits_for_news():
    engine = Engine()
    engine.pending = {vm_id: {"memory": "99999"} for vm_id in range(2 * MESSAGES_MAX + 5)}
    engine.hosts = {2: {}}
    scheduler = loop(engine)
    for _ in range(3):
        assert engine.now < 1
        scheduler.round()
    assert {args[0] for args in engine.called("one.vm.update")} == set(engine.pending)
    assert engine.now >= 30


def test_what_happens_while_there_is_still_to_do_is_heard():
    engine = Engine()
    engine.pending, engine.hosts = {4: {}, 5: {}}, {2: {}, 3: {"vms": (1,)}}
    scheduler = loop(engine, max_dispatch=1)
    scheduler.round()
    fail(engine, 4)
    scheduler.round()
    scheduler.round()
    assert [args[:2] for args in engine.called("trifid.vm.place")] == [[4, 2], [5, 2], [4, 3]]


@settings(deadline=None)
@given(st.data())
def test_whatever_bad_vms_there_are_those_that_fit_are_placed_within_some_cycles(data):
    """Bad ones are refused by the engine, or fail on the host, or fit nowhere, and come back again and again."""
    engine = Engine()
    kinds = data.draw(st.lists(st.sampled_from(["good", "refused", "fails", "too big"]), min_size=1, max_size=12))
    limits = data.draw(
        st.fixed_dictionaries({name: st.integers(0, 3) for name in ("max_vm", "max_dispatch", "max_host")})
    )
    engine.hosts = {host_id: {} for host_id in range(data.draw(st.integers(1, 4)))}
    for vm_id, kind in enumerate(kinds):
        engine.pending[vm_id] = {"cpu": "0.1", "memory": "99999" if kind == "too big" else "16", "uid": vm_id % 3}
    engine.refuse = {vm_id for vm_id, kind in enumerate(kinds) if kind == "refused"}
    good = {vm_id for vm_id, kind in enumerate(kinds) if kind == "good"}
    scheduler = loop(engine, **limits)
    for _ in range(CYCLES_PER_VM * len(kinds)):
        scheduler.round()
        for vm_id, kind in enumerate(kinds):
            if kind == "fails" and vm_id not in engine.pending:
                fail(engine, vm_id)
    assert not good & engine.pending.keys()


def fail(engine, vm_id):
    """Let a VM that was placed fail, and its owner begin anew."""
    engine.event(object_id=vm_id, old="BOOT", new="BOOT_FAILURE")
    engine.pending[vm_id] = {}
    engine.event(object_id=vm_id, old="BOOT_FAILURE", new="PENDING")


def test_a_vm_whose_deployment_failed_is_tried_on_another_host():
    engine = Engine()
    engine.pending, engine.hosts = {4: {}}, {2: {}, 3: {"vms": (1,)}}
    engine.coming = [(1.0, lambda: fail(engine, 4))]
    scheduler = loop(engine)
    scheduler.round()
    scheduler.cycle()
    assert [args[:2] for args in engine.called("trifid.vm.place")] == [[4, 2], [4, 3]]


def test_a_host_where_one_after_another_fails_is_left_out_for_all_and_told(caplog):
    caplog.set_level(logging.WARNING, "trifid.scheduler")
    engine = Engine()
    engine.pending = {4: {"uid": 1}, 5: {"uid": 1}, 6: {"uid": 2}}
    engine.hosts = {2: {}, 3: {"state": 4}}
    engine.coming = [(1.0, lambda: [fail(engine, vm_id) for vm_id in (4, 5, 6)])]
    scheduler = loop(engine)
    scheduler.round()
    engine.pending[7] = {}
    scheduler.cycle()
    assert placed(engine) == [4, 6, 5]  # users take turns
    assert "host 2  left out for 60 s: different VMs failed there in a row" in caplog.text
    told = {args[0]: args[1] for args in engine.called("one.vm.update")}
    assert "left out after failures: host 2 until 00:01:" in told[7]


def test_a_host_where_the_vms_of_one_user_fail_takes_those_of_others(caplog):
    caplog.set_level(logging.WARNING, "trifid.scheduler")
    engine = Engine()
    engine.pending = {4: {"uid": 1}, 5: {"uid": 1}, 6: {"uid": 1}}
    engine.hosts = {2: {}, 3: {"state": 4}}
    engine.coming = [(1.0, lambda: [fail(engine, vm_id) for vm_id in (4, 5, 6)])]
    scheduler = loop(engine)
    scheduler.round()
    engine.pending |= {7: {"uid": 2}, 8: {"uid": 1}}
    scheduler.cycle()
    assert placed(engine) == [4, 5, 6, 7]
    assert "host 2  left out for 60 s for VMs of user 1: different VMs failed there in a row" in caplog.text


def test_many_hosts_are_read_while_nothing_waits_and_few_are_not():
    for hosts, is_read in ((WARM_HOSTS_MIN, True), (WARM_HOSTS_MIN - 1, False)):
        engine = Engine()
        engine.hosts = {host_id: {} for host_id in range(hosts)}
        scheduler = loop(engine)
        scheduler.round()
        engine.calls.clear()
        scheduler.round()
        assert bool(engine.called("trifid.host.changes")) is is_read


def test_hosts_that_have_not_changed_are_not_told_again():
    engine = Engine()
    engine.pending, engine.hosts = {4: {"memory": "99999"}}, {2: {}, 3: {}}
    scheduler = loop(engine)
    scheduler.cycle()
    del engine.hosts[2]
    engine.hosts[5] = {"memory_mib": 1 << 20}
    scheduler.cycle()
    assert engine.called("trifid.vm.place") == [[4, 5, 0]]
    answer = engine.trifid_host_changes(engine.called("trifid.host.changes")[-1][0])
    assert answer.count("<HOST>") == 1


def test_a_change_of_a_cluster_is_seen_on_its_hosts():
    engine = Engine()
    engine.pending, engine.hosts = {4: {"SCHED_REQUIREMENTS": 'RACK = "r1"'}}, {2: {}}
    scheduler = loop(engine)
    scheduler.cycle()
    assert placed(engine) == []
    engine.clusters[0] = {"RACK": "r1"}
    scheduler.cycle()
    assert placed(engine) == [4]


GROUP = """<VM_GROUP_POOL><VM_GROUP><ID>1</ID><UID>0</UID><GID>0</GID><UNAME>a</UNAME><GNAME>a</GNAME><NAME>web</NAME>
<PERMISSIONS></PERMISSIONS><ROLES><ROLE><HOST_AFFINED>3</HOST_AFFINED><ID>0</ID><NAME>front</NAME><VMS>4</VMS></ROLE>
</ROLES><TEMPLATE></TEMPLATE></VM_GROUP></VM_GROUP_POOL>"""


def test_the_rules_of_a_vms_group_are_read_with_it():
    engine = Engine()
    engine.hosts = {2: {}, 3: {}}
    engine.pending = {4: {"group": (1, "front")}}
    engine.one_vmgrouppool_info = lambda *_: GROUP
    loop(engine).cycle()
    assert engine.called("trifid.vm.place") == [[4, 3, 0]]
    assert len(engine.called("one.vmgrouppool.info")) == 1
    engine.pending = {5: {}}
    loop(engine).cycle()
    assert len(engine.called("one.vmgrouppool.info")) == 1
