"""The expressions of one user's VMs keep nobody else waiting."""

import pytest
from msgspec.structs import replace

from tests.placement.test_place import places, view
from trifid.core.template.requirements import Comparison
from trifid.placement import expressions, meter
from trifid.placement.expressions import Compiler
from trifid.placement.meter import TOO_MUCH
from trifid.placement.place import place
from trifid.placement.table import HostTable
from trifid.placement.view import Expression, NicWish

HEAVY, LIGHT = 1, 2
COUNT = 40
NOTHING = Expression("", "modern", "")


def modern(text):
    return Expression(text, "modern", "SCHED_REQUIREMENTS")


def many(change):
    """A view with many VMs of a user, each changed by its number, then one of another user with a requirement."""
    seen = view([{}] * (COUNT + 1), [{"cpu": 6400, "memory_mib": 1 << 16}] * 3)
    mine = [replace(change(number, vm), uid=HEAVY) for number, vm in enumerate(seen.vms[:COUNT])]
    other = replace(seen.vms[COUNT], uid=LIGHT, requirement=modern('NAME = "h*"'))
    return replace(seen, vms=(*mine, other))


def left_out(plan):
    return {vm_id for vm_id, reason in plan.refusals.items() if reason == TOO_MUCH}


@pytest.fixture(autouse=True)
def little(monkeypatch):
    monkeypatch.setattr(meter, "WORK_OF_USER_MAX", 10_000)


ASKING = {
    "read": lambda number, vm: replace(vm, requirement=modern(f"A{'x' * 200}{number} = 1")),
    "patterns": lambda number, vm: replace(vm, requirement=modern(f'NAME = "*x{number}*" | ' * 30 + "A = 1")),
    "any of several": lambda number, vm: replace(vm, requirement=modern(f'NAME @> "x{number}" | ' * 30 + "A = 1")),
    "what changes": lambda number, vm: replace(vm, requirement=modern('FREE_CPU = "*x" | ' * 30 + "A = 1")),
    "numbers": lambda number, vm: replace(vm, requirement=modern(f"B = {number} | " * 30 + "A = 1")),
    "ranks": lambda number, vm: replace(vm, rank=modern(f"FREE_CPU * {number} + " * 30 + "1")),
    "datastores": lambda number, vm: replace(vm, datastore_requirement=modern(f"A{number} = 1 | " * 20 + "A = 1")),
    "networks": lambda number, vm: replace(vm, nics=(NicWish(0, modern(f"A{number} = 1 | " * 20 + "A = 1"), NOTHING),)),
}


@pytest.mark.parametrize("change", ASKING.values(), ids=ASKING)
def test_a_user_whose_expressions_take_too_much_waits_and_nobody_else_does(change):
    plan = place(many(change))
    assert left_out(plan)
    assert 0 not in left_out(plan)
    assert COUNT in places(plan)


def test_vms_that_ask_for_nothing_are_placed_though_their_owner_has_used_up_his_share():
    plan = place(many(lambda number, vm: ASKING["patterns"](number, vm) if number % 2 else vm))
    assert left_out(plan)
    assert set(range(0, COUNT, 2)) <= places(plan).keys()


def test_the_same_expression_counts_once():
    assert not left_out(place(many(lambda number, vm: ASKING["patterns"](7, vm))))


def test_expressions_are_kept_up_to_so_many_characters(monkeypatch):
    monkeypatch.setattr(expressions, "CHARACTERS_MAX", 1000)
    compiler = Compiler()
    first = compiler.requirement(modern("A0 = 1"))
    assert compiler.requirement(modern("A0 = 1")) is first
    for number in range(100):
        compiler.requirement(modern(f"A{number} = 1 | " * 10 + "A = 1"))
        compiler.rank(modern(f"A{number} + " * 10 + "1"))
    assert compiler.requirement(modern("A0 = 1")) is not first


@pytest.mark.parametrize(
    ("comparison", "units"),
    [
        (Comparison("NAME", "=", "text", "*x*", 0), 500 + 3 * meter.CHARACTER),
        (Comparison("NAME", "@>", "text", "x", 0), 500 * meter.HOST),
        (Comparison("FREE_CPU", "=", "text", "*x", 0), 500 * meter.HOST),
        (Comparison("NAME", "=", "text", "x", 0), 0),
        (Comparison("FREE_CPU", ">", "integer", "7", 0), 0),
    ],
)
def test_what_is_asked_of_one_host_after_the_other_counts_for_each(comparison, units):
    table = HostTable(view([], [{}] * 500).hosts)
    table.compare(comparison, comparison.literal)
    assert table.meter.done == units + meter.COLUMN + 500 // meter.COLUMN_HOSTS
