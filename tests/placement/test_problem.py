import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trifid.core.pci import Device
from trifid.core.vm.files import Files
from trifid.core.vm_group.record import VmGroup
from trifid.placement import recorded
from trifid.placement.candidates import candidates
from trifid.placement.place import place
from trifid.placement.plan import Plan
from trifid.placement.problem import BadProblem, answer_of, plan_of, read_answer, read_problem, write_problem
from trifid.placement.recorded import Decision, pack, unpack
from trifid.placement.settings import Settings
from trifid.placement.synthetic import synthetic
from trifid.placement.view import Expression, GroupView, HostView, Lease, NicWish, View, WaitingVm

TEXTS = st.text(max_size=8)
IDS = st.integers(0, 10_000)
NOTHING = Expression("", "modern", "SCHED_REQUIREMENTS")


def asks(text: str) -> Expression:
    return Expression(text, "modern", "SCHED_REQUIREMENTS")


def unique(things):
    return st.lists(things, max_size=3, unique_by=lambda one: one.id).map(tuple)


SETS = st.frozensets(IDS, max_size=3)
EXPRESSIONS = st.builds(Expression, TEXTS, st.sampled_from(["modern", "classic"]), st.just("RANK"))
DEVICES = st.lists(st.builds(Device, TEXTS, TEXTS), max_size=2).map(tuple)
FILES = st.builds(Files, IDS, IDS, IDS, SETS, st.frozensets(TEXTS, max_size=2))
WAITING = st.builds(
    WaitingVm,
    *(IDS, IDS, IDS, EXPRESSIONS, EXPRESSIONS, TEXTS, st.floats(allow_nan=False, allow_infinity=False)),
    cluster_ids=st.none() | SETS,
    files=FILES,
    name=TEXTS,
    lease=st.none() | st.builds(Lease, TEXTS, TEXTS, TEXTS),
    nics=st.lists(st.builds(NicWish, IDS, EXPRESSIONS, EXPRESSIONS), max_size=2).map(tuple),
    devices=DEVICES,
    banned_host_ids=SETS,
)
HOSTS = st.builds(
    HostView,
    *(IDS, TEXTS, IDS, TEXTS, IDS, IDS, IDS, st.dictionaries(TEXTS, st.lists(TEXTS, max_size=2), max_size=2), SETS),
    free_disk_mib=st.none() | IDS,
    devices=DEVICES,
)
GROUPS = st.builds(GroupView, st.just(VmGroup(3, 0, 0, "web")), st.dictionaries(IDS, TEXTS, max_size=3))
VIEWS = st.builds(
    View, unique(WAITING), unique(HOSTS), groups=st.lists(GROUPS, max_size=1).map(tuple), now=st.integers(0, 2**40)
)


@given(VIEWS)
def test_every_view_comes_back_as_it_was_written(view):
    assert read_problem(write_problem(view)) == view


@given(st.integers(0, 100), st.integers(0, 20), st.integers(0, 30), st.integers(0, 9))
def test_whole_clusters_come_back_as_they_were_written(seed, hosts, vms, expressions):
    view = synthetic(seed, hosts, vms, expressions)
    assert read_problem(write_problem(view)) == view


@given(
    st.dictionaries(IDS, st.tuples(IDS, st.integers(-1, 100)), max_size=5),
    st.dictionaries(IDS, TEXTS, max_size=5),
    st.dictionaries(IDS, TEXTS, max_size=5),
)
def test_every_plan_comes_back_as_it_was_written(placed, refusals, warnings):
    plan = Plan([(vm, host, datastore) for vm, (host, datastore) in placed.items()], refusals, warnings)
    assert plan_of(answer_of(plan)) == plan


def test_a_decision_comes_back_as_it_was_packed():
    view = synthetic(4, 10, 20, 3)
    plan = place(view)
    plan.taken.clear()  # it follows from the rest
    decision = Decision(view, plan, Settings(policy="packing"), "packing")
    assert unpack(pack(decision)) == decision
    assert unpack(gzip.decompress(pack(decision))) == decision


