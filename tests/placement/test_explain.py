"""What is told of hosts: every rule's verdict, the nearest host, and that it is what placement does."""

import random

import numpy as np
import pytest
from msgspec.structs import replace

from tests.placement.test_place import view
from tests.scheduler.builders import datastore_xml, history_xml
from trifid.core.pci import Device
from trifid.core.template.scanner import parse
from trifid.core.vm_group.define import defined
from trifid.core.vm_group.record import VmGroup
from trifid.placement.explain import explain
from trifid.placement.expressions import Compiler
from trifid.placement.filters import Filter
from trifid.placement.place import place
from trifid.placement.policies import POLICIES
from trifid.placement.reading import datastores
from trifid.placement.rules import builtin
from trifid.placement.view import Expression, GroupView, View

KVM = 'HYPERVISOR = "kvm"'


def told(vm, *machines, **changes):
    seen = view([vm], machines)
    return explain(replace(seen.vms[0], **changes), seen)


def verdict(rule, vm, machine, **changes):
    (host,) = told(vm, machine, **changes).hosts
    return next(one for one in host.verdicts if one.rule == rule)


def said(rule, vm, machine, **changes):
    found = verdict(rule, vm, machine, **changes)
    return found.holds, found.text, found.change


@pytest.mark.parametrize(
    ("state", "text", "change"),
    [
        (0, "not monitored yet", "once host0 is monitored"),
        (3, "in error (see onehost show)", "if host0 were not in error"),
        (4, "disabled (onehost enable)", "if host0 were enabled"),
        (8, "offline (onehost enable)", "if host0 were enabled"),
        (99, "not MONITORED", "if host0 were monitored"),
    ],
)
def test_a_host_that_takes_no_vms_is_told_with_its_state(state, text, change):
    assert said("state", {}, {"state": state}) == (False, text, change)


def test_a_monitored_host_keeps_the_rule_of_state():
    assert verdict("state", {}, {}).holds


def test_too_little_memory_is_told_with_both_numbers_and_what_less_would_do():
    assert said("memory", {"memory": 4096}, {"memory_mib": 3891}) == (
        False,
        "needs 4096 MiB, 3891 free",
        "with 205 MiB less memory",
    )
    assert said("memory", {"memory": 3891}, {"memory_mib": 3891}) == (True, "needs 3891 MiB, 3891 free", "")


def test_a_part_of_a_mebibyte_that_is_lacking_counts_as_one():
    seen = view([{"memory": 2}], [{"memory_mib": 2}])
    host = replace(seen.hosts[0], free_memory_kib=2047)
    (found,) = explain(seen.vms[0], replace(seen, hosts=(host,))).hosts
    assert "with 1 MiB less memory" in [one.change for one in found.verdicts]


def test_too_little_cpu_is_told_in_cores():
    assert said("cpu", {"cpu": "2"}, {"cpu": 150}) == (False, "needs 2 cores, 1.5 free", "with 0.5 cores less CPU")


def test_a_host_with_more_promised_than_it_has_needs_more_not_a_smaller_vm():
    holds, text, change = said("memory", {"memory": 100}, {"memory_mib": 1000, "memory_used_mib": 1050})
    assert (holds, text, change) == (
        False,
        "needs 100 MiB, 50 too many are promised",
        "with 150 MiB more of memory free there",
    )
    assert said("cpu", {"cpu": "1"}, {"cpu": 100, "cpu_used": 100})[2] == "with 1 core more of CPU free there"


def test_a_requirement_names_the_comparison_that_fails_with_the_hosts_value():
    text = f"{KVM} & FREE_CPU > 10"
    assert said("requirement", {"SCHED_REQUIREMENTS": text}, {"HYPERVISOR": "xen"}) == (
        False,
        f"{KVM}: the host has xen",
        f"if SCHED_REQUIREMENTS did not ask {KVM}",
    )
    assert verdict("requirement", {"SCHED_REQUIREMENTS": text}, {"HYPERVISOR": "kvm"}).holds


def test_an_attribute_that_a_host_lacks_is_told_as_lacking():
    assert said("requirement", {"SCHED_REQUIREMENTS": KVM}, {})[1] == f"{KVM}: the host has no HYPERVISOR"


