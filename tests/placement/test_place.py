import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scheduler.builders import datastore_xml, host_xml, vm_xml
from trifid.placement.place import Placing, place
from trifid.placement.policies import POLICIES
from trifid.placement.reading import datastores, hosts, waiting_vms
from trifid.placement.view import View


def view(vms, machines):
    """A view of VMs and hosts, each given as keyword arguments; ids count from 0 unless given.

    There is one system datastore, with room for everything.
    """
    vm_texts = [vm_xml(vm.pop("id", i), **vm) for i, vm in enumerate(map(dict, vms))]
    host_texts = [host_xml(host.pop("id", i), **host) for i, host in enumerate(map(dict, machines))]
    return View(
        tuple(waiting_vms(f"<P>{''.join(vm_texts)}</P>")),
        tuple(hosts(f"<P>{''.join(host_texts)}</P>")),
        tuple(datastores(datastore_xml(0))),
    )


def plan(vms, machines, policy="striping"):
    return place(view(vms, machines), policy)


def places(result):
    """VM id to host id."""
    return {vm_id: host_id for vm_id, host_id, _ in result.placements}


def placed(vms, machines, policy="striping"):
    return places(plan(vms, machines, policy))


def reason(vm, *machines):
    return plan([vm], machines).refusals[0]


def test_a_vm_goes_to_the_host_with_the_fewest_vms():
    assert placed([{}], [{"vms": (7, 8)}, {"vms": (9,)}]) == {0: 1}


def test_equally_good_hosts_are_taken_in_the_order_of_their_ids():
    assert placed([{}], [{"id": 5}, {"id": 2}, {"id": 9}]) == {0: 2}


def test_vms_placed_in_one_plan_are_spread():
    assert placed([{}] * 4, [{}, {}]) == {0: 0, 1: 1, 2: 0, 3: 1}


def test_packing_fills_a_host_before_the_next():
    assert placed([{"cpu": "2"}] * 3, [{}, {"vms": (9,)}], "packing") == {0: 1, 1: 1, 2: 0}


def test_load_aware_takes_the_host_with_most_free_cpu_and_counts_its_own_placements():
    assert placed([{"cpu": "1"}] * 3, [{"cpu": 200}, {"cpu": 400}], "load-aware") == {0: 1, 1: 1, 2: 0}


def test_fixed_takes_the_host_with_the_highest_priority():
    assert placed([{}], [{"PRIORITY": "1"}, {"PRIORITY": "9"}, {}], "fixed") == {0: 1}


def test_different_wishes_see_each_others_placements():
    vms = [{"memory": str(100 + i % 2)} for i in range(6)]
    assert placed(vms, [{}, {}], "packing") == {0: 0, 1: 0, 2: 0, 3: 0, 4: 1, 5: 1}
    assert placed(vms, [{}, {}]) == {0: 0, 1: 1, 2: 0, 3: 1, 4: 0, 5: 1}


def test_a_rank_of_the_vm_comes_before_the_policy():
    machines = [{"SPEED": "1"}, {"SPEED": "5", "vms": (8, 9)}]
    assert placed([{"SCHED_RANK": "SPEED"}], machines) == {0: 1}
    assert placed([{"RANK": "- speed"}], machines) == {0: 0}


def test_a_requirement_of_today_and_one_of_2009():
    machines = [{"HYPERVISOR": "xen"}, {"HYPERVISOR": "kvm"}]
    assert placed([{"SCHED_REQUIREMENTS": 'HYPERVISOR = "k*"'}], machines) == {0: 1}
    assert placed([{"REQUIREMENTS": 'hostname = "host1"'}], machines) == {0: 1}


@pytest.mark.parametrize("state", [0, 3, 4, 8])
def test_only_monitored_hosts_take_vms(state):
    assert placed([{}], [{"state": state}, {"vms": (1, 2)}]) == {0: 1}


def test_what_is_placed_has_less_room_for_the_next():
    result = plan([{"cpu": "3"}] * 3, [{}, {}])
    assert places(result) == {0: 0, 1: 1}
    assert set(result.refusals) == {2}


def test_a_small_vm_fits_behind_one_that_does_not():
    assert placed([{"memory": "9999"}, {"memory": "1"}], [{}]) == {1: 0}


def test_higher_priority_is_served_first_then_the_older_vm():
    vms = [{"cpu": "4"}, {"cpu": "4", "USER_PRIORITY": "5"}]
    assert placed(vms, [{}]) == {1: 0}
    assert placed([{"id": 9, "cpu": "4"}, {"id": 4, "cpu": "4"}], [{}]) == {4: 0}


