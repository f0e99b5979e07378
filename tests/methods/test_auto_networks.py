"""NICs that take any network: submitted without one, given one with the VM's host, and kept from then on."""

import asyncio
import json

import pytest
from msgspec.structs import replace

from tests.methods.world import ADMIN, ALICE, ALICE_ID, BOB_ID, HOST_ID, NETWORK_ID, STAFF_GID, Refusal
from trifid.core.access import Caller, Permissions
from trifid.core.network.record import AddressRange, NetworkState
from trifid.core.network.security_group import SecurityGroup
from trifid.core.vm import events
from trifid.core.vm.states import VmState
from trifid.engine.life import happen
from trifid.placement.networks import Networks
from trifid.placement.reading import waiting_vms
from trifid.placement.reading_networks import access_rules, networks, owners

SMALL = "CPU=1\nMEMORY=1\n"
AUTO = "NIC=[NETWORK_MODE=auto]\n"
SECOND_ID, FAR_ID, FAR_HOST_ID, FAR_CLUSTER_ID, GROUP_ID = 20, 21, 22, 100, 30


@pytest.fixture(autouse=True)
async def cloud(world):
    """Everybody may use the network `lan`, a second one beside it, and a third one in a far cluster with a host."""
    await world.open_network()
    lan, host = world.memory.networks[NETWORK_ID], world.memory.hosts[HOST_ID]
    host = replace(host, total_memory_kib=1 << 20)
    system = world.memory.datastores[0]
    await world.put(
        replace(world.memory.clusters[0], id=FAR_CLUSTER_ID, name="far"),
        host,
        replace(host, id=FAR_HOST_ID, name="node9", cluster_id=FAR_CLUSTER_ID),
        replace(system, cluster_ids=(0, FAR_CLUSTER_ID)),
        replace(lan, id=SECOND_ID, name="second", ranges=(ip_range(0x0A000100),)),
        replace(lan, id=FAR_ID, name="far", ranges=(ip_range(0x0A000200),), cluster_ids=(FAR_CLUSTER_ID,)),
        SecurityGroup(id=GROUP_ID, uid=0, gid=0, name="web"),
    )
    return world


def ip_range(first: int, size: int = 4) -> AddressRange:
    return AddressRange(id=0, type="IP4", size=size, mac=0x020000000000 + first, ip=first)


async def made(world, text: str = AUTO, who: str = ALICE) -> int:
    return await world.ask(who, "one.vm.allocate", SMALL + text)


async def place(world, vm_id: int, *chosen: tuple[int, int], host_id: int = HOST_ID):
    text = "".join(f"NIC=[NIC_ID={nic_id},NETWORK_MODE=auto,NETWORK_ID={number}]\n" for nic_id, number in chosen)
    return await world.ask(ADMIN, "trifid.vm.place", vm_id, host_id, -1, "", text)


def vm(world, vm_id: int):
    return world.memory.vms[vm_id]


def nics(world, vm_id: int) -> list[dict[str, str]]:
    return vm(world, vm_id).template.vectors("NIC")


def network_ids(world, vm_id: int) -> list[str]:
    return [nic.get("NETWORK_ID", "") for nic in nics(world, vm_id)]


def holders(world) -> dict[int, list[int]]:
    """Network id to the VMs that have addresses of it."""
    found: dict[int, list[int]] = {}
    for lease in world.memory.leases.values():
        found.setdefault(lease.network_id, []).append(lease.vm_id)
    return found


async def answered(world, vm_id: int) -> None:
    """The driver has done what it was asked."""

    def command(draft):
        now = draft.vm(vm_id)
        happen(draft, now, events.Done(step=now.step))

    await world.engine.turns.ask(command)


async def run(world, vm_id: int) -> None:
    while vm(world, vm_id).state is not VmState.RUNNING:
        await answered(world, vm_id)


