"""A VM's networks are on its host before the hypervisor is asked, and go with it."""

import pytest
from msgspec.structs import replace

from tests.core.vm.builders import event_of, stay, vm
from tests.engine.world import FakeDriver, FakeOrders, World, answer
from trifid.core.host import Host, HostState
from trifid.core.network.host_document import Group, Rule
from trifid.core.network.record import AddressRange, Network
from trifid.core.network.security_group import SecurityGroup
from trifid.core.template.model import template
from trifid.core.vm import events
from trifid.core.vm.states import VmState as S
from trifid.engine.drivers import DriverSet
from trifid.engine.host_networks import AGAIN_S, REFRESH_S, HostNetworks
from trifid.engine.life import happen
from trifid.engine.outbox import Outbox
from trifid.wire.host_networks import parse, render_answer
from trifid.wire.lines import LINE_BYTES_MAX, parse_to_driver

NIC = {
    "NIC_ID": "0", "NETWORK_ID": "2", "MAC": "02:00:0a:00:00:01", "IP": "10.0.0.1", "TARGET": "one-42-0",
    "SECURITY_GROUPS": "100",
}  # fmt: skip
TEMPLATE = template(CPU="1", MEMORY="128", NIC=[NIC])
TIMEOUT_S = 60.0


class Play:
    """A world with an outbox, a network driver, two hosts, a network and a security group."""

    def __init__(self, has_driver: bool = True) -> None:
        self.world = World()
        self.vnm = FakeDriver("vnm", "linux", timeout_s=TIMEOUT_S)
        found = {(d.family, d.name): d for d in (self.world.vmm, self.world.tm)}
        if has_driver:
            found[("vnm", "linux")] = self.vnm
        drivers = DriverSet(found)
        call_later = self.world.clock.call_later
        self.outbox = Outbox(self.world.turns, drivers, FakeOrders(), call_later=call_later)
        self.networks = HostNetworks(
            self.world.memory,
            drivers,
            lambda group: Group(group.id, (Rule(True, "tcp", ((group.version, group.version),)),)),
            lambda network: None,
            call_later=call_later,
        )
        self.outbox.networks = self.networks
        self.world.turns.after_commit.append(self.networks.committed)

    async def begin(self, vn_mad: str = "fw") -> None:
        hosts = [Host(n, f"host{n}", HostState.MONITORED, "dummy", "dummy") for n in (3, 4)]
        network = Network(id=2, uid=0, gid=0, name="private", bridge="onebr2", vn_mad=vn_mad, vlan_id="7")
        await self.world.put(*hosts, network, SecurityGroup(id=100, uid=0, gid=0, name="web", version=1))

    async def has(self, state: S, **more: object) -> None:
        await self.world.put(vm(state, template=TEMPLATE, **more))
        await self.world.settle()

    async def happens(self, kind: type[events.Event]) -> None:
        await self.world.turns.ask(lambda draft: happen(draft, draft.vm(42), event_of(kind, draft.vm(42).step)))
        await self.world.settle()

    async def applied(self, host_id: int = 3, status: str = "SUCCESS", text: str = "-") -> None:
        self.networks.said(self.vnm, answer("APPLY", host_id, status, text))
        await self.world.settle()

    def told(self):
        """Return the document that was sent last, the only one since the last time."""
        (line,) = self.vnm.sent
        self.vnm.sent = []
        return parse(parse_to_driver(line).payload)

    @property
    def state(self) -> S:
        return self.world.memory.vms[42].state


@pytest.fixture
async def play():
    made = Play()
    yield made
    await made.world.turns.close()


async def test_a_vm_boots_when_its_host_has_its_networks(play):
    await play.begin()
    await play.has(S.PROLOG)
    play.told()
    await play.happens(events.Done)
    assert play.world.vmm.take() == []
    await play.applied()
    assert play.world.vmm.take() == ["DEPLOY 42"]


async def test_what_is_there_already_is_not_waited_for(play):
    await play.begin()
    await play.has(S.PROLOG)
    await play.applied()
    await play.happens(events.Done)
    assert play.world.vmm.take() == ["DEPLOY 42"]