def test_a_vm_that_moves_leaves_its_host_and_keeps_its_driver():
    moving = {
        "state": 3,
        "lcm_state": 3,
        "resched": 1,
        "history": "<HISTORY><HID>0</HID><VM_MAD>kvm</VM_MAD></HISTORY>",
    }
    assert placed([moving], [{}, {"vmm": "xen"}, {"vms": (3, 4)}]) == {0: 2}
    assert reason(moving, {}, {"vmm": "xen"}) == (
        "No host meets SCHED_REQUIREMENTS: 2 hosts, 1 has another driver than kvm, 1 is the host it is on"
    )


def test_affinity_to_other_vms_sees_the_plan_itself():
    vms = [{}, {"SCHED_REQUIREMENTS": "CURRENT_VMS = 0"}, {"SCHED_REQUIREMENTS": "CURRENT_VMS != 0"}]
    assert placed(vms, [{}, {}, {}], "packing") == {0: 0, 1: 0, 2: 1}
    assert placed([{"id": 5, "SCHED_REQUIREMENTS": "CURRENT_VMS != 12"}], [{"vms": (3, 12)}, {"vms": (1, 2, 3)}]) == {
        5: 1
    }


def test_a_requirement_on_running_vms_limits_what_the_plan_puts_there():
    result = plan([{"cpu": "0.1", "SCHED_REQUIREMENTS": "RUNNING_VMS < 2"}] * 3, [{}])
    assert (len(result.placements), set(result.refusals)) == (2, {2})


def test_the_reason_counts_every_host_once():
    assert reason({"memory": "2048"}, {"memory_mib": 512}, {"memory_mib": 256}, {"state": 3}) == (
        "No host meets SCHED_REQUIREMENTS: 3 hosts, "
        "2 lack memory (needs 2048 MiB, best has 512 free), 1 is in error (see onehost show)"
    )
    assert reason({"cpu": "8", "REQUIREMENTS": "NAME = host1"}, {}, {"cpu": 150}) == (
        "No host meets REQUIREMENTS: 2 hosts, 1 lacks CPU (needs 8 cores, best has 1.5 free), "
        "1 does not match the expression NAME = host1"
    )


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ((4, 4), "2 hosts, 2 are disabled (onehost enable)"),
        ((8,), "1 host, 1 is offline (onehost enable)"),
        ((3, 0), "2 hosts, 1 is in error (see onehost show), 1 is not monitored yet"),
        ((5,), "1 host, 1 is not MONITORED"),
        ((4, 3, 4), "3 hosts, 2 are disabled (onehost enable), 1 is in error (see onehost show)"),
    ],
)
def test_the_reason_tells_why_hosts_take_no_vms_and_what_to_do(states, said):
    assert reason({}, *({"state": state} for state in states)) == f"No host meets SCHED_REQUIREMENTS: {said}"


def test_a_long_expression_is_shortened_in_the_reason():
    told = reason({"SCHED_REQUIREMENTS": " & ".join(f'NAME != "host{number}"' for number in range(50))}, {})
    assert told.startswith(
        'No host meets SCHED_REQUIREMENTS: 1 host, 1 does not match the expression NAME != "host0" & '
    )
    assert told.endswith("…")
    assert len(told) < 160


def test_without_hosts_the_reason_says_what_to_do():
    assert 'add one with "onehost create"' in reason({})


def test_a_wrong_requirement_keeps_only_its_own_vm_waiting():
    result = plan([{"SCHED_REQUIREMENTS": "A >"}, {}], [{}])
    assert places(result) == {1: 0}
    assert result.refusals[0].startswith("Error in SCHED_REQUIREMENTS: 'A >', error: ")


def test_a_wrong_rank_places_the_vm_and_warns():
    result = plan([{"SCHED_RANK": "A +"}], [{"vms": (1, 2)}, {"vms": (1, 2, 3)}])
    assert places(result) == {0: 0}
    assert result.warnings[0].startswith("Error in SCHED_RANK: 'A +', error: ")