class TestWaiting:
    async def test_a_nic_that_takes_any_network_waits_without_an_address(self, world):
        vm_id = await made(world, AUTO + "NIC=[NETWORK=second]")
        assert nics(world, vm_id)[0] == {"NETWORK_MODE": "auto", "NIC_ID": "0"}
        assert network_ids(world, vm_id) == ["", str(SECOND_ID)]
        assert holders(world) == {SECOND_ID: [vm_id]}

    async def test_what_it_asks_is_looked_at_at_once(self, world):
        with pytest.raises(Refusal, match="NIC 0: SCHED_REQUIREMENTS: "):
            await made(world, 'NIC=[NETWORK_MODE=auto,SCHED_REQUIREMENTS="A = "]')
        with pytest.raises(Refusal, match=r"Security group|SECGROUP"):
            await made(world, f"NIC=[NETWORK_MODE=auto,SECURITY_GROUPS={GROUP_ID}]")

    async def test_a_vm_that_never_ran_leaves_nothing_behind(self, world):
        vm_id = await made(world)
        await world.ask(ALICE, "one.vm.action", "terminate-hard", vm_id)
        assert holders(world) == {}

    async def test_a_scheduler_reads_what_the_engine_knows(self, world):
        wishes = 'SCHED_REQUIREMENTS="NAME = \\"second\\"",SCHED_RANK="- USED_LEASES"'
        vm_id = await made(world, f"NIC=[NETWORK=lan]\nNIC=[NETWORK_MODE=auto,{wishes}]")
        await world.change("networks", SECOND_ID, uid=0, gid=STAFF_GID, permissions=Permissions(0o640))
        seen = await self.views(world)
        for text in (
            await world.ask(ADMIN, "one.vmpool.info", -2, vm_id, vm_id, 1),
            await world.ask(ADMIN, "one.vm.info", vm_id),
        ):
            (waiting,) = waiting_vms(text)
            assert Networks(seen).choices(waiting, [0, FAR_CLUSTER_ID]) == {0: ((1, SECOND_ID),)}
        assert {one.id: (one.free, one.used) for one in seen}[NETWORK_ID] == (9, 1)

    @staticmethod
    async def views(world):
        rules = access_rules(await world.ask(ADMIN, "one.acl.info"))
        people = owners(await world.ask(ADMIN, "one.userpool.info"), {ALICE_ID}, rules)
        gids = (1, STAFF_GID)
        assert people == [Caller(ALICE_ID, "alice", gids, rules=rules.of(ALICE_ID, gids))]
        return networks(await world.ask(ADMIN, "one.vnpool.info", -2, -1, -1), people)

    async def test_what_is_free_is_told_where_shared_addresses_are_in_use(self, world):
        shared = replace(ip_range(0x0A000900), id=1, attributes={"SHARED": "YES"})
        lan = world.memory.networks[NETWORK_ID]
        await world.put(replace(lan, ranges=(*lan.ranges, shared)))
        await made(world, 'NIC=[NETWORK=lan]\nNIC=[NETWORK=lan,IP="10.0.9.0"]\nNIC=[NETWORK=lan,IP="10.0.9.0"]')
        (free,) = [one.free for one in await self.views(world) if one.id == NETWORK_ID]
        assert free == 9
        assert "FREE_LEASES" not in world.memory.networks[NETWORK_ID].template

    async def test_what_is_told_of_free_addresses_is_not_kept_when_it_comes_back(self, world):
        await world.ask(ADMIN, "one.vn.update", NETWORK_ID, "FREE_LEASES=7\nA=1", 1)
        (free,) = [one.free for one in await self.views(world) if one.id == NETWORK_ID]
        assert free == 10