def test_the_form_is_the_one_of_the_manual():
    view = synthetic(4, 1, 1, 1)
    problem = json.loads(write_problem(view))
    assert problem["trifid_problem"] == 1
    assert problem["now"] == view.now
    assert problem["vms"][0]["cpu_percent"] == view.vms[0].cpu_percent
    assert problem["vms"][0]["requirement"] == [view.vms[0].requirement.text, "modern", "SCHED_REQUIREMENTS"]
    assert problem["hosts"][0]["attributes"]["RACK"] == ["r0"]
    assert problem["datastores"][0]["record"]["id"] == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a problem in JSON"),
        ("{", "not a problem in JSON"),
        (b"\xff", "not a problem in JSON"),
        ("[]", "not a problem: Expected object, got array"),
        ('{"now": 1, "vms": [], "hosts": []}', "not a problem: Object missing required field trifid_problem"),
        (
            '{"trifid_problem": 2, "now": 1, "vms": [], "hosts": []}',
            "trifid_problem is 2: only version 1 is known here",
        ),
        ('{"trifid_problem": 1, "now": "x", "vms": [], "hosts": []}', "not a problem: now: Expected int, got str"),
        (
            '{"trifid_problem": 1, "now": 1, "vms": [{"id": "a"}], "hosts": []}',
            "not a problem: vms[0].id: Expected int",
        ),
    ],
)
def test_what_is_no_problem_is_refused_with_the_field(text, said):
    with pytest.raises(BadProblem) as refused:
        read_problem(text)
    assert str(refused.value).startswith(said)


def test_a_vm_that_is_there_twice_is_refused():
    view = View((WaitingVm(3, 1, 1, NOTHING, NOTHING), WaitingVm(3, 1, 1, NOTHING, NOTHING)), ())
    with pytest.raises(BadProblem, match="vms: id 3 is there more than once"):
        read_problem(write_problem(view))


def test_fields_of_later_versions_are_ignored():
    problem = json.loads(write_problem(synthetic(4, 1, 1, 1)))
    problem["more"] = problem["vms"][0]["more"] = 1
    assert read_problem(json.dumps(problem)) == synthetic(4, 1, 1, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "not a plan: Object missing required field placements"),
        ('{"placements": [[1, 2]]}', r"not a plan: placements\[0\]: Expected object, got array"),
        ('{"placements": [{"vm": 1}]}', r"not a plan: placements\[0\]: Object missing required field host"),
        ('{"placements": [], "refusals": {"x": "no"}}', r"not a plan: key in refusals: Expected int"),
    ],
)
def test_what_is_no_plan_is_refused_with_the_field(text, said):
    with pytest.raises(BadProblem, match=said):
        read_answer(text)


@pytest.mark.parametrize(
    "packed", [b"", b"{}", b"\x1f\x8bnonsense", pack(Decision(View((), ()), Plan(), Settings(), "x"))[:-9]]
)
def test_what_is_no_decision_is_refused(packed):
    with pytest.raises(BadProblem, match="not a decision"):
        unpack(packed)


def host(host_id, *, state=2, vmm="kvm", cluster_id=0, **attributes):
    given = {name: [value] for name, value in attributes.items()}
    return HostView(host_id, f"host{host_id}", state, vmm, 400, 4 << 20, 0, given, cluster_id=cluster_id)


def test_candidates_are_the_hosts_that_are_up_and_meet_what_a_vm_asks_however_full_they_are():
    hosts = (host(0, ARCH="x"), host(1, ARCH="y"), host(2, ARCH="x", state=4), host(3, ARCH="x", cluster_id=7))
    vms = (
        WaitingVm(10, 99900, 1, asks('ARCH = "x"'), NOTHING),
        WaitingVm(11, 1, 1, asks('ARCH = "x"'), NOTHING, cluster_ids=frozenset((0,))),
        WaitingVm(12, 1, 1, asks('ARCH = "x"'), NOTHING, host_id=0, vmm="kvm"),
        WaitingVm(13, 1, 1, asks('ARCH = "x"'), NOTHING, banned_host_ids=frozenset((3,))),
        WaitingVm(14, 1, 1, asks("ARCH ="), NOTHING),
        WaitingVm(15, 1, 1, NOTHING, NOTHING, vmm="xen"),
    )
    found = {one.vms: one.hosts for one in candidates(View(vms, hosts))}
    assert found == {(10,): (0, 3), (11, 13): (0,), (12,): (3,), (14, 15): ()}


def test_a_decision_that_grows_beyond_all_bounds_when_it_is_uncompressed_is_refused(monkeypatch):
    monkeypatch.setattr(recorded, "OPENED_BYTES_MAX", 1000)
    assert recorded.opened(gzip.compress(b" " * 1000)) == b" " * 1000
    with pytest.raises(BadProblem, match="more than 1000 bytes when it is uncompressed"):
        recorded.opened(gzip.compress(b" " * 1001))


@pytest.mark.parametrize(
    "packed", [gzip.compress(b"{}" * 100, mtime=0)[:-9], gzip.compress(b"{}", mtime=0)[:6], b"\x1f\x8bnonsense"]
)
def test_a_decision_that_is_torn_is_refused(packed):
    with pytest.raises(BadProblem, match="cannot be uncompressed"):
        unpack(packed)