def naive(seen, policy):
    """The same plan the slow way: every host anew for every VM; requirements are left out."""
    sign = {"packing": -1, "striping": 1}[policy]
    free = {
        host.id: [host.free_cpu_percent, host.free_memory_kib, host.running_vms]
        for host in seen.hosts
        if host.state == 2
    }
    out = []
    for vm in sorted(seen.vms, key=lambda one: one.id):
        fits = [h for h, (cpu, memory, _) in free.items() if vm.cpu_percent <= cpu and vm.memory_mib * 1024 <= memory]
        if fits:
            best = min(fits, key=lambda h: (sign * free[h][2], h))
            free[best][0] -= vm.cpu_percent
            free[best][1] -= vm.memory_mib * 1024
            free[best][2] += 1
            out.append((vm.id, best))
    return out


@given(
    vms=st.lists(st.tuples(st.sampled_from(["0.5", "1", "2"]), st.sampled_from(["100", "900", "2000"])), max_size=25),
    machines=st.lists(st.tuples(st.integers(0, 6), st.sampled_from([2, 2, 2, 3])), max_size=6),
    policy=st.sampled_from(["packing", "striping"]),
)
def test_queues_give_the_same_plan_as_looking_at_every_host_anew(vms, machines, policy):
    seen = view(
        [{"cpu": cpu, "memory": memory} for cpu, memory in vms],
        [{"vms": tuple(range(100, 100 + n)), "state": state} for n, state in machines],
    )
    result = place(seen, policy)
    assert [(vm, host) for vm, host, _ in result.placements] == naive(seen, policy)
    assert {vm for vm, *_ in result.placements} | set(result.refusals) == {vm.id for vm in seen.vms}


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_a_thousand_different_vms_on_a_hundred_hosts_take_less_than_a_second(policy):
    vms = [{"cpu": "0.1", "memory": str(10 + i % 200), "SCHED_REQUIREMENTS": f"ID > {i % 50}"} for i in range(1000)]
    seen = view(vms, [{"cpu": 1200, "memory_mib": 64000}] * 100)
    began = time.process_time()
    result = place(seen, policy)
    assert time.process_time() - began < 1.0
    assert len(result.placements) == 1000


@pytest.mark.parametrize("policy", ["striping", "load-aware", "fixed"])
def test_ten_thousand_vms_on_two_thousand_five_hundred_hosts_take_about_a_second(policy):
    vms = [{"cpu": "0.5", "memory": str(100 + i % 1000), "SCHED_REQUIREMENTS": f"ID > {i % 5}"} for i in range(10_000)]
    seen = view(vms, [{"cpu": 3200, "memory_mib": 128_000}] * 2500)
    began = time.process_time()
    result = place(seen, policy)
    assert time.process_time() - began < 2.0
    assert len(result.placements) == 10_000


def test_vms_of_different_sizes_share_the_hosts_that_are_left():
    vms = [{"cpu": "3"}, {"cpu": "2"}, {"cpu": "1"}, {"cpu": "2"}, {"cpu": "3"}]
    result = plan(vms, [{}, {}, {"vms": (7, 8)}])
    assert places(result) == {0: 0, 1: 1, 2: 0, 3: 1, 4: 2}


@pytest.mark.parametrize("priority", ["nan", "inf", "much"])
def test_a_priority_that_is_no_number_counts_as_none(priority):
    assert placed([{"cpu": "4", "USER_PRIORITY": priority}, {"cpu": "4", "USER_PRIORITY": "1"}], [{}]) == {1: 0}


@pytest.mark.parametrize("text", ["CURRENT_VMS = {}", "CURRENT_VMS @> {}", 'CURRENT_VMS = "{}"', "!(CURRENT_VMS = {})"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_a_number_of_thousands_of_digits_stops_no_plan(text, sign):
    endless = {"SCHED_REQUIREMENTS": text.format(sign + "9" * 5000)}
    result = plan([endless, {}], [{"vms": (7,)}])
    assert 1 in places(result)
    assert (0 in places(result)) is text.startswith("!")


def test_a_bug_over_one_vm_lets_that_one_wait_and_is_told(monkeypatch):
    def breaks(placing, vm):
        if vm.id == 1:
            raise ZeroDivisionError("a bug")
        return {}

    monkeypatch.setattr(Placing, "network_choices", breaks)
    result = plan([{}, {}, {}], [{}, {}])
    assert set(places(result)) == {0, 2}
    assert result.refusals[1] == "Planning broke off over this VM, see the scheduler's log: ZeroDivisionError"
    assert "ZeroDivisionError: a bug" in result.warnings[1]


def test_a_bug_in_a_reason_is_told_in_its_place(monkeypatch):
    monkeypatch.setattr(Placing, "cause", lambda placing, asked: 1 // 0)
    assert reason({"memory": "99999"}, {}).endswith("log: ZeroDivisionError")
