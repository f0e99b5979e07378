import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from tests.core.network.builders import World, modern, network, ranged
from trifid.core.network.address import format_ipv4, parse_ipv4, parse_mac
from trifid.core.network.index_set import NOTHING_TAKEN
from trifid.core.network.lease import Asked, asked, free_addresses, hold, last_explicit, release
from trifid.core.network.record import HELD_BY_NOBODY
from trifid.errors import BadTemplate, NoLease, Refused


def ip_of(lease):
    return format_ipv4(lease.ip)


def ask(text):
    return Asked(ip=parse_ipv4(text), text=text)


def test_a_ranged_network_gives_its_addresses_in_order():
    world = World(ranged(size="10"))
    assert [ip_of(world.next()) for _ in range(10)] == [f"10.0.0.{i}" for i in range(1, 11)]


def test_a_full_network_says_so_with_what_to_do():
    world = World(ranged(size="2"))
    world.next(), world.next()
    with pytest.raises(
        NoLease, match=r"network private \[3\] has no free address for VM 9, all 2 are in use.*onevnet addar 3"
    ):
        world.next(vm_id=9)


def test_a_network_without_ranges_says_so():
    with pytest.raises(NoLease, match="it has no address range"):
        World(network(VN_MAD="dummy")).next()


def test_the_newest_lease_of_a_ranged_network_is_given_out_again_when_freed():
    world = World(ranged())
    world.next()
    world.free(world.next())
    assert ip_of(world.next()) == "10.0.0.2"


def test_an_older_lease_of_a_ranged_network_comes_back_only_after_the_round():
    world = World(ranged(size="4"))
    first = world.next()
    world.next()
    world.free(first)
    assert [ip_of(world.next()) for _ in range(3)] == ["10.0.0.3", "10.0.0.4", "10.0.0.1"]


def test_a_freed_address_of_a_modern_range_is_not_the_next_one_given():
    world = World(modern(size="3"))
    world.free(world.next())
    assert [ip_of(world.next()) for _ in range(3)] == ["10.0.0.11", "10.0.0.12", "10.0.0.10"]


def test_the_first_range_with_a_free_address_is_used():
    world = World(
        network(AR=[{"TYPE": "IP4", "IP": "10.0.0.1", "SIZE": "1"}, {"TYPE": "IP4", "IP": "10.0.9.1", "SIZE": "2"}])
    )
    first = world.next()
    assert ip_of(world.next()) == "10.0.9.1"
    world.free(first)
    assert ip_of(world.next()) == "10.0.0.1"


def test_a_lease_carries_network_range_holder_and_mac():
    lease = World(ranged()).next(vm_id=42)
    assert (lease.key, lease.vm_id, lease.mac) == ((3, 0, 0), 42, parse_mac("00:16:0a:00:00:01"))


@pytest.mark.parametrize("text", ["10.0.0.1", "10.0.0.14", "10.0.0.12", "10.0.0.10"])
def test_a_ranged_network_gives_any_address_of_its_block_that_a_guest_can_use_on_request(text):
    lease = World(ranged(size="10")).ask(ask(text))
    assert ip_of(lease) == text
    assert lease.mac & 0xFFFFFFFF == parse_ipv4(text)


@pytest.mark.parametrize("text", ["10.0.0.0", "10.0.0.15", "10.0.0.16", "9.255.255.255", "192.168.0.1"])
def test_a_request_outside_every_range_is_refused_with_the_ranges(text):
    with pytest.raises(NoLease) as refusal:
        World(ranged(size="10")).ask(ask(text))
    assert f"network private [3]: {text} is not one of its addresses" in refusal.value.message
    assert "10.0.0.1 to 10.0.0.14" in refusal.value.message


def test_a_request_for_a_taken_address_is_refused():
    world = World(ranged())
    world.next()
    with pytest.raises(NoLease, match=r"network private \[3\]: 10.0.0.1 is in use, VM 5 cannot have it"):
        world.ask(ask("10.0.0.1"), vm_id=5)


def test_an_address_can_be_asked_by_mac():
    wanted = asked({"MAC": "00:16:0a:00:00:07"})
    assert ip_of(World(ranged()).ask(wanted)) == "10.0.0.7"


