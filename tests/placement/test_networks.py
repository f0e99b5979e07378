"""Which networks the NICs of a VM get that take any, and what the VM is told when there is none."""

import itertools
import random

import pytest

from tests.scheduler.builders import datastore_xml, host_xml, network_xml, user_xml, vm_xml
from trifid.core.acl import RuleSet
from trifid.errors import BadTemplate
from trifid.placement.networks import Networks
from trifid.placement.place import place
from trifid.placement.reading import datastores, hosts, waiting_vms
from trifid.placement.reading_networks import networks, owners
from trifid.placement.view import View

ALICE = 10


def views(*nets, users=({"id": ALICE, "gids": (1, 100)},), ids=()):
    text = "".join(network_xml(number, **one) for number, one in enumerate(nets))
    people = owners(f"<P>{''.join(user_xml(one['id'], one['gids']) for one in users)}</P>", {ALICE, *ids}, RuleSet())
    return networks(f"<P>{text}</P>", people)


def vm(*nics, uid=ALICE):
    asked = [{"NIC_ID": number, "NETWORK_MODE": "auto", **nic} for number, nic in enumerate(nics)]
    (found,) = waiting_vms(f"<P>{vm_xml(nics=asked, uid=uid)}</P>")
    return found


def chosen(seen, *nics, clusters=(0,), **more):
    """Cluster id to the networks of the NICs, in the order of the NICs."""
    found = Networks(seen, **more).choices(vm(*nics), clusters)
    return {cluster_id: [network_id for _, network_id in choice] for cluster_id, choice in found.items()}


def why(seen, *nics, clusters=(0,), **more):
    return Networks(seen, **more).why_none(vm(*nics), clusters)


def test_only_nics_that_have_no_network_yet_wish_for_one():
    asked = [
        {"NIC_ID": "0", "NETWORK_MODE": "auto", "NETWORK_ID": "3"},
        {"NIC_ID": "1", "NETWORK_MODE": "AUTO", "SCHED_RANK": "A", "SCHED_REQUIREMENTS": "B = 1"},
        {"NIC_ID": "2", "BRIDGE": "br0"},
    ]
    (found,) = waiting_vms(f"<P>{vm_xml(nics=asked)}</P>")
    (wish,) = found.nics
    assert (wish.nic_id, wish.rank.text, wish.requirement.text) == (1, "A", "B = 1")


@pytest.mark.parametrize(("policy", "best"), [("striping", 2), ("packing", 1), ("fixed", 0), ("0 - ID", 0), ("ID", 2)])
def test_the_policy_ranks_networks_for_nics_that_do_not_say(policy, best):
    seen = views({"used": 5, "PRIORITY": 9}, {"used": 7, "PRIORITY": 3}, {"used": 2, "PRIORITY": 4})
    assert chosen(seen, {}, policy=policy) == {0: [best]}


def test_a_nic_says_how_networks_are_ranked_and_of_equally_good_ones_the_first_is_taken():
    seen = views({"SPEED": 1}, {"SPEED": 10}, {"SPEED": 10})
    assert chosen(seen, {"SCHED_RANK": "SPEED"}) == {0: [1]}


@pytest.mark.parametrize(
    ("requirement", "network_id"),
    [
        ('TRAFFIC = "pub*"', 1),
        ("ID = 2", 2),
        ("CLUSTERS/ID @> 7", 2),
        ("USED_LEASES > 3", 2),
        ("USED_LEASES @> 4", 2),
        ('USED_LEASES = "4"', 2),
        ("VLAN_ID = 5", 0),
    ],
)
def test_a_network_must_meet_what_its_nic_asks_of_fields_and_attributes(requirement, network_id):
    seen = views({"VLAN_ID": 5}, {"TRAFFIC": "public"}, {"used": 4, "clusters": (0, 7)})
    requirement = requirement.replace("CLUSTERS/ID", '"CLUSTERS/ID"')
    assert chosen(seen, {"SCHED_REQUIREMENTS": requirement}) == {0: [network_id]}


def test_networks_are_told_by_cluster_and_a_cluster_without_is_left_out():
    seen = views({"clusters": (0, 1)}, {"clusters": (1,), "PRIORITY": 1}, {"clusters": ()})
    assert chosen(seen, {}, clusters=(0, 1, 2), policy="fixed") == {0: [0], 1: [1]}


