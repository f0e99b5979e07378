"""Random requests over time: what was accepted is kept, and nothing is ever over its capacity."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.placement.lease_world import NOW, PACE, World, waiting

STEP_S = 5
SHUTDOWN_S = 7

DURATIONS = st.sampled_from(["00:00:30", "00:01:00", "00:02:00", "00:05:00"])
REQUESTS = st.tuples(
    st.integers(0, 6),  # steps until it is made
    st.sampled_from(["reserved", "now", "best_effort", "preemptible", "preemptible", "ordinary"]),
    st.integers(1, 4),  # cores
    st.sampled_from(["00:00:30", "00:01:00", "00:02:00", "00:03:00"]),
    DURATIONS,
)


def submit(world, vm_id, kind, cores, offset, duration):
    start, preemptible = {
        "reserved": (f"+{offset}", ""),
        "now": ("now", ""),
        "best_effort": ("best_effort", ""),
        "preemptible": ("best_effort", "yes"),
        "ordinary": (None, ""),
    }[kind]
    if kind == "ordinary" and vm_id % 2:
        return  # not so many that nothing else ever fits
    world.pending[vm_id] = waiting(vm_id, start, duration, preemptible, cores=cores, since=world.now)


def check_reservations(world):
    """Every one that was accepted runs from its start, a look and whoever had to shut down or be saved apart."""
    for vm in [*world.pending.values(), *world.placed.values()]:
        if vm.lease is None or vm.lease.mark.state != "accepted":
            continue
        mark = vm.lease.mark
        lead_s = PACE.lead_s(400)
        may_start = max(mark.start, world.accepted_at[vm.id] + lead_s) + SHUTDOWN_S + 2 * STEP_S
        if vm.id in world.pending:
            assert world.now <= may_start, f"VM {vm.id} should run since {mark.start - NOW}, it is {world.now - NOW}"
        else:
            assert vm.state == 3 and vm.lcm_state != 6, f"VM {vm.id} was accepted and is suspended"
            if world.now < mark.end:
                assert vm.lcm_state == 3, f"VM {vm.id} was ended at {world.now - NOW}, before {mark.end - NOW}"


def has_leases(world):
    """Tell whether anything that was promised is not over yet: ordinary VMs stay for ever."""
    is_promised = any(vm.lease and vm.lease.mark.state == "accepted" for vm in world.pending.values())
    return is_promised or any(vm.lease for vm in world.placed.values())


AN_ORDINARY_VM_COMES_WHILE_ONE_IS_SUSPENDED = [
    (0, "ordinary", 2, "00:00:30", "00:00:30"),
    (0, "reserved", 2, "00:00:30", "00:00:30"),
    (0, "reserved", 4, "00:00:30", "00:00:30"),
    (2, "preemptible", 4, "00:00:30", "00:01:00"),
    (1, "best_effort", 2, "00:00:30", "00:01:00"),
    (1, "preemptible", 1, "00:00:30", "00:00:30"),
    (4, "ordinary", 1, "00:00:30", "00:00:30"),
    (6, "reserved", 1, "00:00:30", "00:01:00"),
]


@settings(max_examples=100, deadline=None)
@example(2, AN_ORDINARY_VM_COMES_WHILE_ONE_IS_SUSPENDED)
@given(st.integers(1, 3), st.lists(REQUESTS, max_size=25))
def test_what_was_accepted_has_its_room_at_its_start_and_whoever_made_room_goes_on(hosts, requests):
    world = World(hosts, SHUTDOWN_S)
    for vm_id, (steps, kind, cores, offset, duration) in enumerate(requests):
        for _ in range(steps):
            world.step(STEP_S)
            check_reservations(world)
        submit(world, vm_id, kind, cores, offset, duration)
    for _ in range(3600 // STEP_S):
        world.step(STEP_S)
        check_reservations(world)
        if not has_leases(world):
            break
    assert not [vm.id for vm in world.pending.values() if vm.lease and vm.lease.mark.state == "accepted"]
    assert not [vm.id for vm in world.placed.values() if vm.state == 5], "somebody was never resumed"


def test_the_world_of_this_test_does_preempt():
    world = World(1, SHUTDOWN_S)
    submit(world, 0, "preemptible", 4, "", "00:05:00")
    world.step(STEP_S)
    submit(world, 2, "reserved", 4, "00:01:00", "00:01:00")
    states = set()
    for _ in range(60):
        world.step(STEP_S)
        states |= {(vm.id, vm.state) for vm in world.placed.values()}
    assert states == {(0, 3), (0, 5), (2, 3)}
    assert world.started_at[2] in range(NOW + 65, NOW + 65 + 2 * STEP_S)
