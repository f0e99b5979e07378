"""No address is given twice and none is lost, whatever the order of commands, refusals and commits."""

from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.engine.addresses import BASE, PARENT_ID, AddressWorld

OPERATIONS = 100_000
ips = st.tuples(st.integers(0, 3), st.integers(0, 13)).map(lambda place: BASE + (place[0] << 8) + place[1])
vm_ids = st.integers(0, 5)


@pytest.mark.timeout(300)
def test_a_hundred_thousand_random_commands_give_no_address_twice_and_lose_none():
    random = Random(2009)
    world = AddressWorld()
    for number in range(OPERATIONS):
        world.random_command(random)
        if random.random() < 0.2:
            world.commit()
        if number % 50 == 0:
            world.check()
        if number % 1000 == 0:
            world.commit()
            world.check_memory()
    world.empty()
    world.check_memory()
    assert (world.memory.leases, world.memory.taken, world.memory.reservations_of) == ({}, {}, {})


class Addresses(RuleBasedStateMachine):
    """The same, as hypothesis likes it: short, and as wrong as it can."""

    def __init__(self) -> None:
        super().__init__()
        self.world = AddressWorld()

    def network(self, number: int) -> int:
        networks = [PARENT_ID, *self.world.reservations]
        return networks[number % len(networks)]

    @rule(number=st.integers(0, 5), vm_id=vm_ids, refused=st.booleans())
    def take_any(self, number, vm_id, refused):
        self.world.take(self.network(number), vm_id, None, refused)

    @rule(number=st.integers(0, 5), vm_id=vm_ids, ip=ips)
    def take_asked(self, number, vm_id, ip):
        self.world.take(self.network(number), vm_id, ip)

    @rule(vm_id=vm_ids, refused=st.booleans())
    def give_back(self, vm_id, refused):
        self.world.give_back(vm_id, refused)

    @rule(number=st.integers(0, 5), ip=ips, refused=st.booleans())
    def hold(self, number, ip, refused):
        self.world.hold(self.network(number), ip, refused)

    @rule(number=st.integers(0, 5), ip=ips, refused=st.booleans())
    def release(self, number, ip, refused):
        self.world.release(self.network(number), ip, refused)

    @rule(size=st.integers(1, 5), first=st.none() | ips, refused=st.booleans())
    def reserve(self, size, first, refused):
        self.world.reserve(size, None, first, refused)

    @precondition(lambda self: self.world.reservations)
    @rule(size=st.integers(1, 5), number=st.integers(0, 5), refused=st.booleans())
    def reserve_more(self, size, number, refused):
        self.world.reserve(size, self.world.reservations[number % len(self.world.reservations)], None, refused)

    @precondition(lambda self: self.world.spans)
    @rule(number=st.integers(0, 9), refused=st.booleans())
    def remove_range(self, number, refused):
        spans = list(self.world.spans)
        self.world.remove_range(*spans[number % len(spans)], refused=refused)

    @precondition(lambda self: self.world.reservations)
    @rule(number=st.integers(0, 5), refused=st.booleans())
    def delete_reservation(self, number, refused):
        self.world.delete_reservation(self.world.reservations[number % len(self.world.reservations)], refused)

    @precondition(lambda self: any(key[0] == PARENT_ID for key in self.world.spans))
    @rule(number=st.integers(0, 5), size=st.integers(1, 12), refused=st.booleans())
    def resize(self, number, size, refused):
        numbers = [range_id for network_id, range_id in self.world.spans if network_id == PARENT_ID]
        self.world.resize(numbers[number % len(numbers)], size, refused)

    @rule(size=st.integers(1, 6))
    def add_range(self, size):
        self.world.add_range(size)

    @rule()
    def commit(self):
        self.world.commit()
        self.world.check_memory()

    @invariant()
    def the_model_agrees(self):
        self.world.check()

    def teardown(self):
        self.world.empty()
        assert (self.world.memory.leases, self.world.memory.taken) == ({}, {})


TestAddresses = Addresses.TestCase
TestAddresses.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
