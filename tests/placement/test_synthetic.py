from trifid.core.template.rank import compile_rank
from trifid.core.template.requirements import compile_requirement
from trifid.placement.place import place
from trifid.placement.synthetic import synthetic


def test_the_same_seed_makes_the_same_cluster_and_another_seed_another():
    assert synthetic(7, 20, 30, 5) == synthetic(7, 20, 30, 5)
    assert synthetic(7, 20, 30, 5) != synthetic(8, 20, 30, 5)


def test_there_are_as_many_different_requirements_and_ranks_as_asked():
    for expressions in (1, 6, 60, 6000):
        view = synthetic(1, 30, max(60, expressions), expressions)
        assert len({vm.requirement for vm in view.vms}) == expressions
        asked = {vm.rank for vm in view.vms if vm.rank.text}
        assert len(asked) == expressions - (expressions + 2) // 3
    assert {vm.requirement.text for vm in synthetic(1, 30, 60, 0).vms} == {""}


def test_what_vms_ask_is_understood_and_met_by_hosts():
    view = synthetic(3, 60, 40, 40)
    for vm in view.vms:
        requirement = compile_requirement(vm.requirement.text)
        compile_rank(vm.rank.text)
        assert any(requirement.matches(lambda name, one=host: one.attributes.get(name, [])) for host in view.hosts)


def test_hosts_have_promised_what_their_vms_have():
    view = synthetic(5, 200, 0)
    for host in view.hosts:
        vms = [vm for vm in view.placed if vm.host_id == host.id]
        assert host.vm_ids == {vm.id for vm in vms}
        assert host.running_vms == len(vms)
        assert host.max_cpu_percent - host.free_cpu_percent == sum(vm.cpu_percent for vm in vms)
        assert host.max_memory_kib - host.free_memory_kib == sum(vm.memory_mib for vm in vms) * 1024
        assert host.free_cpu_percent >= 0
        assert host.free_memory_kib >= 0
    assert {host.state for host in view.hosts} == {2, 3}
    assert not {vm.id for vm in view.placed} & {vm.id for vm in view.vms}


def test_users_have_what_their_vms_have_and_several_wait():
    view = synthetic(5, 100, 300)
    for usage in view.usages:
        assert usage.cpu_percent == sum(vm.cpu_percent for vm in view.placed if vm.uid == usage.uid)
        assert usage.memory_mib == sum(vm.memory_mib for vm in view.placed if vm.uid == usage.uid)
    assert len({vm.uid for vm in view.vms}) > 5


def test_most_vms_of_a_made_up_cluster_can_be_placed():
    plan = place(synthetic(2, 50, 200, 20))
    assert len(plan.placements) > 190