def test_ip_and_mac_that_do_not_belong_together_are_refused():
    with pytest.raises(NoLease, match="must be of the same address"):
        World(ranged()).ask(asked({"IP": "10.0.0.3", "MAC": "00:16:0a:00:00:07"}))


def test_an_address_can_be_asked_by_ipv6():
    world = World(network(AR={"TYPE": "IP6_STATIC", "IP6": "2001:db8::10", "PREFIX_LENGTH": "64", "SIZE": "4"}))
    assert world.ask(asked({"IP6": "2001:db8::12"})).index == 2
    with pytest.raises(NoLease, match="2001:db8::14 is not one of its addresses"):
        world.ask(asked({"IP6": "2001:db8::14"}))


def test_a_request_does_not_move_the_cursor():
    world = World(modern())
    world.ask(ask("10.0.0.13"))
    assert ip_of(world.next()) == "10.0.0.10"


def test_a_vector_that_names_no_address_asks_for_none():
    assert asked({"NETWORK": "private"}) is None
    with pytest.raises(BadTemplate, match="IP must be"):
        asked({"IP": "here"})


def test_leases_asked_for_outside_the_automatic_ones_do_not_make_a_range_look_full():
    world = World(ranged(size="4"))
    for asked_for in ("10.0.0.5", "10.0.0.6", "10.0.0.2", "10.0.0.3"):
        world.ask(ask(asked_for))
    assert [ip_of(world.next()) for _ in range(2)] == ["10.0.0.1", "10.0.0.4"]
    with pytest.raises(NoLease, match="all 4 are in use"):
        world.next()


def test_a_full_network_of_sixteen_million_addresses_is_refused():
    world = World(ranged(size="A"))
    world.sets[0] = NOTHING_TAKEN.added(0, world.network.ranges[0].size - 1)
    with pytest.raises(NoLease):
        world.next()


def test_a_hole_far_behind_the_cursor_is_found():
    world = World(ranged(size="A"))
    world.with_cursor(1_000_000)
    world.sets[0] = NOTHING_TAKEN.added(0, 4999).added(5001, world.network.ranges[0].size - 1)
    assert world.next().index == 5000


def test_a_held_address_belongs_to_nobody():
    (lease,) = hold(ranged(), {"IP": "10.0.0.3"}, lambda r: NOTHING_TAKEN)
    assert (ip_of(lease), lease.vm_id) == ("10.0.0.3", HELD_BY_NOBODY)


@pytest.mark.parametrize(
    ("vector", "text"),
    [
        ({}, "Empty lease description."),
        ({"IP": "x"}, "Wrong Lease format."),
        ({"NAME": "x"}, "Wrong Lease format."),
        ({"IP": "10.0.0.3", "AR_ID": "x"}, "Wrong Lease format."),
        ({"IP": "10.9.0.3"}, "Lease is not part of the NET."),
        ({"IP": "10.0.0.3", "AR_ID": "1"}, "Lease is not part of the NET."),
        ({"IP": "10.0.0.3"}, "Lease is in use."),
    ],
)
def test_refusals_of_hold(vector, text):
    with pytest.raises(Refused) as refusal:
        hold(ranged(), vector, lambda r: NOTHING_TAKEN.added(0, 99))
    assert refusal.value.message.startswith(text)


def test_a_held_address_can_be_released_and_no_other():
    world = World(ranged())
    (held,) = hold(world.network, {"IP": "10.0.0.3"}, world.taken)
    world.keep(held)
    world.next(vm_id=7)
    lease_of = lambda r, i: world.leases.get((r, i))  # noqa: E731
    assert release(world.network, {"IP": "10.0.0.3"}, world.taken, lease_of) == [held]
    with pytest.raises(Refused, match=r"Lease is not on hold. 10.0.0.1 of network private \[3\], VM 7 has it"):
        release(world.network, {"IP": "10.0.0.1"}, world.taken, lease_of)
    with pytest.raises(Refused, match=r"Lease is not on hold. .* it is free"):
        release(world.network, {"IP": "10.0.0.2"}, world.taken, lease_of)