def test_what_must_not_hold_is_told_so():
    assert said("requirement", {"SCHED_REQUIREMENTS": f"!({KVM})"}, {"HYPERVISOR": "kvm"}) == (
        False,
        f"{KVM} must not hold: the host has kvm",
        f"if SCHED_REQUIREMENTS did not exclude {KVM}",
    )


def test_a_requirement_of_the_vms_of_a_host_is_told_as_it_is_meant():
    holds, text, _ = said("requirement", {"SCHED_REQUIREMENTS": "CURRENT_VMS != 7"}, {"vms": (7, 8)})
    assert (holds, text) == (False, "CURRENT_VMS @> 7 must not hold: the host has 7, 8")
    assert verdict("requirement", {"SCHED_REQUIREMENTS": "CURRENT_VMS = 8"}, {"vms": (7, 8)}).holds


def test_a_wrong_requirement_is_told_for_every_host():
    holds, text, change = said("requirement", {"SCHED_REQUIREMENTS": "A = "}, {})
    assert not holds and text.startswith("SCHED_REQUIREMENTS is wrong: ")
    assert change == "if it were corrected"


def test_a_vm_without_a_requirement_is_told_nothing_about_one():
    (host,) = told({}, {}).hosts
    assert [one.rule for one in host.verdicts] == ["state", "cpu", "memory", "datastore"]


def test_a_cluster_without_the_vms_networks_is_told():
    vm = {"AUTOMATIC_REQUIREMENTS": "(CLUSTER_ID = 1 | CLUSTER_ID = 2)"}
    assert said("cluster", vm, {"cluster_id": 0})[:2] == (
        False,
        "is in cluster 0, the VM's networks and images are in 1, 2",
    )


MOVING = {"state": 3, "lcm_state": 3, "resched": 1, "history": history_xml(0)}


def test_a_vm_that_moves_leaves_its_host_and_keeps_its_driver():
    left, other = (one for one in sorted(told(MOVING, {}, {"vmm": "xen"}).hosts, key=lambda one: one.id))
    assert [one.text for one in left.verdicts if not one.holds] == ["the VM is on it"]
    assert [one.text for one in other.verdicts if not one.holds] == ["needs driver kvm, the host has xen"]


def test_a_host_that_the_owner_may_not_use_is_told_as_the_plan_goes_by_it():
    seen = view([{"uid": 7}], [{"memory_mib": 9000}, {}])
    seen = replace(seen, barred_host_ids={7: frozenset({0}), 8: frozenset({1})})
    found = explain(seen.vms[0], seen)
    assert found.chosen is not None and found.chosen[0] == 1
    told = {host.id: [one.text for one in host.verdicts if not one.holds] for host in found.hosts}
    why = "its owner may not use the host: it is in no virtual data centre of the owner's groups"
    assert told == {0: [why], 1: []}


def test_a_host_that_refused_lately_is_told():
    assert said("banned", {}, {}, banned_host_ids=frozenset({0}))[2] == "when it is tried again"


GPU = Device("10de", "1eb8", "0302")


def test_as_many_devices_as_possible_are_matched_before_one_is_told_as_missing():
    seen = view([{}], [{}])
    machine = replace(seen.hosts[0], devices=(GPU, Device("10de", "ffff", "0302")))
    for wanted, missing in (
        ((Device(vendor="10de"), Device(device="1eb8")), None),
        ((Device(device="1eb8"), Device(device="1eb8")), "no free device *:1eb8, 2 free"),
    ):
        vm = replace(seen.vms[0], devices=wanted)
        (host,) = explain(vm, replace(seen, hosts=(machine,))).hosts
        (found,) = [one for one in host.verdicts if one.rule == "devices"]
        assert found.holds if missing is None else (found.holds, found.text) == (False, missing)


DISK = ({"TYPE": "fs", "SIZE": "100"},)


def about_datastores(vm, machine, *texts):
    seen = view([vm], [machine])
    seen = View(seen.vms, seen.hosts, tuple(datastores(f"<P>{''.join(texts)}</P>")))
    (host,) = explain(seen.vms[0], seen).hosts
    (found,) = [one for one in host.verdicts if one.rule == "datastore"]
    return found.holds, found.text, found.change


def test_a_datastore_without_room_is_told_with_both_numbers():
    assert about_datastores({"disks": DISK}, {}, datastore_xml(4, total=500, free=40)) == (
        False,
        "ds4 [4]: needs 100 MiB, 40 free",
        "with 60 MiB more room in datastore ds4 [4]",
    )