class TestPlacing:
    async def test_network_address_and_host_come_together(self, world):
        vm_id = await made(world)
        await place(world, vm_id, (0, SECOND_ID))
        (nic,) = nics(world, vm_id)
        assert (nic["NETWORK_ID"], nic["IP"], nic["BRIDGE"], nic["TARGET"]) == (
            str(SECOND_ID),
            "10.0.1.0",
            "br0",
            f"one-{vm_id}-0",
        )
        assert (nic["NETWORK_MODE"], nic["SECURITY_GROUPS"]) == ("auto", "0")
        assert vm(world, vm_id).state is VmState.PROLOG
        assert holders(world) == {SECOND_ID: [vm_id]}

    async def test_deploy_takes_the_same_choice(self, world):
        vm_id = await made(world)
        choice = f'NIC = [ NIC_ID = 0, NETWORK_MODE = "auto", NETWORK_ID = {SECOND_ID} ]'
        await world.ask(ADMIN, "one.vm.deploy", vm_id, HOST_ID, True, -1, choice)
        assert network_ids(world, vm_id) == [str(SECOND_ID)]

    async def test_security_groups_are_those_of_the_nic_and_of_its_network(self, world):
        await world.change("security_groups", GROUP_ID, permissions=Permissions(0o604))
        vm_id = await made(world, f"NIC=[NETWORK_MODE=auto,SECURITY_GROUPS={GROUP_ID}]")
        await world.change("security_groups", GROUP_ID, permissions=Permissions(0o600))
        await world.ask(ADMIN, "one.vn.update", SECOND_ID, "SECURITY_GROUPS=0", 1)
        await place(world, vm_id, (0, SECOND_ID))
        assert nics(world, vm_id)[0]["SECURITY_GROUPS"] == f"{GROUP_ID},0"

    async def test_a_guest_is_told_the_address_that_it_got(self, world):
        vm_id = await made(world, AUTO + 'CONTEXT=[NETWORK=YES,ME="$NAME at $NIC[IP]",WHO="$UNAME"]')
        assert vm(world, vm_id).template.vector("CONTEXT")["ME"] == f"one-{vm_id} at $NIC[IP]"
        await place(world, vm_id, (0, SECOND_ID))
        context = vm(world, vm_id).template.vector("CONTEXT")
        assert (context["ME"], context["ETH0_IP"], context["WHO"]) == (f"one-{vm_id} at 10.0.1.0", "10.0.1.0", "alice")

    async def test_a_context_that_is_changed_meanwhile_waits_too(self, world):
        vm_id = await made(world, AUTO + "CONTEXT=[NETWORK=YES]")
        await world.ask(ALICE, "one.vm.updateconf", vm_id, 'CONTEXT=[NETWORK=YES,ME="$NIC[IP]"]', 0)
        await place(world, vm_id, (0, SECOND_ID))
        context = vm(world, vm_id).template.vector("CONTEXT")
        assert (context["ME"], context["ETH0_IP"]) == ("10.0.1.0", "10.0.1.0")

    async def test_a_network_without_an_address_left_leaves_everything_as_it_was(self, world):
        await world.change("networks", SECOND_ID, ranges=(ip_range(0x0A000100, 1),))
        first, second = await made(world), await made(world, AUTO + AUTO)
        await place(world, first, (0, SECOND_ID))
        before = vm(world, second)
        with pytest.raises(Refusal, match=r"NIC 1: network second .* has no free address"):
            await place(world, second, (0, NETWORK_ID), (1, SECOND_ID))
        assert vm(world, second) == before
        assert holders(world) == {SECOND_ID: [first]}

    async def test_two_vms_placed_in_one_turn_do_not_get_the_same_address(self, world):
        await world.change("networks", SECOND_ID, ranges=(ip_range(0x0A000100, 1),))
        vms = [await made(world), await made(world)]
        both = [asyncio.create_task(place(world, vm_id, (0, SECOND_ID))) for vm_id in vms]
        (refused,) = [one for one in await asyncio.gather(*both, return_exceptions=True) if isinstance(one, Refusal)]
        assert "has no free address" in refused.text
        assert len(world.memory.leases) == 1

    async def test_a_network_that_the_owner_may_not_use_is_refused_even_for_an_administrator(self, world):
        await world.change("networks", SECOND_ID, permissions=Permissions(0o600))
        vm_id = await made(world)
        with pytest.raises(Refusal, match=rf"User \[{ALICE_ID}\] : Not authorized to perform USE NET \[{SECOND_ID}\]"):
            await place(world, vm_id, (0, SECOND_ID))
        assert vm(world, vm_id).state is VmState.PENDING

    async def test_a_network_that_is_locked_against_use_is_given_to_nobody_and_no_scheduler_chooses_it(self, world):
        vm_id = await made(world)
        await world.ask(ADMIN, "one.vn.lock", SECOND_ID, 1)
        with pytest.raises(Refusal, match=rf"NET \[{SECOND_ID}\]. It is locked"):
            await place(world, vm_id, (0, SECOND_ID))
        seen = {one.id: one for one in await TestWaiting.views(world)}
        assert (seen[SECOND_ID].uids, ALICE_ID in seen[NETWORK_ID].uids) == (frozenset(), True)
        await world.ask(ADMIN, "one.vn.lock", SECOND_ID, 2)
        await place(world, vm_id, (0, SECOND_ID))

    async def test_it_is_the_owner_of_today_who_must_be_allowed(self, world):
        await world.change("networks", SECOND_ID, uid=BOB_ID, permissions=Permissions(0o600))
        vm_id = await made(world)
        await world.ask(ADMIN, "one.vm.chown", vm_id, BOB_ID, -1)
        await place(world, vm_id, (0, SECOND_ID))
        assert network_ids(world, vm_id) == [str(SECOND_ID)]

    async def test_a_network_of_another_cluster_than_the_hosts_is_refused(self, world):
        vm_id = await made(world)
        with pytest.raises(Refusal, match=r"network far \[21\] is in cluster far \[100\]"):
            await place(world, vm_id, (0, FAR_ID))
        await place(world, vm_id, (0, FAR_ID), host_id=FAR_HOST_ID)
        assert network_ids(world, vm_id) == [str(FAR_ID)]

    @pytest.mark.parametrize(
        ("choice", "said"),
        [
            ((0, 77), r"NIC 0 of VM 50: network \[77\] is not there"),
            ((1, SECOND_ID), "VM 50 has no NIC 1 that waits for a network, 0 do"),
        ],
    )
    async def test_a_choice_that_cannot_be_is_refused_with_the_reason(self, world, choice, said):
        vm_id = await made(world)
        with pytest.raises(Refusal, match=said):
            await place(world, vm_id, choice)
        assert vm(world, vm_id).state is VmState.PENDING

    async def test_a_network_that_is_not_ready_is_refused(self, world):
        await world.change("networks", SECOND_ID, state=NetworkState.ERROR)
        vm_id = await made(world)
        with pytest.raises(Refusal, match=r"network second \[20\] is ERROR, choose another"):
            await place(world, vm_id, (0, SECOND_ID))

    async def test_a_network_is_not_chosen_twice(self, world):
        vm_id = await made(world)
        await place(world, vm_id, (0, SECOND_ID))
        await run(world, vm_id)
        with pytest.raises(Refusal, match="has no NIC 0 that waits for a network, none do"):
            await place(world, vm_id, (0, NETWORK_ID))