class Leases(RuleBasedStateMachine):
    """No address is given twice, none is lost, none comes from outside, whatever the order."""

    held = Bundle("held")

    def __init__(self):
        super().__init__()
        self.world = World(self.make())
        self.automatic = sum(ar.size for ar in self.world.network.ranges)

    def make(self):
        return ranged("10.0.0.0", "5")

    def inside(self):
        return [(ar.id, i) for ar in self.world.network.ranges for i in range(ar.size)]

    @rule(target=held)
    def take_next(self):
        before = dict(self.world.leases)
        if all(place in before for place in self.inside()):
            with pytest.raises(NoLease):
                self.world.next()
            return None
        lease = self.world.next()
        assert (lease.range_id, lease.index) not in before
        assert (lease.range_id, lease.index) in self.inside()
        return lease

    @rule(target=held, low=st.integers(0, 20))
    def take_asked(self, low):
        wanted = Asked(ip=parse_ipv4("10.0.0.0") + low, text="it")
        places = [
            (ar.id, wanted.ip - ar.ip)
            for ar in self.world.network.ranges
            if 0 <= wanted.ip - ar.ip <= last_explicit(ar)
        ]
        if not places or places[0] in self.world.leases:
            with pytest.raises(NoLease):
                self.world.ask(wanted)
            return None
        return self.world.ask(wanted)

    @rule(lease=consumes(held))
    def give_back(self, lease):
        if lease is not None:
            self.world.free(lease)

    @invariant()
    def no_address_is_given_twice(self):
        ips = [lease.ip for lease in self.world.leases.values()]
        macs = [lease.mac for lease in self.world.leases.values()]
        assert len(ips) == len(set(ips)) and len(macs) == len(set(macs))

    @invariant()
    def the_cursor_stays_inside(self):
        assert all(0 <= ar.next_index < ar.size for ar in self.world.network.ranges)


class ModernLeases(Leases):
    def make(self):
        return network(
            AR=[{"TYPE": "IP4", "IP": "10.0.0.2", "SIZE": "3"}, {"TYPE": "IP4", "IP": "10.0.0.10", "SIZE": "4"}]
        )


class FixedLeases(Leases):
    def make(self):
        return network(TYPE="FIXED", LEASES=[{"IP": "10.0.0.9"}, {"IP": "10.0.0.4"}, {"IP": "10.0.0.6"}])


for machine in (Leases, ModernLeases, FixedLeases):
    machine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestRangedLeases = Leases.TestCase
TestModernLeases = ModernLeases.TestCase
TestFixedLeases = FixedLeases.TestCase


@settings(max_examples=60, deadline=None)
@given(block=st.integers(0, (1 << 24) - 1), size=st.integers(1, 254))
def test_a_guest_can_compute_its_address_from_its_mac(block, size):
    world = World(ranged(format_ipv4(block << 8), str(size)))
    for lease in (world.next(), world.next() if size > 1 else world.ask(ask(format_ipv4((block << 8) + 2)))):
        assert lease.mac >> 32 == 0x0016
        assert lease.mac & 0xFFFFFFFF == lease.ip


@pytest.mark.parametrize("net", [ranged("10.0.0.0", "A"), modern("10.0.0.1", "16777214")], ids=["RANGED", "AR"])
@pytest.mark.timeout(5)
def test_a_network_of_sixteen_million_addresses_costs_what_a_small_one_costs(net):
    world = World(net)
    tracemalloc.start()
    leases = [world.next() for _ in range(100)]
    last = world.ask(ask("10.255.255.254"))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 200_000
    assert len({lease.ip for lease in [*leases, last]}) == 101


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.randoms(use_true_random=False))
def test_all_addresses_come_back_on_release(size, random):
    world = World(ranged(size=str(size)))
    for _ in range(3):
        leases = [world.next() for _ in range(size)]
        with pytest.raises(NoLease):
            world.next()
        random.shuffle(leases)
        for lease in leases:
            world.free(lease)
    assert world.leases == {}


def test_addresses_that_are_given_unasked_are_counted_whatever_was_asked_for():
    world = World(
        network(
            AR=[
                {"TYPE": "IP4", "IP": "10.0.0.1", "SIZE": "3"},
                {"TYPE": "IP4", "IP": "10.0.9.1", "SIZE": "9", "SHARED": "YES"},
            ]
        )
    )
    world.next()
    world.ask(ask("10.0.9.1"))
    assert free_addresses(world.network, world.taken) == 2
    world = World(ranged(size="10"))
    for text in ("10.0.0.3", "10.0.0.12", "10.0.0.14"):
        world.ask(ask(text))
    assert free_addresses(world.network, world.taken) == 9