async def test_a_host_that_cannot_be_told_fails_what_waits_for_it_and_is_told_again_later(play):
    await play.begin()
    await play.has(S.PROLOG)
    play.told()
    await play.happens(events.Done)
    await play.applied(status="FAILURE", text="nft is missing: install nftables")
    assert play.state is S.BOOT_FAILURE
    error = play.world.memory.vms[42].user_template.single("ERROR")
    assert "host3" in error and "nft is missing" in error
    play.vnm.sent = []
    await play.applied(status="FAILURE", text="nft is missing: install nftables")
    play.world.clock.pass_by(AGAIN_S)
    assert [port.vm_id for port in play.told().ports] == [42]


async def test_a_driver_that_is_silent_fails_what_waits_for_it(play):
    await play.begin()
    await play.has(S.PROLOG)
    await play.happens(events.Done)
    play.world.clock.pass_by(TIMEOUT_S)
    await play.world.settle()
    assert play.state is S.BOOT_FAILURE


async def test_without_a_driver_no_vm_boots_unfiltered(play):
    bare = Play(has_driver=False)
    await bare.begin()
    await bare.has(S.PROLOG)
    await bare.happens(events.Done)
    assert bare.state is S.BOOT_FAILURE
    assert "needs a network driver, none is configured" in bare.world.memory.vms[42].user_template.single("ERROR")
    await bare.world.turns.close()


async def test_a_plain_bridge_is_waited_for_by_nobody(play):
    await play.begin("bridge")
    await play.has(S.PROLOG)
    await play.happens(events.Done)
    assert play.world.vmm.take() == ["DEPLOY 42"]
    assert play.vnm.sent == []


async def test_the_rules_of_a_vm_that_left_go(play):
    await play.begin()
    await play.has(S.SHUTDOWN_POWEROFF)
    play.told()
    await play.applied()
    await play.happens(events.Done)
    assert play.state is S.POWEROFF
    assert play.told().ports == ()


async def test_a_live_migration_has_its_rules_on_both_hosts_before_it_begins_and_on_one_afterwards(play):
    await play.begin("vxlan")
    await play.has(S.RUNNING, history=(stay(0, host_id=3),))
    play.told()
    await play.applied()
    move = events.MigrateLive(host_id=4, hostname="host4", cluster_id=0, vmm="dummy", tm="dummy", datastore_id=0)
    await play.world.turns.ask(lambda draft: happen(draft, draft.vm(42), move))
    await play.world.settle()
    assert play.world.vmm.take() == []
    documents = {
        parse(parse_to_driver(line).payload).host: parse(parse_to_driver(line).payload) for line in play.vnm.sent
    }
    assert set(documents) == {"host3", "host4"}  # the source learns of its new peer
    await play.applied(4)
    await play.applied(3)
    assert play.world.vmm.take() == ["MIGRATE 42"]
    play.vnm.sent = []
    await play.happens(events.Done)
    last = {parse(parse_to_driver(line).payload).host: parse(parse_to_driver(line).payload) for line in play.vnm.sent}
    assert last["host3"].ports == ()


async def test_a_change_of_a_security_group_reaches_the_hosts_of_its_vms_and_is_told_as_it_stands(play):
    await play.begin()
    await play.has(S.RUNNING)
    play.told()
    await play.applied()
    assert play.networks.group_states(100)["UPDATED"] == {42}
    group = play.world.memory.security_groups[100]
    await play.world.put(replace(group, version=2))
    await play.world.settle()
    assert play.networks.group_states(100)["UPDATING"] == {42}
    assert play.told().groups[0].rules[0].ports == ((2, 2),)
    await play.applied(status="FAILURE", text="no route to host")
    assert play.networks.group_states(100)["ERROR"] == {42}


async def test_what_changes_while_a_host_is_being_told_is_told_afterwards(play):
    await play.begin()
    await play.has(S.RUNNING)
    play.told()
    group = play.world.memory.security_groups[100]
    await play.world.put(replace(group, version=2))
    await play.world.put(replace(group, version=3))
    assert play.vnm.sent == []
    await play.applied()
    assert play.told().groups[0].rules[0].ports == ((3, 3),)


