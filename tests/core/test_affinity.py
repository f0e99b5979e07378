"""Where a VM may be because of the others of its group: in words, as sets, and against the rules taken pair by pair."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.vm_group.builders import GROUPS, HOSTS, NAMES, broken, group, roles
from trifid.core.affinity import limits, rules_of, spread_counts, value_over, why_not
from trifid.core.cluster import Cluster
from trifid.core.host import Host, HostState
from trifid.core.template.model import template

NAMED = {1: "node1", 2: "node2", 3: "node3"}.__getitem__
ME = 99


def why(text, role, places, host_id, vm_id=ME, **more):
    return why_not(rules_of(group(text))[role], places, vm_id, host_id, called=NAMED, **more)


def allowed(text, role, places, vm_id=ME, **more):
    found = limits(rules_of(group(text))[role], places, vm_id, **more)
    return {host_id for host_id in HOSTS if found.allow(host_id)}


# -- one role --------------------------------------------------------------------------------------------


def test_vms_that_are_kept_apart_are_on_different_hosts():
    places = {"web": {1: {12, 13}}}
    text = roles(web="ANTI_AFFINED")
    assert why(text, "web", places, 1) == "role web is kept apart: VM 12 of it is on node1"
    assert why(text, "web", places, 2) == ""
    assert allowed(text, "web", places) == {2, 3}


def test_of_vms_that_are_kept_together_the_first_one_decides():
    text = roles(db="AFFINED")
    assert allowed(text, "db", {}) == {1, 2, 3}
    assert allowed(text, "db", {"db": {2: {5}}}) == {2}
    assert why(text, "db", {"db": {2: {5}}}, 1) == "role db is kept together: VM 5 is on node2"


def test_a_vm_does_not_hinder_itself():
    assert allowed(roles(web="ANTI_AFFINED"), "web", {"web": {1: {ME}}}) == {1, 2, 3}
    assert allowed(roles(db="AFFINED"), "db", {"db": {1: {ME}}}) == {1, 2, 3}
    assert why(roles(web="ANTI_AFFINED"), "web", {"web": {1: {ME}}}, 1) == ""


def test_a_vm_that_moves_keeps_both_hosts():
    places = {"db": {1: {5}, 2: {5}}}
    assert allowed(roles(db="ANTI_AFFINED"), "db", places) == {3}
    assert allowed(roles(db="AFFINED"), "db", places) == set()
    told = "role db is kept together, and is not on one host now (VM 5 on node1 and VM 5 on node2): wait until they"
    assert why(roles(db="AFFINED"), "db", places, 1).startswith(told)


def test_vms_that_leave_hold_nobody_where_they_are_unless_they_are_kept_apart():
    places = {"db": {1: {5, 6}, 2: {7}}}
    assert allowed(roles(db="AFFINED"), "db", places, leaving={5, 6}) == {2}
    assert allowed(roles(db="AFFINED"), "db", places, leaving={5}) == set()
    assert allowed(roles(db="ANTI_AFFINED"), "db", places, leaving={5, 6, 7}) == {3}


def test_hosts_of_a_role():
    text = 'ROLE = [ NAME = web, HOST_AFFINED = "1,2" ]\nROLE = [ NAME = db, HOST_ANTI_AFFINED = "3" ]'
    assert why(text, "web", {}, 3) == "role web may only be on node1, node2 by HOST_AFFINED"
    assert why(text, "db", {}, 3) == "role db is kept off node3 by HOST_ANTI_AFFINED"
    assert (allowed(text, "web", {}), allowed(text, "db", {})) == ({1, 2}, {1, 2})


# -- several roles ---------------------------------------------------------------------------------------


def test_roles_that_are_kept_together():
    text = f'{roles(db="", apps="", web="")}\nAFFINED = "db, apps"'
    assert why(text, "db", {"apps": {1: {3}}}, 2) == "role db is kept together with apps: VM 3 is on node1"
    assert allowed(text, "db", {"db": {3: {4}}}) == {3}
    assert allowed(text, "web", {"db": {3: {4}}}) == {1, 2, 3}


def test_rules_that_share_a_role_are_one():
    text = f'{roles(a="", b="", c="")}\nAFFINED = "a,b"\nAFFINED = "b,c"'
    assert allowed(text, "a", {"c": {2: {4}}}) == {2}


def test_roles_that_are_kept_apart_share_no_host_and_each_with_itself_may():
    text = f'{roles(web="", db="", log="")}\nANTI_AFFINED = "web,db,log"'
    assert why(text, "web", {"db": {1: {3}}}, 1) == "role web is kept apart from role db: VM 3 of that is on node1"
    assert allowed(text, "web", {"web": {1: {5}}, "db": {2: {3}}}) == {1, 3}


def test_what_is_kept_together_is_kept_apart_together():
    """Else `a` could go to the host of `c`, and `b` nowhere: it must be with `a` and must not be with `c`."""
    text = f'{roles(a="", b="", c="")}\nAFFINED = "a,b"\nANTI_AFFINED = "b,c"'
    assert allowed(text, "a", {"c": {2: {4}}}) == {1, 3}
    assert allowed(text, "c", {"a": {1: {4}}}) == {2, 3}


def test_what_is_kept_together_needs_a_host_for_all():
    text = (
        'ROLE = [ NAME = a, HOST_AFFINED = "1,2" ]\nROLE = [ NAME = b, HOST_AFFINED = "2,3" ]\n'
        'ROLE = [ NAME = c, HOST_ANTI_AFFINED = 3 ]\nAFFINED = "a,b"\nAFFINED = "b,c"'
    )
    assert allowed(text, "c", {}) == {2}
    assert "its own or that of a, b, which it is kept together with" in why(text, "c", {}, 1)


# -- spread ----------------------------------------------------------------------------------------------

RACKS = {1: "r1", 2: "r1", 3: "r2"}
EVEN = f"{roles(web='')}\nSPREAD = [ ROLE = web, OVER = rack, MAX_SKEW = 1 ]"


def test_a_role_is_spread_evenly():
    places = {"web": {1: {4}, 2: {5}, 3: {6}}}
    rules = rules_of(group(EVEN))["web"]
    assert spread_counts(rules, places, ME, RACKS) == {"r1": 2, "r2": 1}
    assert spread_counts(rules, places, 4, RACKS) == {"r1": 1, "r2": 1}
    assert allowed(EVEN, "web", places, values=RACKS) == {3}
    assert why(EVEN, "web", places, 2, values=RACKS) == (
        "role web is spread over RACK: r1 would have 3 of its VMs, r2 has 1, and they may differ by 1 (MAX_SKEW)"
    )


def test_a_vm_that_moves_within_a_value_counts_once():
    assert spread_counts(rules_of(group(EVEN))["web"], {"web": {1: {4}, 2: {4}}}, ME, RACKS) == {"r1": 1, "r2": 0}


def test_a_host_that_has_no_value_takes_none_of_a_role_that_is_spread_evenly():
    assert allowed(EVEN, "web", {}, values={**RACKS, 3: ""}) == {1, 2}
    assert why(EVEN, "web", {}, 3, values={**RACKS, 3: ""}) == "role web is spread over RACK, and node3 has none"


def test_values_of_hosts_that_are_not_for_the_role_do_not_count():
    text = "ROLE = [ NAME = web, HOST_ANTI_AFFINED = 3 ]\nSPREAD = [ ROLE = web, OVER = RACK, MAX_SKEW = 1 ]"
    assert allowed(text, "web", {"web": {1: {4}, 2: {5}}}, values=RACKS) == {1, 2}


def test_a_spread_without_a_skew_forbids_nothing():
    text = f"{roles(web='')}\nSPREAD = [ ROLE = web, OVER = RACK ]"
    assert allowed(text, "web", {"web": {1: {4}, 2: {5}}}, values=RACKS) == {1, 2, 3}
    assert why(text, "web", {"web": {1: {4}, 2: {5}}}, 1, values=RACKS) == ""


@pytest.mark.parametrize(
    ("over", "own", "of_cluster", "value"),
    [
        ("CLUSTER", {}, {}, "east"),
        ("HOST", {}, {}, "node1"),
        ("RACK", {"RACK": "r1"}, {"RACK": "r9"}, "r1"),
        ("RACK", {}, {"RACK": "r9"}, "r9"),
        ("RACK", {}, {}, ""),
    ],
)
def test_what_a_host_has_of_that_over_which_a_role_is_spread(over, own, of_cluster, value):
    host = Host(1, "node1", HostState.MONITORED, "dummy", "dummy", cluster_id=100, template=template(own))
    assert value_over(over, host, Cluster(100, "east", template(of_cluster))) == value
    assert value_over(over, host, None) == ("100" if over == "CLUSTER" else "" if over == "RACK" and not own else value)


# -- any group -------------------------------------------------------------------------------------------

PLACES = st.dictionaries(
    st.sampled_from(NAMES), st.dictionaries(st.sampled_from(HOSTS), st.sets(st.integers(0, 3), min_size=1)), max_size=3
)


@given(
    made=GROUPS, places=PLACES, role=st.sampled_from(NAMES), vm_id=st.integers(0, 3), leaving=st.sets(st.integers(0, 3))
)
def test_the_words_and_the_sets_say_the_same(made, places, role, vm_id, leaving):
    rules = rules_of(made)[role]
    found = limits(rules, places, vm_id, leaving=leaving)
    assert {host_id for host_id in HOSTS if found.allow(host_id)} == {
        host_id for host_id in HOSTS if not why_not(rules, places, vm_id, host_id, leaving=leaving)
    }


@given(
    counts=st.tuples(*[st.integers(0, 3)] * 3),
    values=st.tuples(*[st.sampled_from(["", "r1", "r2"])] * 3),
    skew=st.integers(1, 2),
)
def test_of_a_role_that_is_spread_the_words_and_the_sets_say_the_same(counts, values, skew):
    rules = rules_of(group(f"{roles(web='')}\nSPREAD = [ ROLE = web, OVER = RACK, MAX_SKEW = {skew} ]"))["web"]
    of_hosts = dict(zip(HOSTS, values, strict=True))
    places = {"web": {h: {10 * h + n for n in range(count)} for h, count in zip(HOSTS, counts, strict=True) if count}}
    found = limits(rules, places, ME, values=of_hosts)
    for host_id in HOSTS:
        assert found.allow(host_id) == (not why_not(rules, places, ME, host_id, values=of_hosts))


@given(made=GROUPS, wishes=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(HOSTS)), max_size=12))
def test_vms_put_only_where_they_may_be_break_no_rule(made, wishes):
    rules, where = rules_of(made), {}
    for vm_id, (role, host_id) in enumerate(wishes):
        places = {}
        for other, (name, hosts) in where.items():
            for one in hosts:
                places.setdefault(name, {}).setdefault(one, set()).add(other)
        if not why_not(rules[role], places, vm_id, host_id):
            where[vm_id] = (role, frozenset((host_id,)))
    assert broken(made, where) == []


@given(made=GROUPS, first=st.sampled_from(NAMES), host_id=st.sampled_from(HOSTS))
def test_whoever_comes_first_leaves_a_host_to_those_who_must_be_with_it(made, first, host_id):
    rules = rules_of(made)
    if not why_not(rules[first], {}, 0, host_id):
        for other in rules[first].together - {first}:
            assert why_not(rules[other], {first: {host_id: {0}}}, 1, host_id) == ""