def test_of_several_datastores_the_one_that_will_do_is_told():
    found = about_datastores(
        {"disks": DISK}, {}, datastore_xml(4, total=500, free=40), datastore_xml(5, total=500, free=100)
    )
    assert found == (True, "ds5 [5]: needs 100 MiB, 100 free", "")


def test_of_an_unshared_datastore_the_room_of_the_host_is_told():
    text = datastore_xml(4, tm="ssh", total=500, free=500)
    machine = {"max_disk": 100, "free_disk": 30}
    assert about_datastores({"disks": DISK}, machine, text)[1] == "ds4 [4]: needs 100 MiB, 30 free"
    asks = {"disks": DISK, "SCHED_DS_REQUIREMENTS": "FREE_MB > 50"}
    assert about_datastores(asks, machine, text)[1] == "ds4 [4] FREE_MB > 50: it has 30"


def test_why_each_datastore_does_not_fit_is_told():
    found = about_datastores({"disks": DISK}, {}, datastore_xml(4, state=1), datastore_xml(5, clusters=(7,)))
    assert found == (
        False,
        'ds4 [4] is DISABLED: "onedatastore enable 4"; ds5 [5] is not of the cluster of host host0',
        "if datastore ds4 [4] were enabled",
    )
    assert about_datastores({}, {})[1].startswith("there is no system datastore")


class Even(Filter):
    """A rule of one's own."""

    name = "even"

    def mask(self, vm, table):
        return np.array([host.id % 2 == 0 for host in table.hosts]) if vm.priority < 9 else None

    def why(self, vm, table, hosts):
        return f"{len(hosts)} has an odd number"


class Likes(Even):
    """The same, which prefers the host with the highest id."""

    def prefer(self, vm, table, left):
        return np.array([host.id == max(table.index) for host in table.hosts])


def test_a_filter_of_ones_own_is_told_in_its_own_words():
    seen = view([{}], [{}, {}])
    found = explain(seen.vms[0], seen, filters=[Even()])
    assert [one.text for one in found.hosts[1].verdicts if not one.holds] == ["has an odd number"]
    assert (found.chosen, found.fitting) == ((0, 0), 1)
    urgent = replace(seen.vms[0], priority=9.0)
    assert explain(urgent, seen, filters=[Even()]).fitting == 2


def test_the_host_that_a_filter_prefers_comes_first_as_it_is_taken_first():
    seen = view([{}], [{}, {}, {"vms": (7,)}])
    found = explain(seen.vms[0], seen, filters=[Likes()])
    assert [host.id for host in found.hosts] == [2, 0, 1]
    assert found.chosen == (2, 0)


def test_every_built_in_filter_is_told():
    seen = view([MOVING | {"AUTOMATIC_REQUIREMENTS": "(CLUSTER_ID = 0)", "SCHED_REQUIREMENTS": "A = 1"}], [{}])
    vm = replace(seen.vms[0], banned_host_ids=frozenset({4}), vm_group_id=7, role="a", devices=(GPU,))
    group = defined(VmGroup(7, 0, 0, "app"), parse('ROLE = [ NAME = "a" ]'))
    barred = {vm.uid: frozenset({4})}
    (host,) = explain(vm, replace(seen, groups=(GroupView(group),), barred_host_ids=barred)).hosts
    assert {one.name for one in builtin(Compiler())} <= {one.rule for one in host.verdicts}


# -- the whole ---------------------------------------------------------------------------------------


def test_the_nearest_host_comes_first_and_the_smallest_change_names_it():
    found = told(
        {"memory": 4096, "cpu": "4", "SCHED_REQUIREMENTS": KVM},
        {"memory_mib": 1000, "HYPERVISOR": "kvm"},
        {"memory_mib": 8000, "cpu": 100, "HYPERVISOR": "xen"},
        {"memory_mib": 3891, "HYPERVISOR": "kvm"},
        {"memory_mib": 3000, "HYPERVISOR": "kvm", "state": 4},
    )
    assert [host.id for host in found.hosts] == [2, 0, 3, 1]
    assert found.change == "with 205 MiB less memory it would fit on host2"
    assert (found.fitting, found.chosen) == (0, None)
    assert {one.rule: one.hosts for one in found.counts} == {"memory": 3, "state": 1, "cpu": 1, "requirement": 1}