async def test_a_driver_that_comes_back_is_told_of_every_host_so_that_leftovers_go(play):
    await play.begin()
    play.networks.down(play.vnm, "it died")
    play.networks.ready(play.vnm)
    documents = [parse(parse_to_driver(line).payload) for line in play.vnm.sent]
    assert [(one.host, one.ports) for one in documents] == [("host3", ()), ("host4", ())]


async def test_a_vm_that_was_deleted_while_it_waited_is_not_sent(play):
    await play.begin()
    await play.has(S.PROLOG)
    await play.happens(events.Done)
    await play.happens(events.Delete)
    assert play.world.vmm.take() == ["CANCEL 42"]
    await play.applied()
    assert play.world.vmm.take() == []


async def test_limits_are_left_out_of_what_a_hypervisor_is_told(play):
    await play.begin()
    machine = vm(template=template(NIC=[{**NIC, "OUTBOUND_AVG_BW": "100"}]))
    assert "OUTBOUND_AVG_BW" not in play.networks.limits_left_out(machine).template.vectors("NIC")[0]


async def test_a_vm_that_is_switched_on_again_at_once_waits_while_its_host_is_told_that_it_has_left(play):
    await play.begin()
    await play.has(S.SHUTDOWN_POWEROFF)
    await play.applied()
    await play.happens(events.Done)
    await play.happens(events.Resume)
    assert play.world.vmm.take() == []
    await play.applied()
    assert play.world.vmm.take() == []
    await play.applied()
    assert play.world.vmm.take() == ["DEPLOY 42"]


@pytest.mark.parametrize("why", ["FAILURE", "silence", "death"])
async def test_a_host_that_may_have_forgotten_a_vm_is_told_of_it_again_before_it_boots(play, why):
    await play.begin()
    await play.has(S.SHUTDOWN_POWEROFF)
    await play.applied()
    await play.happens(events.Done)
    if why == "FAILURE":
        await play.applied(status="FAILURE", text="there is no interface eth7")
    elif why == "silence":
        play.world.clock.pass_by(TIMEOUT_S)
    else:
        play.networks.down(play.vnm, "it died")
    await play.happens(events.Resume)
    assert play.world.vmm.take() == []
    await play.applied()
    assert play.world.vmm.take() == ["DEPLOY 42"]


async def test_what_a_host_has_applied_too_late_lets_no_vm_boot(play):
    await play.begin()
    await play.has(S.PROLOG)
    old = play.told().version
    play.world.clock.pass_by(TIMEOUT_S)
    await play.happens(events.Done)
    await play.applied(text=str(old))
    assert play.world.vmm.take() == []
    await play.applied(text=str(play.told().version))
    assert play.world.vmm.take() == ["DEPLOY 42"]


async def test_a_document_that_fits_on_no_line_fails_what_waits_for_it_at_once(play):
    await play.begin()
    await play.world.put(vm(S.PROLOG, template=template(NIC=[{**NIC, "TARGET": "x" * LINE_BYTES_MAX}])))
    await play.happens(events.Done)
    assert play.vnm.sent == []
    assert play.state is S.BOOT_FAILURE
    assert "its document would be a line of" in play.world.memory.vms[42].user_template.single("ERROR")


async def test_a_lease_for_a_vm_elsewhere_is_no_news_to_the_hosts_of_a_network(play):
    await play.begin()
    network = replace(
        play.world.memory.networks[2], ranges=(AddressRange(id=0, type="IP4", size=9, mac=1, ip=0x0A000001),)
    )
    await play.world.put(network)
    await play.has(S.RUNNING)
    await play.applied()
    play.vnm.sent = []
    await play.world.put(replace(network, ranges=(replace(network.ranges[0], next_index=5),)))
    assert play.vnm.sent == []
    await play.world.put(replace(network, ranges=(replace(network.ranges[0], size=7),)))
    assert play.told().networks


