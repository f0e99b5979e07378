"""VM groups in plans: no plan breaks a rule, and what can be placed by the rules is."""

from hypothesis import given
from hypothesis import strategies as st

from tests.scheduler.builders import datastore_xml
from trifid.core.affinity import rules_of, why_not
from trifid.core.template.model import Template
from trifid.core.vm_group.record import Policy, Role, VmGroup
from trifid.placement.place import place
from trifid.placement.reading import datastores
from trifid.placement.view import Expression, GroupView, HostView, View, WaitingVm

ANYWHERE = Expression("", "modern", "SCHED_REQUIREMENTS")


def group(*roles, affined=(), apart=(), spread=()):
    pairs = [("AFFINED", text) for text in affined] + [("ANTI_AFFINED", text) for text in apart]
    pairs += [("SPREAD", dict(vector)) for vector in spread]
    return VmGroup(3, 0, 0, "shop", tuple(roles), len(roles), template=Template(tuple(pairs)))


def host(number, *vm_ids, cpu=1000, state=2, **attributes):
    told = {name: [value] for name, value in attributes.items()}
    return HostView(number, f"host-{number}", state, "kvm", cpu, 1 << 30, len(vm_ids), told, frozenset(vm_ids))


def member(number, role, host_id=-1):
    return WaitingVm(number, 100, 128, ANYWHERE, ANYWHERE, host_id=host_id, vm_group_id=3, role=role)


def plan(of, members, vms, hosts):
    members = members | {vm.id: vm.role for vm in vms}
    return place(View(tuple(vms), tuple(hosts), tuple(datastores(datastore_xml(0))), groups=(GroupView(of, members),)))


def places(result):
    return {vm_id: host_id for vm_id, host_id, _ in result.placements}


def test_vms_kept_apart_each_have_a_host_and_one_too_many_waits_and_is_told_why():
    of = group(Role(0, "web", Policy.ANTI_AFFINED))
    result = plan(of, {7: "web"}, [member(n, "web") for n in (10, 11, 12)], [host(0, 7), host(1), host(2)])
    assert places(result) == {10: 1, 11: 2}
    assert "role web is kept apart: VM 7 of it is on host-0" in result.refusals[12]


def test_vms_kept_together_follow_the_first_one_even_to_a_worse_host():
    of = group(Role(0, "web", Policy.AFFINED))
    result = plan(of, {}, [member(n, "web") for n in (10, 11, 12)], [host(0), host(1)])
    assert places(result) == {10: 0, 11: 0, 12: 0}


def test_roles_of_one_rule_are_together_and_those_of_another_apart():
    of = group(Role(0, "web"), Role(1, "cache"), Role(2, "db"), affined=["web, cache"], apart=["web, db"])
    vms = [member(10, "web"), member(11, "db"), member(12, "cache")]
    result = plan(of, {}, vms, [host(0), host(1)])
    assert places(result) == {10: 0, 11: 1, 12: 0}


def test_a_role_stays_on_its_hosts():
    of = group(Role(0, "web", host_affined=(2, 3)), Role(1, "db", host_anti_affined=(0,)))
    result = plan(of, {}, [member(10, "web"), member(11, "db")], [host(0), host(1), host(2), host(3)])
    assert places(result) == {10: 2, 11: 1}


def test_a_role_is_spread_evenly_before_its_rank_is_asked():
    of = group(Role(0, "web"), spread=[{"ROLE": "web", "OVER": "RACK"}])
    hosts = [host(0, 7, RACK="a"), host(1, 8, 9, RACK="b"), host(2, RACK="a")]
    result = plan(of, {7: "web"}, [member(n, "web") for n in (10, 11)], hosts)
    assert places(result) == {10: 1, 11: 2}


def test_an_uneven_spread_is_taken_where_nothing_else_has_room_unless_it_is_a_must():
    soft = group(Role(0, "web"), spread=[{"ROLE": "web", "OVER": "RACK"}])
    hard = group(Role(0, "web"), spread=[{"ROLE": "web", "OVER": "RACK", "MAX_SKEW": "1"}])
    hosts = [host(0, 7, RACK="a"), host(1, RACK="b", cpu=50)]
    assert places(plan(soft, {7: "web"}, [member(10, "web")], hosts)) == {10: 0}
    refused = plan(hard, {7: "web"}, [member(10, "web")], hosts)
    assert places(refused) == {}
    assert "MAX_SKEW" in refused.refusals[10]


def test_of_vms_kept_together_that_must_leave_one_moves_and_the_others_follow_it():
    of = group(Role(0, "web", Policy.AFFINED))
    first = plan(of, {}, [member(n, "web", host_id=0) for n in (10, 11)], [host(0, 10, 11), host(1), host(2)])
    assert places(first) == {10: 1}
    assert "wait until they have moved" in first.refusals[11]
    then = plan(of, {10: "web"}, [member(11, "web", host_id=0)], [host(0, 11), host(1, 10), host(2)])
    assert places(then) == {11: 1}


def test_a_vm_in_no_group_and_one_whose_group_is_unknown_go_where_others_do():
    lone = WaitingVm(1, 100, 128, ANYWHERE, ANYWHERE)
    view = View((lone, member(10, "web")), (host(0), host(1)), tuple(datastores(datastore_xml(0))))
    assert places(place(view)) == {1: 0, 10: 1}


roles = st.builds(
    lambda policy, only, never: (policy, only, tuple(one for one in never if one not in only)),
    st.sampled_from(list(Policy)),
    st.sampled_from([(), (), (0, 1, 2)]),
    st.sampled_from([(), (), (1,)]),
)


@given(
    st.lists(roles, min_size=3, max_size=3),
    st.sampled_from([(), ("r0, r1",)]),
    st.sampled_from([(), ("r0, r2",), ("r1, r2",)]),
    st.lists(st.integers(0, 2), max_size=12),
    st.lists(st.integers(0, 4), min_size=1, max_size=5),
)
def test_every_placement_of_a_plan_is_one_that_the_engine_takes(kinds, affined, apart, wanted, rooms):
    of = group(
        *(Role(n, f"r{n}", policy, only, never) for n, (policy, only, never) in enumerate(kinds)),
        affined=affined,
        apart=apart,
    )
    vms = [member(10 + n, f"r{role}") for n, role in enumerate(wanted)]
    hosts = [host(n, cpu=100 * room) for n, room in enumerate(rooms)]
    result = plan(of, {}, vms, hosts)
    role_of = {vm.id: vm.role for vm in vms}
    rules, now = rules_of(of), {}
    for vm_id, host_id, _ in result.placements:
        assert why_not(rules[role_of[vm_id]], now, vm_id, host_id) == ""
        now.setdefault(role_of[vm_id], {}).setdefault(host_id, set()).add(vm_id)
    full = {n: room - sum(at == n for at in places(result).values()) for n, room in enumerate(rooms)}
    for vm_id in result.refusals:  # and nobody waits for whom there is a place when the plan is done
        assert all(why_not(rules[role_of[vm_id]], now, vm_id, n) for n, left in full.items() if left > 0)
