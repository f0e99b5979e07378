"""The columns against a plain interpreter: the same verdicts, ranks and plans, whatever is asked of whatever hosts."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.placement import plainly
from tests.scheduler.builders import datastore_xml
from trifid.errors import BadTemplate
from trifid.placement.expressions import Compiler
from trifid.placement.place import place
from trifid.placement.policies import POLICIES
from trifid.placement.reading import datastores
from trifid.placement.table import HostTable
from trifid.placement.view import Expression, HostView, View, WaitingVm

NAMES = ["A", "B", "NAME", "FREE_CPU", "CPU_USAGE", "FREE_MEMORY", "MEM_USAGE", "RUNNING_VMS", "CURRENT_VMS", "NOWHERE"]
TEXTS = [
    "",
    "0",
    "1",
    "2",
    "-1",
    "007",
    "1.5",
    "3.0",
    " 4",
    "5x",
    "1e2",
    ".5",
    "1e999",
    "kvm",
    "kvm-2",
    "xen",
    "*",
    "[a]",
]
HUGE = ["9007199254740993", "9007199254740992", "-9007199254740993", "1" * 60]

values = st.sampled_from(TEXTS + HUGE)
literals = st.one_of(
    st.integers(-3, 8).map(str),
    st.sampled_from(["0.5", "1.5", "-1.0", "100.0"]),
    st.sampled_from(
        ["kvm", "xen", '"kvm"', '"kvm*"', '"*"', '"k?m"', '"[kx]*"', '"[!k]*"', '""', '"*-2"', '"1"', '"[a]"']
    ),
    st.sampled_from(HUGE),
)


def is_text(literal):
    return literal[0] == '"' or literal[0].isalpha()


@st.composite
def comparisons(draw):
    literal = draw(literals)
    operator = draw(st.sampled_from(["=", "!=", "@>"] if is_text(literal) else ["=", "!=", "<", ">", "@>"]))
    name = draw(st.sampled_from([*NAMES, '"A"', "b"]))
    return f"{name} {operator} {literal}"


requirements = st.recursive(
    comparisons(),
    lambda inner: st.one_of(
        inner.map(lambda one: f"!({one})"),
        inner.map(lambda one: f"! {one}"),
        st.tuples(inner, st.sampled_from("&|"), inner).map(lambda parts: f"{parts[0]} {parts[1]} {parts[2]}"),
        st.tuples(inner, st.sampled_from("&|"), inner).map(lambda parts: f"{parts[0]} {parts[1]} ({parts[2]})"),
    ),
    max_leaves=6,
)

ranks = st.recursive(
    st.one_of(st.sampled_from([*NAMES, '"A"']), st.sampled_from(["0", "1", "2.5", "-3", "1000000000000000000000"])),
    lambda inner: st.one_of(
        inner.map(lambda one: f"(- {one})"),
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"),
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: f"{parts[0]} {parts[1]} ({parts[2]})"),
    ),
    max_leaves=6,
)

machines = st.builds(
    lambda number, told, cpu, memory, running, vms, state: HostView(
        number,
        f"host-{number}",
        state,
        "kvm",
        cpu,
        memory,
        running,
        told | {"RUNNING_VMS": [str(running)], "CURRENT_VMS": [str(vm) for vm in sorted(vms)]},
        vms,
    ),
    st.integers(0, 50),
    st.dictionaries(
        st.sampled_from(["A", "B", "NAME", "FREE_CPU", "CPU_USAGE", "FREE_MEMORY", "MEM_USAGE"]),
        st.lists(values, min_size=1, max_size=3),
    ),
    st.integers(-100, 800),
    st.integers(-1024, 8 * 1024 * 1024),
    st.integers(0, 4),
    st.frozensets(st.integers(0, 8), max_size=3),
    st.sampled_from([2, 2, 2, 2, 3]),
)
clusters = st.lists(machines, min_size=1, max_size=6, unique_by=lambda host: host.id)
vms = st.lists(
    st.builds(
        lambda cpu, memory, requirement, rank, priority, dialect: (cpu, memory, requirement, rank, priority, dialect),
        st.sampled_from([0, 50, 100, 200]),
        st.sampled_from([0, 256, 1024]),
        st.one_of(st.just(""), requirements),
        st.one_of(st.just(""), ranks),
        st.sampled_from([0.0, 0.0, 1.0]),
        st.sampled_from(["modern", "modern", "classic"]),
    ),
    max_size=8,
)


def waiting(number, cpu, memory, requirement, rank, priority, dialect):
    if dialect == "classic":
        requirement = requirement.replace("@>", "=")
    return WaitingVm(
        100 + number,
        cpu,
        memory,
        Expression(requirement, dialect, "SCHED_REQUIREMENTS"),
        Expression(rank, dialect, "SCHED_RANK"),
        priority=priority,
    )


def affinity_aside(text):
    """CURRENT_VMS = n means any VM, as compiled; the plain interpreter reads it as @> (tests of that: test_place)."""
    return "CURRENT_VMS =" not in text and "CURRENT_VMS !=" not in text


@given(clusters, st.lists(requirements, min_size=1, max_size=5), st.sampled_from(["modern", "classic"]))
@settings(max_examples=200)
def test_every_host_gets_the_verdict_that_the_reference_gives(hosts, texts, dialect):
    compiler, table = Compiler(), HostTable(hosts)
    for text in texts:
        if dialect == "classic":
            text = text.replace("@>", "=")
        elif not affinity_aside(text):
            continue
        mask = compiler.requirement(Expression(text, dialect, "REQUIREMENTS")).mask(table)
        told = [plainly.meets(text, plainly.PlainHost(host).values_of, dialect) for host in table.hosts]
        assert list(mask) == told, text


@given(clusters, st.lists(ranks, min_size=1, max_size=5), st.sampled_from(["modern", "classic"]))
@settings(max_examples=200)
def test_every_host_gets_the_rank_that_the_reference_gives(hosts, texts, dialect):
    compiler, table = Compiler(), HostTable(hosts)
    for text in texts:
        scores = compiler.rank(Expression(text, dialect, "RANK")).scores(table)
        told = [plainly.rank(text, plainly.PlainHost(host).values_of, dialect) for host in table.hosts]
        assert [int(score) for score in scores] == told, text


@given(clusters, vms, st.sampled_from(sorted(POLICIES)))
@settings(max_examples=200)
def test_a_plan_is_the_one_made_host_by_host(hosts, wishes, policy):
    asked = [waiting(number, *wish) for number, wish in enumerate(wishes)]
    view = View(
        tuple(vm for vm in asked if vm.requirement.dialect == "classic" or affinity_aside(vm.requirement.text)),
        tuple(hosts),
        tuple(datastores(datastore_xml(0))),
    )
    compiler = Compiler()
    for _ in range(2):  # the second time with everything compiled already
        result = place(view, policy, compiler=compiler)
        placed, left = plainly.plan(view, POLICIES[policy])
        assert [(vm, host) for vm, host, _ in result.placements] == placed
        assert set(result.refusals) == left
        assert all(result.refusals[vm_id] for vm_id in left)


@given(st.lists(requirements, min_size=2, max_size=6), clusters)
def test_texts_that_share_a_program_are_answered_as_if_each_were_alone(texts, hosts):
    texts = [text for text in texts if affinity_aside(text)]
    shared, table = Compiler(), HostTable(hosts)
    for text in texts:
        alone = Compiler().requirement(Expression(text, "modern", "R")).mask(table)
        assert list(shared.requirement(Expression(text, "modern", "R")).mask(table)) == list(alone)


# -- the facts most easily got wrong (reference/README.md, 1 to 3) -----------------------------------


def mask(text, *attributes, dialect="modern"):
    table = HostTable([HostView(n, f"h{n}", 2, "kvm", 0, 0, 0, told) for n, told in enumerate(attributes)])
    return [bool(one) for one in Compiler().requirement(Expression(text, dialect, "R")).mask(table)]


def scores(text, *attributes, dialect="modern"):
    table = HostTable([HostView(n, f"h{n}", 2, "kvm", 0, 0, 0, told) for n, told in enumerate(attributes)])
    return [float(one) for one in Compiler().rank(Expression(text, dialect, "R")).scores(table)]


def test_and_or_and_not_share_one_level_from_the_left():
    a, b, c, bc = {"A": ["1"]}, {"B": ["1"]}, {"C": ["1"]}, {"B": ["1"], "C": ["1"]}
    assert mask("A = 1 | B = 1 & C = 1", a, b, c, bc) == [False, False, False, True]
    assert mask("A = 1 | (B = 1 & C = 1)", a, b, c, bc) == [True, False, False, True]
    assert mask("! A = 1 & B = 1", a, b, c, bc) == [False, True, False, True]


@pytest.mark.parametrize("text", ["A && B", "A >= 1", "A <= 1", "A == 1", "2 < A", "A = 1 || B = 1", "A < kvm"])
def test_what_is_no_operator_is_refused(text):
    with pytest.raises(BadTemplate):
        Compiler().requirement(Expression(text, "modern", "R"))


def test_the_literal_is_the_glob_not_the_attribute():
    assert mask('NAME = "h*"', {"NAME": ["host"]}, {"NAME": ["*"]}) == [True, False]


@pytest.mark.parametrize("text", ["X = 1", "X != 1", "X < 5", 'X != "a"', "X @> 1", "X > 0.5"])
def test_every_comparison_with_a_missing_attribute_is_false_today(text):
    assert mask(text, {}) == [False]


def test_a_missing_attribute_was_zero_to_integers_in_2009_and_nothing_else():
    assert mask("X < 5", {}, dialect="classic") == [True]
    assert mask("X != 1", {}, dialect="classic") == [True]
    assert mask("X < 5.0", {}, dialect="classic") == [False]
    assert mask('X != "a"', {}, dialect="classic") == [False]


def test_a_rank_is_cut_to_an_integer_and_no_number_is_none():
    assert scores("A / 2", {"A": ["5"]}, {"A": ["-5"]}, {"A": ["x"]}) == [2.0, -2.0, 0.0]
    assert scores("1 / A", {"A": ["0"]}, {}) == [0.0, 0.0]
    assert scores("5 + 1 / (1 / A)", {"A": ["0"]}) == [0.0]
    assert scores("-A*B", {"A": ["2"], "B": ["3"]}) == [-6.0]
    with pytest.raises(BadTemplate):
        Compiler().rank(Expression("A -1", "modern", "RANK"))


def test_integers_that_no_float_holds_are_told_apart():
    values = [{"A": ["9007199254740992"]}, {"A": ["9007199254740993"]}]
    assert mask("A = 9007199254740993", *values) == [False, True]
    assert mask("A = 9007199254740993", values[0]) == [False]
    assert mask("FREE_CPU = 9007199254740993", {"FREE_CPU": ["9007199254740992"]}) == [False]


def test_all_negative_ranks_are_not_turned_around():
    assert int(max(range(3), key=scores("- A", {"A": ["3"]}, {"A": ["1"]}, {"A": ["2"]}).__getitem__)) == 1


# -- what somebody may ask to do harm ----------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000 + "A = 1" + ")" * 5000,
        "!" * 5000 + "A = 1",
        'A = "' + "*a" * 20_000 + '"',
        "A = 1 & " * 5000 + "A = 1",
    ],
)
def test_what_is_too_deep_or_too_long_is_refused_at_once(text):
    began = time.process_time()
    with pytest.raises(BadTemplate):
        Compiler().requirement(Expression(text, "modern", "R"))
    assert time.process_time() - began < 0.5


def test_a_glob_of_many_stars_takes_no_time_that_anybody_notices():
    pattern = "*a" * 4000
    began = time.process_time()
    assert mask(f'A = "{pattern}b"', *({"A": ["a" * (2000 + n)]} for n in range(20))) == [False] * 20
    assert time.process_time() - began < 2.0


def test_attributes_that_no_host_has_cost_no_column_each():
    table = HostTable([HostView(n, f"h{n}", 2, "kvm", 0, 0, 0, {"A": ["1"]}) for n in range(2500)])
    compiler = Compiler()
    began = time.process_time()
    for n in range(2000):
        assert not compiler.requirement(Expression(f"X{n} = {n}", "modern", "R")).mask(table).any()
    assert time.process_time() - began < 2.0
