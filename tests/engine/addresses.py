"""A network and its reservations under random commands, beside a model that is a dictionary of addresses.

The commands are those of the API, on drafts that are refused, folded and committed as turns do it.
"""

from random import Random

from tests.engine.fake_store import FakeStore
from trifid.core.access import ENGINE
from trifid.core.network import lease, ranges, reservation
from trifid.core.network.define import Defaults, define
from trifid.core.network.record import HELD_BY_NOBODY
from trifid.core.network.security_group import DEFAULT_ID, DEFAULT_NAME, SecurityGroup
from trifid.core.template.model import Template, template
from trifid.engine.memory import Memory
from trifid.engine.networks import with_leases
from trifid.engine.transaction import Draft
from trifid.errors import BadTemplate, NoLease, Refused, TrifidError

PARENT_ID = 0
BASE = 0x0A000000
"""10.0.0.0: range n of the parent begins at 10.0.n.1."""
PREFIX = 0x0200


def shown(ip: int) -> str:
    return ".".join(str(ip >> shift & 255) for shift in (24, 16, 8, 0))


class AddressWorld:
    """What is asked, and what the model says about it.

    Attributes:
        spans: (network id, range id) -> the addresses of that range.
        owner: address -> the network that it belongs to now: the parent or a reservation.
        reservations: their ids, those without addresses too.
        holder: address in use -> VM id, or HELD_BY_NOBODY.
    """

    def __init__(self, sizes: tuple[int, ...] = (8, 5)) -> None:
        self.store = FakeStore()
        self.memory = Memory(self.store.load())
        self.turn = Draft(self.memory, 1000)
        self.spans: dict[tuple[int, int], range] = {}
        self.owner: dict[int, int] = {}
        self.reservations: list[int] = []
        self.holder: dict[int, int] = {}
        self.turn.put(SecurityGroup(DEFAULT_ID, 0, 0, DEFAULT_NAME))
        text = template({"NAME": "lan", "BRIDGE": "br0", "VN_MAD": "bridge"})
        self.turn.put(
            define(
                text,
                network_id=self.turn.next_id("net"),
                uid=0,
                gid=0,
                defaults=Defaults(PREFIX, 254),
                random_mac_suffix=lambda: 0,
            )
        )
        for size in sizes:
            self.add_range(size)

    # -- what the model knows --------------------------------------------------------------------

    def addresses(self, network_id: int) -> list[int]:
        """Return the addresses of a network that nobody else has, free or in use."""
        return [
            ip
            for (owner_id, _), span in self.spans.items()
            if owner_id == network_id
            for ip in span
            if self.owner[ip] == network_id
        ]

    def free(self, network_id: int) -> list[int]:
        return [ip for ip in self.addresses(network_id) if ip not in self.holder]

    def do(self, command, refused: bool = False):
        """Return what a command answers, None when it is refused; `refused` makes it fail at its very end."""
        mine = self.turn.child()
        try:
            answer = command(mine)
            if refused:
                return None
        except TrifidError as error:
            assert isinstance(error, Refused | NoLease | BadTemplate), error
            return None
        mine.fold()
        return (answer,)

    # -- commands --------------------------------------------------------------------------------

    def take(self, network_id: int, vm_id: int, ip: int | None = None, refused: bool = False) -> None:
        """A NIC of a VM, with any address or a certain one."""
        nic = {"NETWORK_ID": str(network_id)} | ({"IP": shown(ip)} if ip is not None else {})

        def command(draft: Draft) -> int:
            filled = with_leases(draft, ENGINE, Template((("NIC", nic),)), vm_id)
            return lease.parse_ipv4(filled.vector("NIC")["IP"])

        free = self.free(network_id)
        got = self.do(command, refused)
        if refused:
            return
        assert (got is not None) == (ip in free if ip is not None else bool(free)), (got, ip, free)
        if got is not None:
            assert got[0] in free and ip in (None, got[0])
            self.holder[got[0]] = vm_id

    def give_back(self, vm_id: int, refused: bool = False) -> None:
        """A VM is gone."""

        def command(draft: Draft) -> None:
            for one in draft.leases_of(vm_id):
                draft.delete("leases", one.key)

        self.do(command, refused)
        if not refused:
            self.holder = {ip: holder for ip, holder in self.holder.items() if holder != vm_id}

    def hold(self, network_id: int, ip: int, refused: bool = False) -> None:
        def command(draft: Draft) -> None:
            network = draft.network(network_id)
            for one in lease.hold(network, {"IP": shown(ip)}, lambda range_id: draft.taken(network_id, range_id)):
                draft.put(one)

        is_free = ip in self.free(network_id)
        got = self.do(command, refused)
        if not refused:
            assert (got is not None) == is_free
            if is_free:
                self.holder[ip] = HELD_BY_NOBODY

    def release(self, network_id: int, ip: int, refused: bool = False) -> None:
        def command(draft: Draft) -> None:
            given = lease.release(
                draft.network(network_id),
                {"IP": shown(ip)},
                lambda range_id: draft.taken(network_id, range_id),
                lambda range_id, index: draft.lease((network_id, range_id, index)),
            )
            for one in given:
                draft.delete("leases", one.key)

        is_held = ip in self.addresses(network_id) and self.holder.get(ip) == HELD_BY_NOBODY
        got = self.do(command, refused)
        if not refused:
            assert (got is not None) == is_held
            if is_held:
                del self.holder[ip]

    def reserve(self, size: int, into: int | None = None, first: int | None = None, refused: bool = False) -> None:
        """Take addresses in a row out of the parent, into a new reservation or one that is there."""
        pairs = {"SIZE": str(size), "NAME": "mine"} | ({"IP": shown(first)} if first is not None else {})

        def command(draft: Draft) -> tuple[int, int, range]:
            parent = draft.network(PARENT_ID)
            if into is None:
                number = draft.next_id("net")
                mine = reservation.new_reservation(parent, network_id=number, uid=0, gid=0, name=f"mine-{number}")
            else:
                mine = draft.network(into)
            wish = reservation.wish(template(pairs), PARENT_ID)
            parent, mine = reservation.reserve(parent, mine, wish, lambda r: draft.taken(PARENT_ID, r))
            draft.put(parent)
            draft.put(mine)
            ar = mine.ranges[-1]
            assert ar.ip is not None
            return mine.id, ar.id, range(ar.ip, ar.ip + ar.size)

        free = set(self.free(PARENT_ID))
        spans = [span for key, span in self.spans.items() if key[0] == PARENT_ID]
        starts = [ip for span in spans for ip in span if set(range(ip, ip + size)) <= free & set(span)]
        got = self.do(command, refused)
        if refused:
            return
        assert (got is not None) == (first in starts if first is not None else bool(starts))
        if got is not None:
            network_id, range_id, span = got[0]
            assert span[0] in starts and len(span) == size and first in (None, span[0])
            if into is None:
                self.reservations.append(network_id)
            self.spans[network_id, range_id] = span
            self.owner |= dict.fromkeys(span, network_id)

    def remove_range(self, network_id: int, range_id: int, refused: bool = False) -> None:
        def command(draft: Draft) -> None:
            network = draft.network(network_id)
            draft.put(ranges.remove_range(network, range_id, draft.used_leases(network_id, range_id)))

        span = self.spans[network_id, range_id]
        is_unused = all(self.owner[ip] == network_id and ip not in self.holder for ip in span)
        got = self.do(command, refused)
        if not refused:
            assert (got is not None) == is_unused
            if is_unused:
                self._forget((network_id, range_id))

    def _forget(self, key: tuple[int, int]) -> None:
        span = self.spans.pop(key)
        for ip in span:
            if key[0] == PARENT_ID:
                del self.owner[ip]
            else:
                self.owner[ip] = PARENT_ID

    def delete_reservation(self, network_id: int, refused: bool = False) -> None:
        """Delete a reservation; the same turn may give its addresses to others."""

        def command(draft: Draft) -> None:
            network = draft.network(network_id)
            if any(draft.used_leases(network_id, ar.id) for ar in network.ranges):
                raise Refused("in use", network_id)
            draft.delete("networks", network_id)

        keys = [key for key in self.spans if key[0] == network_id]
        is_unused = not any(ip in self.holder for key in keys for ip in self.spans[key])
        got = self.do(command, refused)
        if not refused:
            assert (got is not None) == is_unused
            if is_unused:
                self.reservations.remove(network_id)
                for key in keys:
                    self._forget(key)

    def add_range(self, size: int) -> None:
        """Add a range to the parent."""

        def command(draft: Draft) -> int:
            network = draft.network(PARENT_ID)
            number = network.next_range_id
            vector = {"TYPE": "IP4", "IP": shown(BASE + (number << 8) + 1), "SIZE": str(size)}
            draft.put(ranges.add_range(network, vector, mac_prefix=PREFIX, random_mac_suffix=lambda: 0))
            return number

        got = self.do(command)
        assert got is not None
        first = BASE + (got[0] << 8) + 1
        self.spans[PARENT_ID, got[0]] = range(first, first + size)
        self.owner |= dict.fromkeys(range(first, first + size), PARENT_ID)

    def resize(self, range_id: int, size: int, refused: bool = False) -> None:
        """Give a range of the parent another size."""

        def command(draft: Draft) -> None:
            vector = {"AR_ID": str(range_id), "SIZE": str(size)}
            last = draft.last_used_index(PARENT_ID, range_id)
            draft.put(ranges.update_range(draft.network(PARENT_ID), vector, last))

        old = self.spans[PARENT_ID, range_id]
        used = [ip for ip in old if self.owner[ip] != PARENT_ID or ip in self.holder]
        got = self.do(command, refused)
        if not refused:
            assert (got is not None) == (max(used, default=0) < old[0] + size)
            if got is not None:
                new = range(old[0], old[0] + size)
                self.spans[PARENT_ID, range_id] = new
                for ip in set(old) - set(new):
                    del self.owner[ip]
                self.owner |= dict.fromkeys(set(new) - set(old), PARENT_ID)

    # -- turns -----------------------------------------------------------------------------------

    def commit(self) -> None:
        """End the turn."""
        self.store.commit(self.turn.batch)
        self.memory.adopt(self.turn.batch)
        self.turn = Draft(self.memory, self.turn.now + 1)

    def check(self) -> None:
        """Compare all leases of the turn under way with the model: none twice, none lost, none left over."""
        leases = list(self.turn.each("leases"))
        assert {one.ip: one.vm_id for one in leases} == self.holder
        assert len(leases) == len(self.holder)
        for one in leases:
            assert self.owner[one.ip] == one.network_id
        for (network_id, range_id), span in self.spans.items():
            used = [n for n, ip in enumerate(span) if ip in self.holder or self.owner[ip] != network_id]
            assert list(self.turn.taken(network_id, range_id)) == used

    def check_memory(self) -> None:
        """What memory derives must be what a restart would load."""
        fresh = Memory(self.store.load())
        for name in ("leases", "taken", "leases_of", "leases_on", "reservations_of", "networks"):
            assert getattr(self.memory, name) == getattr(fresh, name), name

    def empty(self) -> None:
        """Give everything back."""
        for vm_id in set(self.holder.values()) - {HELD_BY_NOBODY}:
            self.give_back(vm_id)
        for ip in list(self.holder):
            self.release(self.owner[ip], ip)
        for network_id in list(self.reservations):
            self.delete_reservation(network_id)
        self.commit()

    def random_command(self, random: Random) -> None:
        """Do one thing of many."""
        network_id = random.choice([PARENT_ID, PARENT_ID, *self.reservations])
        ip = random.choice(list(self.owner) or [BASE])
        refused = random.random() < 0.1
        kind = random.choices(
            ("take", "ask", "free", "hold", "release", "reserve", "grow", "rm", "delete", "resize", "add"),
            (30, 12, 20, 6, 8, 5, 3, 4, 4, 4, 1),
        )[0]
        if kind in ("take", "ask"):
            self.take(network_id, random.randrange(12), ip if kind == "ask" else None, refused)
        elif kind == "free":
            self.give_back(random.randrange(12), refused)
        elif kind == "hold":
            self.hold(network_id, ip, refused)
        elif kind == "release":
            held = [one for one, holder in self.holder.items() if holder == HELD_BY_NOBODY]
            ip = random.choice(held or [ip])
            self.release(self.owner.get(ip, network_id), ip, refused)
        elif kind in ("reserve", "grow") and len(self.reservations) < 6:
            into = random.choice(self.reservations or [None]) if kind == "grow" else None
            self.reserve(random.randint(1, 4), into, random.choice([None, None, ip]), refused)
        elif kind == "rm" and self.spans:
            self.remove_range(*random.choice(list(self.spans)), refused=refused)
        elif kind == "delete" and self.reservations:
            self.delete_reservation(random.choice(self.reservations), refused)
        elif kind == "resize" and any(key[0] == PARENT_ID for key in self.spans):
            self.resize(
                random.choice([key[1] for key in self.spans if key[0] == PARENT_ID]), random.randint(1, 12), refused
            )
        elif kind == "add" and sum(key[0] == PARENT_ID for key in self.spans) < 4:
            self.add_range(random.randint(1, 8))