@pytest.mark.parametrize(
    ("net", "may"),
    [
        ({"uid": ALICE, "bits": 0o400}, True),
        ({"gid": 100, "bits": 0o040}, True),
        ({"gid": 101, "bits": 0o040}, False),
        ({"bits": 0o004}, True),
        ({"bits": 0o772}, False),
    ],
)
def test_a_network_is_for_those_who_may_use_it_by_all_their_groups(net, may):
    assert bool(chosen(views({"uid": 0, "gid": 0, "bits": 0o600, **net}), {})) is may


def test_administrators_may_use_every_network_and_an_owner_who_is_gone_none():
    seen = views({"uid": 5, "bits": 0o600}, users=({"id": ALICE, "gids": (0,)},))
    assert chosen(seen, {}) == {0: [0]}
    assert Networks(seen).choices(vm({}, uid=99), [0]) == {}


@pytest.mark.parametrize("state", [2, 4, 5])
def test_a_network_that_is_not_ready_is_passed_over(state):
    assert chosen(views({"state": state}), {}) == {}


def test_a_network_without_a_free_address_is_passed_over_and_vms_of_one_plan_see_what_others_took():
    plan = Networks(views({"size": 5, "used": 3}, {"size": 7, "used": 6}))
    got = []
    for _ in range(4):
        choice = plan.choice(vm({}), 0)
        got.append(choice and choice[0][1])
        plan.put(choice or ())
    assert got == [0, 0, 1, None]


def test_a_requirement_that_looks_at_addresses_in_use_sees_what_others_took():
    plan = Networks(views({"used": 3}))
    few = vm({"SCHED_REQUIREMENTS": "USED_LEASES < 4"})
    choice = plan.choice(few, 0)
    plan.put(choice)
    assert (choice, plan.choice(few, 0)) == (((0, 0),), None)


def test_what_is_free_is_what_the_engine_tells_where_ranges_do_not():
    assert chosen(views({"size": 9, "used": 1, "FREE_LEASES": 0}), {}) == {}
    assert chosen(views({"size": 9, "used": 9, "FREE_LEASES": 1}), {}) == {0: [0]}


def test_the_nics_of_one_vm_get_different_networks_unless_they_need_not():
    seen = views({"used": 1}, {"used": 2})
    assert chosen(seen, {}, {}) == {0: [0, 1]}
    assert chosen(seen, {}, {}, {}) == {}
    assert chosen(seen, {}, {}, {}, differ=False) == {0: [0, 0, 0]}
    assert chosen(views({"size": 2}, {"size": 1, "used": 0, "A": 1}), {}, {}, {}, differ=False) == {0: [0, 0, 1]}


def test_a_nic_makes_way_for_a_later_one_that_can_be_nowhere_else():
    seen = views({"used": 0}, {"used": 5})
    only = {"SCHED_REQUIREMENTS": "ID = 0"}
    assert chosen(seen, {}, only) == {0: [1, 0]}


def test_all_nics_get_a_network_exactly_when_that_is_possible():
    chance = random.Random(4)
    for _ in range(300):
        sizes = [chance.randint(0, 2) for _ in range(4)]
        wishes = [[n for n in range(4) if chance.random() < 0.5] for _ in range(chance.randint(1, 4))]
        differ = chance.random() < 0.5
        room = [min(size, 1) if differ else size for size in sizes]
        possible = any(all(way.count(n) <= room[n] for n in range(4)) for way in itertools.product(*wishes))
        asked = [{"SCHED_REQUIREMENTS": " | ".join(f"ID = {n}" for n in wish) or "ID = 9"} for wish in wishes]
        found = chosen(views(*({"size": size} for size in sizes)), *asked, differ=differ)
        assert bool(found) is possible
        for got in found.values():
            assert all(n in wish for n, wish in zip(got, wishes, strict=True))
            assert all(got.count(n) <= room[n] for n in range(4))