class TestChoosing:
    """Where nobody names a network, the engine takes the best."""

    @pytest.mark.parametrize(("policy", "best"), [("striping", SECOND_ID), ("packing", NETWORK_ID)])
    async def test_deploy_by_hand_takes_the_best_network_of_the_hosts_cluster(self, world, policy, best):
        await made(world, "NIC=[NETWORK=lan]\n")
        world.decide_by(network_policy=policy)
        vm_id = await made(world)
        await world.ask(ADMIN, "one.vm.deploy", vm_id, HOST_ID)
        assert network_ids(world, vm_id) == [str(best)]

    async def test_a_host_in_another_cluster_means_another_network(self, world):
        vm_id = await made(world)
        await world.ask(ADMIN, "one.vm.deploy", vm_id, FAR_HOST_ID)
        assert network_ids(world, vm_id) == [str(FAR_ID)]

    async def test_what_is_chosen_is_kept_and_the_rest_is_filled_up_with_others(self, world):
        vm_id = await made(world, AUTO + AUTO)
        await place(world, vm_id, (1, NETWORK_ID))
        assert network_ids(world, vm_id) == [str(SECOND_ID), str(NETWORK_ID)]

    async def test_nics_of_one_vm_may_be_in_one_network_where_the_configuration_says_so(self, world):
        only = 'NIC=[NETWORK_MODE=auto,SCHED_REQUIREMENTS="NAME = second"]\n'
        vm_id = await made(world, only + only)
        with pytest.raises(Refusal, match="for NIC 1 beside those of its other NICs"):
            await world.ask(ADMIN, "one.vm.deploy", vm_id, HOST_ID)
        world.decide_by(different_networks=False)
        await world.ask(ADMIN, "one.vm.deploy", vm_id, HOST_ID)
        assert network_ids(world, vm_id) == [str(SECOND_ID)] * 2

    async def test_when_there_is_none_the_reason_is_told_and_nothing_happens(self, world):
        vm_id = await made(world, 'NIC=[NETWORK_MODE=auto,SCHED_REQUIREMENTS="NAME = third"]')
        with pytest.raises(Refusal, match="No virtual network meets SCHED_NIC_REQUIREMENTS for NIC 0, of 3 networks: "):
            await world.ask(ADMIN, "one.vm.deploy", vm_id, HOST_ID)
        assert vm(world, vm_id).state is VmState.PENDING

    @pytest.mark.parametrize("policy", ["striping", "fixed"])
    async def test_addresses_given_in_the_same_turn_count(self, world, policy):
        world.decide_by(network_policy=policy)
        for network_id in (NETWORK_ID, SECOND_ID):
            await world.change("networks", network_id, ranges=(ip_range(0x0A000100, 1),))
        vms = [await made(world), await made(world)]
        await asyncio.gather(*(world.ask(ADMIN, "one.vm.deploy", vm_id, HOST_ID) for vm_id in vms))
        assert sorted(holders(world)) == [NETWORK_ID, SECOND_ID]