@pytest.mark.parametrize(("vn_mad", "told"), [("fw", {"host3"}), ("vxlan", {"host3", "host4"})])
async def test_a_host_that_has_changed_is_told_again_and_so_are_those_with_tunnels_to_it(play, vn_mad, told):
    await play.begin(vn_mad)
    for vm_id, host_id in ((42, 3), (43, 4)):
        await play.world.put(replace(vm(S.RUNNING, template=TEMPLATE, history=(stay(0, host_id=host_id),)), id=vm_id))
    for _ in range(2):
        await play.applied(3)
        await play.applied(4)
    play.vnm.sent = []
    await play.world.put(replace(play.world.memory.hosts[3], state=HostState.ERROR))
    assert {parse(parse_to_driver(line).payload).host for line in play.vnm.sent} == told


# -- one network's trouble -----------------------------------------------------------------------------

OTHER = template(CPU="1", MEMORY="128", NIC=[{**NIC, "NETWORK_ID": "5", "TARGET": "one-43-0"}])


async def two_vms_wait(play) -> str:
    """Have VM 42 wait for network 2 and VM 43 for network 5, on one host; return the version that it is told."""
    await play.begin()
    await play.world.put(Network(id=5, uid=0, gid=0, name="broken", bridge="onebr5", vn_mad="fw"))
    await play.world.put(vm(S.PROLOG, template=TEMPLATE), replace(vm(S.PROLOG, template=OTHER), id=43))
    for vm_id in (42, 43):
        await play.world.turns.ask(
            lambda draft, vm_id=vm_id: happen(draft, draft.vm(vm_id), event_of(events.Done, draft.vm(vm_id).step))
        )
    await play.world.settle()
    assert play.world.vmm.take() == []
    return str(parse(parse_to_driver(play.vnm.sent[-1]).payload).version)


async def test_a_network_that_cannot_be_made_fails_the_vms_that_need_it_and_no_others(play):
    version = await two_vms_wait(play)
    await play.applied(text=render_answer(int(version), {5: "there is no interface eth9"}))
    assert play.world.vmm.take() == ["DEPLOY 42"]
    other = play.world.memory.vms[43]
    assert other.state is S.BOOT_FAILURE
    error = other.user_template.single("ERROR")
    assert "host3 could not make network broken [5]: there is no interface eth9" in error
    states = play.networks.group_states(100)
    assert (states["UPDATED"], states["ERROR"]) == ({42}, {43})


async def test_a_vm_in_a_network_that_could_not_be_made_boots_when_it_can(play):
    version = await two_vms_wait(play)
    await play.applied(text=render_answer(int(version), {5: "there is no interface eth9"}))
    play.vnm.sent = []
    play.world.clock.pass_by(AGAIN_S)
    assert [port.vm_id for port in play.told().ports] == [42, 43]
    await play.applied()
    await play.world.turns.ask(lambda draft: happen(draft, draft.vm(43), event_of(events.Retry)))
    await play.world.settle()
    assert play.world.vmm.take() == ["DEPLOY 42", "DEPLOY 43"]
    assert play.networks.group_states(100)["ERROR"] == set()


async def test_an_answer_that_cannot_be_read_is_none(play):
    await play.begin()
    await play.has(S.PROLOG)
    await play.happens(events.Done)
    await play.applied(text=f"{play.told().version} !")
    assert play.state is S.BOOT_FAILURE


async def test_what_a_host_that_was_deleted_was_told_is_forgotten(play):
    await play.begin("vxlan")
    for vm_id, host_id in ((42, 3), (43, 4)):
        await play.world.put(replace(vm(S.RUNNING, template=TEMPLATE, history=(stay(0, host_id=host_id),)), id=vm_id))
    for _ in range(2):
        await play.applied(3)
        await play.applied(4)
    play.vnm.sent = []

    def gone(draft):
        draft.delete("vms", 43)
        draft.delete("hosts", 4)

    await play.world.turns.ask(gone)
    assert play.told().networks[0].peers == ()
    await play.applied(3)
    play.vnm.sent = []
    play.world.clock.pass_by(REFRESH_S)
    assert play.told().host == "host3"