def test_a_plan_that_was_kept_up_to_date_is_that_of_one_that_begins_anew():
    chance = random.Random(7)
    nets = [{"size": chance.randint(1, 9), "used": 0, "P": chance.randint(0, 3)} for _ in range(6)]
    kept, ranks, taken = Networks(views(*nets)), ["P - USED_LEASES", "USED_LEASES * P", ""], [0] * 6
    for _ in range(30):
        asked = vm({"SCHED_RANK": chance.choice(ranks)})
        fresh = views(*({**net, "used": used} for net, used in zip(nets, taken, strict=True)))
        choice = kept.choice(asked, 0)
        assert choice == Networks(fresh).choice(asked, 0)
        if choice is not None:
            kept.put(choice)
            taken[choice[0][1]] += 1


@pytest.mark.parametrize("name", ["SCHED_REQUIREMENTS", "SCHED_RANK"])
def test_a_wrong_expression_is_named_with_its_nic(name):
    with pytest.raises(BadTemplate, match=rf"^Error in {name} of NIC 0: 'A = = 1', error: "):
        chosen(views({}), {name: "A = = 1"})


def test_a_vm_without_network_is_told_what_is_in_the_way_of_each():
    seen = views({"uid": 0, "bits": 0o600}, {"size": 0}, {"state": 5}, {"clusters": (3,)}, {"A": 2}, {"A": 2})
    assert why(seen, {}, {"SCHED_REQUIREMENTS": "A = 1"}) == (
        "No virtual network meets SCHED_NIC_REQUIREMENTS for NIC 1, of 6 networks: 1 not for its owner to use, "
        "1 not READY, 1 in no cluster where the VM can be (0), 3 not matching the expression A = 1"
    )
    assert why(views({"size": 0}), {}).endswith("for NIC 0, of 1 network: 1 without a free address")
    assert why([], {}).endswith('for NIC 0, of 0 networks: add one with "onevnet create"')


def test_a_vm_whose_nics_would_do_one_by_one_is_told_that_they_do_not_together():
    only = {"SCHED_REQUIREMENTS": "ID = 0"}
    assert why(views({}), only, only) == (
        "No virtual network meets SCHED_NIC_REQUIREMENTS for NIC 1 beside those of its other NICs: "
        "they must be different ones, in one cluster"
    )


# -- within a plan -----------------------------------------------------------------------------------


def plan(vms, nets, machines):
    seen = View(
        tuple(waiting_vms(f"<P>{''.join(vm_xml(number, uid=ALICE, **one) for number, one in enumerate(vms))}</P>")),
        tuple(hosts(f"<P>{''.join(host_xml(number, **one) for number, one in enumerate(machines))}</P>")),
        tuple(datastores(f"<P>{datastore_xml(0, clusters=range(4))}</P>")),
        networks=tuple(views(*nets)),
    )
    return place(seen)


WAITING = {"nics": [{"NIC_ID": 0, "NETWORK_MODE": "auto"}]}


def test_a_vm_goes_where_its_networks_are_even_to_a_worse_host():
    machines = [{}, {"cluster_id": 1, "vms": (8, 9)}]
    result = plan([WAITING, {}], [{"clusters": (1,)}], machines)
    assert result.placements == [(0, 1, 0), (1, 0, 0)]
    assert result.networks == {0: ((0, 0),)}


def test_a_vm_that_finds_no_host_takes_no_address():
    result = plan([{**WAITING, "memory": "99999"}, WAITING], [{"size": 1}], [{}])
    assert result.networks == {1: ((0, 0),)}
    assert result.refusals[0].startswith("No host meets SCHED_REQUIREMENTS: 1 host, 1 lacks memory")


def test_vms_that_want_too_much_of_one_network_are_told_which_nic_waits():
    result = plan([WAITING] * 3, [{"size": 2}], [{}])
    assert len(result.placements) == 2
    assert result.refusals[2].endswith("for NIC 0, of 1 network: 1 without a free address")


def test_a_vm_that_cannot_be_where_any_host_is_is_told_of_the_hosts():
    alone = {**WAITING, "AUTOMATIC_REQUIREMENTS": "(CLUSTER_ID = 3)"}
    assert "not in a cluster with its networks and images (3)" in plan([alone], [{}], [{}]).refusals[0]
    assert "there is no host" in plan([WAITING], [{}], []).refusals[0]