class TestKeeping:
    async def test_a_network_stays_when_a_vm_leaves_its_host_and_the_cluster_with_it(self, world):
        vm_id = await made(world)
        await place(world, vm_id, (0, SECOND_ID))
        await run(world, vm_id)
        await world.ask(ALICE, "one.vm.action", "undeploy-hard", vm_id)
        while vm(world, vm_id).state is not VmState.UNDEPLOYED:
            await answered(world, vm_id)
        assert holders(world) == {SECOND_ID: [vm_id]}
        await world.ask(ALICE, "one.vm.action", "resume", vm_id)
        (waiting,) = waiting_vms(await world.ask(ADMIN, "one.vmpool.info", -2, vm_id, vm_id, 1))
        assert (waiting.nics, waiting.cluster_ids) == ((), frozenset({0}))
        with pytest.raises(Refusal, match="cannot be on host node9"):
            await place(world, vm_id, host_id=FAR_HOST_ID)
        await place(world, vm_id)
        assert network_ids(world, vm_id) == [str(SECOND_ID)]

    async def test_a_vm_that_begins_anew_keeps_it(self, world):
        vm_id = await made(world)
        await place(world, vm_id, (0, SECOND_ID))
        await run(world, vm_id)
        await world.ask(ADMIN, "one.vm.recover", vm_id, 4)
        while vm(world, vm_id).state is not VmState.PENDING:
            await answered(world, vm_id)
        assert holders(world) == {SECOND_ID: [vm_id]}

    async def test_the_address_is_free_again_when_the_vm_is_done(self, world):
        vm_id = await made(world)
        await place(world, vm_id, (0, SECOND_ID))
        await run(world, vm_id)
        await world.ask(ALICE, "one.vm.action", "terminate-hard", vm_id)
        while vm_id in world.memory.vms:
            await answered(world, vm_id)
        assert holders(world) == {}


