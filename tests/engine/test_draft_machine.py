"""Any sequence of commands: what drafts and memory derive is what counting from scratch gives."""

from collections import Counter, defaultdict

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from tests.core.vm.builders import event_of
from tests.engine.fake_store import FakeStore
from trifid.core.access import ENGINE
from trifid.core.host import Host, HostState
from trifid.core.image.record import NO_VM, Image, ImageState, ImageType
from trifid.core.image.uses import Room, is_being_made
from trifid.core.ledger import Share, charged_hosts
from trifid.core.network.record import AddressRange, Lease, Network, reserved_spans
from trifid.core.pci import devices_of, wishes_of
from trifid.core.template.model import template
from trifid.core.user import User
from trifid.core.vm import events
from trifid.core.vm.files import promise
from trifid.core.vm.host_devices import held_by
from trifid.core.vm.record import VM, Needs
from trifid.core.vm.states import VmState
from trifid.core.vm_group.record import membership
from trifid.engine.life import happen
from trifid.engine.memory import Memory
from trifid.engine.transaction import Draft
from trifid.errors import NotFound, Refused

HOST_IDS = [1, 2, 3]
KINDS = [
    events.Deploy,
    events.Done,
    events.Done,
    events.Failed,
    events.Terminate,
    events.Delete,
    events.MigrateLive,
    events.MigrateOff,
    events.MigrateSave,
    events.Suspend,
    events.Poweroff,
    events.Resume,
    events.SeenOff,
    events.SeenRunning,
    events.Found,
    events.Absent,
]
DEVICES = [{"TYPE": f"10de:{device}:0302", "ADDRESS": f"0000:0{n}:00.0"} for n, device in enumerate(("1eb8", "20b0"))]
WISHES = [{"VENDOR": "10de"}, {"DEVICE": "20b0"}, {"SHORT_ADDRESS": "00:00.0"}, {"CLASS": "302"}]
vm_numbers = st.integers(0, 5)
addresses = st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 3))
names = st.sampled_from(["a", "b", "c"])