def test_several_things_that_are_in_the_way_are_told_together():
    found = told({"memory": 4096}, {"memory_mib": 4000, "state": 4})
    assert found.change == "if host0 were enabled and with 96 MiB less memory it would fit on host0"


def test_a_host_that_nothing_would_make_fit_is_not_told_as_a_change():
    assert told(MOVING, {}).change == ""


def test_of_hosts_that_fit_the_best_ranked_comes_first_and_is_the_one_that_is_taken():
    found = told({"SCHED_RANK": "N * 2"}, {"N": 1}, {"N": 3}, {"N": 2, "state": 4}, {"N": 3})
    assert [(host.id, host.rank) for host in found.hosts] == [(1, 6), (3, 6), (0, 2), (2, None)]
    assert found.chosen == (1, 0)
    assert (found.rank, found.change) == (Expression("N * 2", "modern", "SCHED_RANK"), "")


def test_a_vm_without_a_rank_is_ranked_by_the_policy():
    found = told({}, {"vms": (5, 6)}, {})
    assert [(host.id, host.rank) for host in found.hosts] == [(1, 0), (0, -2)]
    assert found.rank.attribute == "striping"


def test_a_wrong_rank_ranks_all_hosts_0_and_is_told():
    found = told({"SCHED_RANK": "1 +"}, {}, {})
    assert [host.rank for host in found.hosts] == [0, 0]
    assert "SCHED_RANK" in found.warning


ATOMS = ('H = "a*"', "N > 2", "N = 1", 'H != "b"', "CURRENT_VMS = 5", "CURRENT_VMS != 5", "FREE_CPU > 150", "X = 0")


def _expression(chance):
    text = chance.choice(ATOMS)
    for _ in range(chance.randrange(4)):
        text = chance.choice((f"{text} & {chance.choice(ATOMS)}", f"{text} | {chance.choice(ATOMS)}", f"!({text})"))
    return text


@pytest.mark.parametrize("seed", range(150))
def test_what_is_told_is_what_placement_does(seed):
    """A host fits by the verdicts exactly when placement takes it, were it the only one; the best is the same."""
    chance = random.Random(seed)
    vm = {
        "cpu": chance.choice(("0.5", "1", "4")),
        "memory": chance.choice((512, 4096)),
        "SCHED_REQUIREMENTS": _expression(chance),
        "SCHED_RANK": chance.choice(("", "N", "- FREE_CPU", "RUNNING_VMS")),
        "SCHED_DS_REQUIREMENTS": chance.choice(("", "FREE_MB > 100", 'NAME = "ds5"')),
        "disks": DISK,
        "AUTOMATIC_REQUIREMENTS": chance.choice(("", "(CLUSTER_ID = 0)")),
    }
    if chance.random() < 0.3:
        vm |= MOVING
    machines = [
        {
            "state": chance.choice((2, 2, 2, 4)),
            "cpu": chance.choice((100, 400)),
            "memory_mib": chance.choice((2048, 8192)),
            "vms": chance.choice(((), (5,), (5, 6))),
            "vmm": chance.choice(("kvm", "kvm", "xen")),
            "cluster_id": chance.choice((0, 0, 1)),
            "max_disk": chance.choice((0, 500)),
            "free_disk": chance.choice((50, 400)),
            "H": chance.choice(("ab", "b")),
            "N": chance.randrange(4),
        }
        for _ in range(6)
    ]
    policy = chance.choice(tuple(POLICIES))
    seen = view([vm], machines)
    stores = datastore_xml(4, tm="ssh", total=9, free=9) + datastore_xml(5, total=500, free=chance.choice((40, 300)))
    seen = View(seen.vms, seen.hosts, tuple(datastores(f"<P>{stores}</P>")))
    found = explain(seen.vms[0], seen, policy)
    alone = {host.id: place(replace(seen, hosts=(host,)), policy).placements for host in seen.hosts}
    assert {host.id for host in found.hosts if host.fits} == {host_id for host_id, placed in alone.items() if placed}
    best = found.hosts[0].id if found.fitting else None
    assert (found.chosen[0] if found.chosen else None) == best
    assert bool(found.why) == (best is None)