class TestAttaching:
    @pytest.fixture
    async def running(self, world) -> int:
        """A VM of Alice that runs, with a NIC for which `second` was chosen."""
        vm_id = await made(world, AUTO + "CONTEXT=[NETWORK=YES]")
        await place(world, vm_id, (0, SECOND_ID))
        await run(world, vm_id)
        return vm_id

    async def test_a_nic_that_is_attached_gets_another_network_at_once(self, world, running):
        await world.ask(ALICE, "one.vm.attachnic", running, AUTO)
        assert network_ids(world, running) == [str(SECOND_ID), str(NETWORK_ID)]
        assert nics(world, running)[1]["IP"] == "10.0.0.1"
        await answered(world, running)
        assert vm(world, running).template.vector("CONTEXT")["ETH1_IP"] == "10.0.0.1"
        await world.ask(ALICE, "one.vm.detachnic", running, 1)
        await answered(world, running)
        assert holders(world) == {SECOND_ID: [running]}

    async def test_what_the_nic_asks_is_met_or_refused_with_the_reason(self, world, running):
        with pytest.raises(Refusal, match=r"for NIC 1, of 2 networks: 1 in no cluster .*, 1 not matching"):
            await world.ask(ALICE, "one.vm.attachnic", running, 'NIC=[NETWORK_MODE=auto,SCHED_REQUIREMENTS="ID = 21"]')
        assert vm(world, running).state is VmState.RUNNING

    async def test_a_network_is_for_its_owner_and_for_who_attaches_it(self, world, running):
        await world.change("networks", NETWORK_ID, uid=BOB_ID, permissions=Permissions(0o600))
        with pytest.raises(Refusal, match="1 not for its owner to use"):
            await world.ask(ADMIN, "one.vm.attachnic", running, AUTO)
        await world.change("vms", running, permissions=Permissions(0o666))
        await world.change("networks", NETWORK_ID, uid=ALICE_ID)
        with pytest.raises(Refusal, match="No virtual network meets"):
            await world.ask("bob:token", "one.vm.attachnic", running, AUTO)
        await world.ask(ALICE, "one.vm.attachnic", running, AUTO)


class TestTrying:
    """What explanations and dry runs say of networks."""

    async def test_an_explanation_knows_the_networks(self, world):
        vm_id = await made(world, 'NIC=[NETWORK_MODE=auto,SCHED_REQUIREMENTS="NAME = second"]')
        told = json.loads(await world.ask(ADMIN, "trifid.vm.explain", vm_id))
        assert (told["chosen"]["id"], told["why"]) == (HOST_ID, "")
        vm_id = await made(world, 'NIC=[NETWORK_MODE=auto,SCHED_REQUIREMENTS="NAME = third"]')
        told = json.loads(await world.ask(ADMIN, "trifid.vm.explain", vm_id))
        assert told["why"].startswith("No virtual network meets SCHED_NIC_REQUIREMENTS for NIC 0, of 3 networks: ")

    async def test_a_dry_run_counts_addresses(self, world):
        only = 'NIC=[NETWORK_MODE=auto,SCHED_REQUIREMENTS="NAME = second"]'
        batch = json.dumps({"vms": [{"template": SMALL + only, "count": 5}]})
        found = json.loads(await world.ask(ALICE, "trifid.placement.dry_run", batch))
        assert [one["fits"] for one in found["results"]] == [True] * 4 + [False]
        assert "without a free address" in found["results"][4]["why"]
        assert holders(world) == {}