class DraftMachine(RuleBasedStateMachine):
    """A turn under way over memory over a store; commands come, are refused, are folded, are committed."""

    def __init__(self) -> None:
        super().__init__()
        self.store = FakeStore()
        self.memory = Memory(self.store.load())
        self.turn = Draft(self.memory, 1000)
        for user_id, name in enumerate("abc"):
            self.turn.put(User(user_id, name, (0,)))
        self.commit()

    def run(self, command, refused: bool = False) -> None:
        """Carry a command out as a turn does; `refused` makes it fail at its very end."""
        mine = self.turn.child()
        try:
            command(mine)
            if refused:
                raise Refused("at the end")
        except (Refused, NotFound):
            return
        mine.fold()

    @rule(
        cpu=st.integers(0, 300),
        memory=st.integers(0, 900),
        pci=st.lists(st.sampled_from(WISHES), max_size=2),
        refused=st.booleans(),
    )
    def allocate(self, cpu, memory, pci, refused):
        def command(draft):
            vm_id = draft.next_id("vm")
            made = VM(vm_id, 0, 0, f"vm{vm_id}", VmState.PENDING, Needs(cpu, memory), stime=draft.now)
            group = {"VMGROUP_ID": str(cpu % 2), "ROLE": "ab"[memory % 2]}
            disk = {"DISK_ID": "0", "TYPE": "FS", "SIZE": str(memory)}
            draft.put(replace(made, template=template(DISK=[disk], VMGROUP=group, PCI=pci)))
            draft.note("VM", vm_id, ENGINE, "allocated")

        self.run(command, refused)

    @rule(vm_id=vm_numbers, kind=st.sampled_from(KINDS), host_id=st.sampled_from(HOST_IDS), refused=st.booleans())
    def something_happens(self, vm_id, kind, host_id, refused):
        def command(draft):
            vm = draft.vm(vm_id)
            event = event_of(kind, vm.step)
            if isinstance(event, events.Deploy):
                event = replace(
                    event, host_id=host_id, datastore_id=host_id % 2, tm="ssh" if host_id == 3 else "shared"
                )
            happen(draft, vm, event)

        self.run(command, refused)

    @rule(vm_id=vm_numbers, first=st.sampled_from(KINDS), second=st.sampled_from(KINDS))
    def two_things_happen_at_once(self, vm_id, first, second):
        def command(draft):
            for kind in (first, second):
                vm = draft.vm(vm_id)
                happen(draft, vm, event_of(kind, vm.step))

        self.run(command)

    @rule(vm_id=vm_numbers, cpu=st.integers(0, 300), refused=st.booleans())
    def resize(self, vm_id, cpu, refused):
        self.run(lambda draft: draft.put(replace(draft.vm(vm_id), needs=Needs(cpu, 5))), refused)

    @rule(vm_id=vm_numbers, group_id=st.integers(0, 2), role=st.sampled_from("ab"), refused=st.booleans())
    def join_or_leave_a_group(self, vm_id, group_id, role, refused):
        vectors = [{"VMGROUP_ID": str(group_id), "ROLE": role}] if group_id < 2 else []

        def command(draft):
            vm = draft.vm(vm_id)
            draft.put(replace(vm, template=vm.template.replacing("VMGROUP", *vectors)))

        self.run(command, refused)

    @rule(key=addresses, vm_id=vm_numbers, refused=st.booleans())
    def take_address(self, key, vm_id, refused):
        self.run(lambda draft: draft.put(Lease(*key, vm_id=vm_id, mac=1)), refused)

    @rule(key=addresses, refused=st.booleans())
    def give_address_back(self, key, refused):
        self.run(lambda draft: draft.delete("leases", key), refused)

    @rule(number=st.integers(0, 2), parent=st.tuples(st.integers(0, 1), st.integers(0, 1)), size=st.integers(1, 5))
    def reserve_addresses(self, number, parent, size):
        """Each reservation has a place of its own in the parents, which leases do not reach."""
        network_id, range_id = parent
        ar = AddressRange(0, "ETHER", size, 1, parent_range_id=range_id, parent_index=100 * (number + 1))
        part = Network(9 + number, 0, 0, f"part {number}", "br0", "dummy", parent_id=str(network_id), ranges=(ar,))
        self.run(lambda draft: draft.put(part))

    @rule(number=st.integers(0, 2), refused=st.booleans())
    def give_reservation_back(self, number, refused):
        self.run(lambda draft: draft.delete("networks", 9 + number), refused)

    @rule(user_id=st.integers(0, 2), name=names, refused=st.booleans())
    def name_user(self, user_id, name, refused):
        def command(draft):
            taken = draft.named("user", name)
            if taken not in (None, user_id):
                raise Refused(f"{name} is taken by {taken}")
            draft.put(User(user_id, name, (0,)))

        self.run(command, refused)

    @rule(user_id=st.integers(0, 2), refused=st.booleans())
    def delete_user(self, user_id, refused):
        self.run(lambda draft: draft.delete("users", user_id), refused)

    @rule(one=st.integers(0, 2), other=st.integers(0, 2))
    def swap_names(self, one, other):
        def command(draft):
            first, second = draft.user(one), draft.user(other)
            draft.put(replace(first, name=second.name))
            draft.put(replace(second, name=first.name))

        self.run(command)

    @rule(host_id=st.sampled_from(HOST_IDS), name=names, refused=st.booleans())
    def put_host(self, host_id, name, refused):
        def command(draft):
            if draft.named("host", name) in (None, host_id):
                host = Host(host_id, name, HostState.MONITORED, "dummy", "dummy", template=template(PCI=DEVICES))
                draft.put(host)

        self.run(command, refused)

    @rule(
        image_id=st.integers(0, 3),
        datastore_id=st.integers(1, 2),
        size_mib=st.integers(0, 50),
        state=st.sampled_from([ImageState.LOCKED, ImageState.READY]),
        step=st.integers(1, 2),
        saved_from=st.sampled_from([NO_VM, 5]),
        refused=st.booleans(),
    )
    def put_image(self, image_id, datastore_id, size_mib, state, step, saved_from, refused):
        def command(draft):
            image = Image(image_id, 0, 0, f"image {image_id}", ImageType.OS, datastore_id, state, step=step)
            draft.put(replace(image, size_mib=size_mib, saved_from=saved_from))

        self.run(command, refused)

    @rule(image_id=st.integers(0, 3), refused=st.booleans())
    def delete_image(self, image_id, refused):
        self.run(lambda draft: draft.delete("images", image_id), refused)

    @precondition(lambda self: not self.turn.batch.is_empty)
    @rule()
    def commit(self):
        batch = self.turn.batch
        batch.journal = [replace(e, id=self.memory.journal_id + n) for n, e in enumerate(batch.journal, start=1)]
        self.store.commit(batch)
        self.memory.adopt(batch)
        self.turn = Draft(self.memory, self.turn.now + 1)

    # -- counted from scratch --------------------------------------------------------------------

    @invariant()
    def capacity_is_the_sum_over_the_vms(self):
        shares: dict[int, Share] = defaultdict(Share)
        carried = defaultdict(set)
        for vm in self.turn.each("vms"):
            for host_id in charged_hosts(vm):
                shares[host_id] = shares[host_id].plus(vm.needs, 1)
                carried[host_id].add(vm.id)
        for host_id in (*HOST_IDS, 9):
            assert self.turn.share(host_id) == shares[host_id]
            assert self.turn.vms_on(host_id) == carried[host_id]

    @invariant()
    def no_device_is_given_to_two_vms(self):
        held = [(*place, vm.id) for vm in self.turn.each("vms") for place in held_by(vm)]
        assert len({place[:2] for place in held}) == len(held)
        for host_id in HOST_IDS:
            assert self.turn.devices_on(host_id) == {address: vm_id for on, address, vm_id in held if on == host_id}

    @invariant()
    def a_vm_that_came_to_a_host_has_all_devices_that_it_wishes_there(self):
        for vm in self.turn.each("vms"):
            if vm.state in (VmState.PROLOG, VmState.BOOT):
                wishes = wishes_of(vm.template)
                devices = devices_of(template(PCI=DEVICES))
                assert len(vm.current.devices) == len(set(vm.current.devices)) == len(wishes)
                assert all(devices[a].suits(wish) for a, wish in zip(vm.current.devices, wishes, strict=True))

    @invariant()
    def groups_have_the_vms_that_say_so(self):
        for group_id in (0, 1):
            vms, places = defaultdict(set), defaultdict(lambda: defaultdict(set))
            for vm in self.turn.each("vms"):
                of, role = membership(vm) or (-1, "")
                if of == group_id:
                    vms[role].add(vm.id)
                    for host_id in charged_hosts(vm):
                        places[role][host_id].add(vm.id)
            found = self.turn.members_of(group_id)
            assert (found.vms, found.places) == (vms, places)

    @invariant()
    def promised_room_is_the_sum_over_the_vms(self):
        promised = Counter()
        for place, mib in filter(None, map(promise, self.turn.each("vms"))):
            promised[place] += mib
        for place in (("datastore", 0), ("datastore", 1), ("host", 3), ("host", 1)):
            assert self.turn.promised(place) == promised[place]

    @invariant()
    def datastores_hold_what_their_images_take(self):
        for datastore_id in (1, 2):
            there = [image for image in self.turn.each("images") if image.datastore_id == datastore_id]
            coming = [image for image in there if is_being_made(image)]
            sizes = [sum(image.size_mib for image in images) for images in (there, coming)]
            assert self.turn.room_of_images(datastore_id) == Room(*sizes)
            assert self.turn.images_in(datastore_id) == {image.id for image in there}

    @invariant()
    def leases_are_counted_as_they_are(self):
        leases = list(self.turn.each("leases"))
        indexes = defaultdict(set)
        for lease in leases:
            indexes[lease.key[:2]].add(lease.index)
        for network in self.turn.each("networks"):
            for network_id, range_id, first, last in reserved_spans(network):
                indexes[network_id, range_id] |= set(range(first, last + 1))
        for number in (0, 1):
            parts = {network.id for network in self.turn.each("networks") if network.parent_id == str(number)}
            assert self.turn.reservations_of(number) == parts
        for key in [(n, r) for n in (0, 1) for r in (0, 1)]:
            assert set(self.turn.taken(*key)) == indexes[key]
            assert self.turn.used_leases(*key) == len(indexes[key])
            assert self.turn.last_used_index(*key) == max(indexes[key], default=-1)
        for vm_id in range(6):
            expected = {lease.key for lease in leases if lease.vm_id == vm_id}
            assert {lease.key for lease in self.turn.leases_of(vm_id)} == expected

    @invariant()
    def names_find_their_owners(self):
        for kind, pool in (("user", "users"), ("host", "hosts")):
            owners = {record.name: record.id for record in self.turn.each(pool)}
            assert {name: self.turn.named(kind, name) for name in "abc"} == {n: owners.get(n) for n in "abc"}

    @invariant()
    def one_action_at_most_and_it_is_of_the_present_step(self):
        for action in self.turn.each("actions"):
            assert self.turn.vm(action.vm_id).step == action.step

    @invariant()
    def memory_is_what_a_restart_would_load(self):
        fresh = Memory(self.store.load())
        for name, value in vars(fresh).items():
            assert getattr(self.memory, name) == value, name


TestDraftMachine = DraftMachine.TestCase
TestDraftMachine.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
