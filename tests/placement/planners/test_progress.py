import pytest

from trifid.placement.planners.progress import PlanBroken, Progress, Seen
from trifid.placement.planners.steps import Step

FIRST, SECOND, THIRD = Step(1, 0, 1, 0), Step(2, 0, 2, 0), Step(3, 1, 0, 1)


def here(**where):
    """VMs that run: id to host id."""
    return {int(name[2:]): Seen(host_id, "RUNNING") for name, host_id in where.items()}


def test_a_wave_is_asked_for_when_the_one_before_is_done():
    progress = Progress([FIRST, SECOND, THIRD])
    assert progress.watched() == [1, 2]
    assert progress.go_on(here(vm1=0, vm2=0)) == [FIRST, SECOND]
    moving = {1: Seen(1, "MIGRATE"), 2: Seen(2, "RUNNING"), 3: Seen(1, "RUNNING")}
    assert progress.go_on(moving) == []
    assert progress.done == 1
    assert progress.go_on({1: Seen(1, "RUNNING"), 3: Seen(1, "RUNNING")}) == [THIRD]
    assert not progress.is_over
    assert progress.go_on(here(vm3=0)) == []
    assert (progress.is_over, progress.done) == (True, 3)


def test_nothing_is_asked_for_twice():
    progress = Progress([FIRST])
    assert progress.go_on(here(vm1=0)) == [FIRST]
    assert progress.go_on({1: Seen(1, "MIGRATE")}) == []


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        ({}, "VM 1 is gone"),
        ({1: Seen(0, "POWEROFF")}, "VM 1 is POWEROFF on host 0, it should run on host 0 by now"),
        ({1: Seen(3, "RUNNING")}, "VM 1 is RUNNING on host 3, it should run on host 0 by now"),
    ],
)
def test_a_vm_that_is_not_where_the_plan_needs_it_breaks_the_plan(seen, why):
    with pytest.raises(PlanBroken, match=why):
        Progress([FIRST]).go_on(seen)


@pytest.mark.parametrize("seen", [{}, {1: Seen(0, "RUNNING")}, {1: Seen(1, "BOOT_MIGRATE_FAILURE")}])
def test_a_migration_that_failed_breaks_the_plan(seen):
    progress = Progress([FIRST, THIRD])
    progress.go_on(here(vm1=0))
    with pytest.raises(PlanBroken, match="after its migration to host 1"):
        progress.go_on(seen)
