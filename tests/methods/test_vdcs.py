"""Virtual data centres: what is in them, and the access rules that follow."""

import json
import re

import pytest
from msgspec.structs import replace

from tests.methods.test_acl import add, shown
from tests.methods.world import (
    ADMIN,
    ALICE_ID,
    EVE,
    EVE_ID,
    GUESTS_GID,
    HOST_ID,
    NETWORK_ID,
    VM_OF_ALICE,
    Refusal,
    World,
)
from tests.wire.schemas import valid
from trifid.core.cluster import Cluster
from trifid.core.vdc import ALL
from trifid.core.vm.states import VmState

CLUSTER_ID, OTHER_HOST_ID = 107, 9
NOT_ALLOWED, NOT_THERE, REFUSED = 0x0200, 0x0400, 0x0800


@pytest.fixture
async def vdc_id(world) -> int:
    await world.put(Cluster(CLUSTER_ID, "far"))
    return await world.ask(ADMIN, "one.vdc.allocate", 'NAME=lab\nCOST="5"')


async def derived(world) -> set[str]:
    """The rules that groups above 1 have because something asks for them."""
    rules = await shown(world)
    return {rules[rule.id] for rule in world.memory.acls.values() if rule.is_derived and "@1 " not in rules[rule.id]}


async def test_a_vdc_is_shown_with_what_is_in_it(world, vdc_id):
    await world.ask(ADMIN, "one.vdc.addgroup", vdc_id, GUESTS_GID)
    await world.ask(ADMIN, "one.vdc.addcluster", vdc_id, 0, CLUSTER_ID)
    await world.ask(ADMIN, "one.vdc.addhost", vdc_id, 0, HOST_ID)
    await world.ask(ADMIN, "one.vdc.adddatastore", vdc_id, 0, ALL)
    await world.ask(ADMIN, "one.vdc.addvnet", vdc_id, 0, NETWORK_ID)
    document = await world.ask(ADMIN, "one.vdc.info", vdc_id)
    valid(document, "vdc")
    assert f"<ID>{vdc_id}</ID><NAME>lab</NAME><GROUPS><ID>{GUESTS_GID}</ID></GROUPS>" in document
    assert f"<CLUSTERS><CLUSTER><ZONE_ID>0</ZONE_ID><CLUSTER_ID>{CLUSTER_ID}</CLUSTER_ID></CLUSTER>" in document
    assert f"<HOST><ZONE_ID>0</ZONE_ID><HOST_ID>{HOST_ID}</HOST_ID></HOST>" in document
    assert "<DATASTORE><ZONE_ID>0</ZONE_ID><DATASTORE_ID>-10</DATASTORE_ID></DATASTORE>" in document
    assert f"<VNET><ZONE_ID>0</ZONE_ID><VNET_ID>{NETWORK_ID}</VNET_ID></VNET>" in document
    assert "<COST><![CDATA[5]]></COST>" in document
    pool = await world.ask(ADMIN, "one.vdcpool.info")
    valid(pool, "vdc_pool")
    assert document in pool and pool.index(document) < pool.index("<NAME>default</NAME>")


async def test_ids_begin_at_100(world, vdc_id):
    assert vdc_id == 100


@pytest.mark.parametrize(
    ("word", "object_id", "rules"),
    [
        ("host", HOST_ID, {f"@{GUESTS_GID} HOST/#{HOST_ID} MANAGE #0"}),
        ("host", ALL, {f"@{GUESTS_GID} HOST/* MANAGE #0"}),
        ("datastore", 1, {f"@{GUESTS_GID} DATASTORE/#1 USE #0"}),
        ("vnet", NETWORK_ID, {f"@{GUESTS_GID} NET/#{NETWORK_ID} USE #0"}),
        (
            "cluster",
            CLUSTER_ID,
            {f"@{GUESTS_GID} HOST/%{CLUSTER_ID} MANAGE #0", f"@{GUESTS_GID} NET+DATASTORE/%{CLUSTER_ID} USE #0"},
        ),
        ("cluster", ALL, {f"@{GUESTS_GID} HOST/* MANAGE #0", f"@{GUESTS_GID} NET+DATASTORE/* USE #0"}),
    ],
)
async def test_the_groups_of_a_vdc_may_use_its_resources_as_long_as_they_are_in_it(
    world, vdc_id, word, object_id, rules
):
    await world.ask(ADMIN, f"one.vdc.add{word}", vdc_id, 0, object_id)
    assert await derived(world) == set()
    await world.ask(ADMIN, "one.vdc.addgroup", vdc_id, GUESTS_GID)
    assert await derived(world) == rules
    await world.ask(ADMIN, f"one.vdc.del{word}", vdc_id, 0, object_id)
    assert await derived(world) == set()
    await world.ask(ADMIN, f"one.vdc.add{word}", vdc_id, 0, object_id)
    await world.ask(ADMIN, "one.vdc.delgroup", vdc_id, GUESTS_GID)
    assert await derived(world) == set()


async def test_the_rules_are_at_work(world, vdc_id):
    await world.ask(ADMIN, "one.vdc.addgroup", vdc_id, GUESTS_GID)
    assert await world.code(EVE, "one.vn.info", NETWORK_ID) == NOT_ALLOWED
    await world.ask(ADMIN, "one.vdc.addvnet", vdc_id, 0, NETWORK_ID)
    assert await world.code(EVE, "one.vn.info", NETWORK_ID) == 0
    await world.ask(ADMIN, "one.vdc.delete", vdc_id)
    assert await world.code(EVE, "one.vn.info", NETWORK_ID) == NOT_ALLOWED


async def test_a_rule_that_two_vdcs_ask_for_stays_until_neither_does(world, vdc_id):
    other = await world.ask(ADMIN, "one.vdc.allocate", "NAME=other")
    for one in (vdc_id, other):
        await world.ask(ADMIN, "one.vdc.addgroup", one, GUESTS_GID)
        await world.ask(ADMIN, "one.vdc.addvnet", one, 0, NETWORK_ID)
    (rule,) = await derived(world)
    await world.ask(ADMIN, "one.vdc.delete", vdc_id)
    assert await derived(world) == {rule}
    await world.ask(ADMIN, "one.vdc.delvnet", other, 0, NETWORK_ID)
    assert await derived(world) == set()


async def test_rules_that_were_made_by_hand_stay(world, vdc_id):
    by_hand = await add(world, f"@{GUESTS_GID} NET/#{NETWORK_ID} USE")
    await world.ask(ADMIN, "one.vdc.addgroup", vdc_id, GUESTS_GID)
    await world.ask(ADMIN, "one.vdc.addvnet", vdc_id, 0, NETWORK_ID)
    await world.ask(ADMIN, "one.vdc.delete", vdc_id)
    assert by_hand in await shown(world)


async def test_a_rule_of_a_vdc_is_changed_by_the_vdc_only(world, vdc_id):
    await world.ask(ADMIN, "one.vdc.addgroup", vdc_id, GUESTS_GID)
    await world.ask(ADMIN, "one.vdc.addhost", vdc_id, 0, HOST_ID)
    (rule_id,) = [number for number, text in (await shown(world)).items() if text.startswith(f"@{GUESTS_GID} HOST")]
    with pytest.raises(Refusal, match=rf"cannot be deleted: VDC lab \[{vdc_id}\] asks for it, change that \(onevdc"):
        await world.ask(ADMIN, "one.acl.delrule", rule_id)
    assert rule_id in await shown(world)


async def test_what_is_deleted_is_in_no_vdc_any_more(world, vdc_id):
    await world.ask(ADMIN, "one.vdc.addgroup", vdc_id, GUESTS_GID)
    await world.ask(ADMIN, "one.vdc.addcluster", vdc_id, 0, CLUSTER_ID)
    await world.ask(ADMIN, "one.vdc.addvnet", vdc_id, 0, NETWORK_ID)
    await world.ask(ADMIN, "one.cluster.delete", CLUSTER_ID)
    await world.ask(ADMIN, "one.vn.delete", NETWORK_ID)
    one = world.memory.vdcs[vdc_id]
    assert (one.clusters, one.networks, one.group_ids) == ((), (), (GUESTS_GID,))
    assert await derived(world) == set()
    await world.ask(ADMIN, "one.user.delete", 12)
    await world.ask(ADMIN, "one.group.delete", GUESTS_GID)
    assert world.memory.vdcs[vdc_id].group_ids == ()


async def test_a_new_group_is_in_the_default_vdc_and_creates_nothing(world):
    gid = await world.ask(ADMIN, "one.group.allocate", "new")
    assert gid in world.memory.vdcs[0].group_ids
    assert {text for text in (await shown(world)).values() if text.startswith(f"@{gid} ")} == {
        f"@{gid} HOST/* MANAGE #0",
        *(f"@{gid} DATASTORE/#{number} USE #0" for number in (0, 1, 2)),
    }
    await world.ask(ADMIN, "one.user.allocate", "newcomer", "pw", "core", [gid])
    assert await world.code("newcomer:pw", "one.vm.allocate", "CPU=1\nMEMORY=64", False) == NOT_ALLOWED


async def test_a_group_is_made_without_a_default_vdc(world):
    """Engines before this one let it be deleted."""
    await world.engine.turns.ask(lambda draft: draft.delete("vdcs", 0))
    gid = await world.ask(ADMIN, "one.group.allocate", "new")
    assert not [text for text in (await shown(world)).values() if text.startswith(f"@{gid} ")]


@pytest.mark.parametrize(
    ("method", "arguments", "code", "told"),
    [
        ("allocate", ("X=1",), 0x2000, r"\] Invalid NAME, it cannot be empty$"),
        ("allocate", ("NAME=[",), 0x2000, "Parse error"),
        ("allocate", ("NAME=default",), 0x2000, r"\] NAME is already taken by VDC 0\.$"),
        ("rename", (100, "default"), REFUSED, "to default because it collides with VDC 0"),
        ("update", (100, "X=1", 2), 0x1000, "Wrong update type"),
        ("addgroup", (100, 999), NOT_THERE, r"Error getting group \[999\]"),
        ("addgroup", (999, 1), NOT_THERE, r"Error getting VDC \[999\]"),
        ("addgroup", (0, 1), REFUSED, r"Group 1 is already in VDC default \[0\]"),
        ("delgroup", (100, 1), REFUSED, r"Group 1 is not in VDC lab \[100\]"),
        ("addhost", (100, 1, HOST_ID), NOT_THERE, r"Error getting zone \[1\]"),
        ("addhost", (100, 0, 999), NOT_THERE, r"Error getting host \[999\]"),
        ("addvnet", (100, 0, 999), NOT_THERE, r"Error getting virtual network \[999\]"),
        ("addhost", (0, 0, HOST_ID), REFUSED, "already has all of its hosts"),
        ("delhost", (0, 0, HOST_ID), REFUSED, "has all hosts: remove -10"),
        ("delvnet", (0, 0, NETWORK_ID), REFUSED, "does not have 4 of zone 0 among its networks"),
        ("delete", (999,), NOT_THERE, r"Error getting VDC \[999\]"),
        ("delete", (0,), REFUSED, r"Cannot delete VDC\. The default VDC \(ID 0\) cannot be deleted"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_reason(world, vdc_id, method, arguments, code, told):
    before = dict(world.memory.vdcs)
    with pytest.raises(Refusal, match=told) as refusal:
        await world.ask(ADMIN, f"one.vdc.{method}", *arguments)
    assert refusal.value.code == code
    assert world.memory.vdcs == before


async def test_all_of_a_kind_takes_the_place_of_single_ones(world, vdc_id):
    await world.ask(ADMIN, "one.vdc.addhost", vdc_id, 0, HOST_ID)
    await world.ask(ADMIN, "one.vdc.addhost", vdc_id, 0, ALL)
    assert world.memory.vdcs[vdc_id].hosts == ((0, ALL),)


async def test_what_a_vdc_has_is_not_given_by_who_may_not_administer_it(world, vdc_id):
    """ADMIN of a virtual data centre alone must not open every network of the installation to one's own group."""
    await add(world, f"@{GUESTS_GID} VDC/#{vdc_id} USE+MANAGE+ADMIN")
    await add(world, f"@{GUESTS_GID} HOST/#{HOST_ID} ADMIN")
    assert await world.code(EVE, "one.vdc.addhost", vdc_id, 0, HOST_ID) == 0
    assert await world.code(EVE, "one.vdc.addvnet", vdc_id, 0, NETWORK_ID) == NOT_ALLOWED
    assert await world.code(EVE, "one.vdc.addhost", vdc_id, 0, ALL) == NOT_ALLOWED
    assert await world.code(EVE, "one.vdc.addgroup", vdc_id, GUESTS_GID) == NOT_ALLOWED


async def test_a_database_of_an_engine_without_rules_gets_them_once(tmp_path):
    world = World(tmp_path)
    await world.engine.start(ADMIN)
    first = await shown(world)
    assert {"@1 HOST/* MANAGE #0", "@1 NET+DATASTORE/* USE #0"} <= set(first.values())
    assert world.memory.vdcs[0].group_ids == (1,) and world.memory.vdcs[0].clusters == ((0, ALL),)
    assert re.search(r"<ID>0</ID><NAME>default</NAME>", await world.ask(ADMIN, "one.vdc.info", 0))
    await world.ask(ADMIN, "one.vdc.delgroup", 0, 1)
    await world.engine.start(ADMIN)
    assert world.memory.vdcs[0].group_ids == () and "@1 HOST/* MANAGE #0" not in (await shown(world)).values()
    await world.engine.stop()


class TestWhereVmsMayBe:
    """VMs are put on hosts over which their owner has MANAGE; a scheduler acts for everybody, so he is asked about."""

    @pytest.fixture
    async def waiting(self, world, vdc_id):
        """A VM of Eve's group, which may use one of two hosts."""
        await world.change("hosts", HOST_ID, total_memory_kib=8 << 20)
        host = world.memory.hosts[HOST_ID]
        await world.change("datastores", 0, cluster_ids=(0, CLUSTER_ID))
        await world.put(replace(host, id=OTHER_HOST_ID, name="node2", cluster_id=CLUSTER_ID))
        await world.put(replace(VM_OF_ALICE, id=20, uid=EVE_ID, gid=GUESTS_GID, state=VmState.PENDING, history=()))
        await world.ask(ADMIN, "one.vdc.addgroup", vdc_id, GUESTS_GID)
        await world.ask(ADMIN, "one.vdc.addcluster", vdc_id, 0, CLUSTER_ID)
        return 20

    async def test_a_scheduler_is_told_which_hosts_are_not_for_a_user(self, world, waiting):
        asked = [0, ALICE_ID, EVE_ID, 999]
        assert json.loads(await world.ask(ADMIN, "trifid.user.barred_hosts", asked)) == {str(EVE_ID): [HOST_ID]}
        with pytest.raises(Refusal, match="uids must be ids of users"):
            await world.ask(ADMIN, "trifid.user.barred_hosts", ["eve"])

    async def test_what_a_scheduler_puts_elsewhere_is_refused_and_an_administrator_may(self, world, waiting):
        with pytest.raises(Refusal, match=r"user eve \[12\] may not use host node1 \[3\]: no virtual data centre"):
            await world.ask(ADMIN, "trifid.vm.place", waiting, HOST_ID)
        assert world.memory.vms[waiting].state is VmState.PENDING
        assert await world.ask(ADMIN, "trifid.vm.place", waiting, OTHER_HOST_ID) == waiting
        await world.put(replace(VM_OF_ALICE, id=21, uid=EVE_ID, gid=GUESTS_GID, state=VmState.PENDING, history=()))
        assert await world.ask(ADMIN, "one.vm.deploy", 21, HOST_ID) == 21

    async def test_the_explanation_tells_it(self, world, waiting):
        answer = json.loads(await world.ask(ADMIN, "trifid.vm.explain", waiting))
        told = {host["name"]: [one["text"] for one in host["rules"] if not one["holds"]] for host in answer["hosts"]}
        why = "its owner may not use the host: it is in no virtual data centre of the owner's groups"
        assert (why in told["node1"], why in told["node2"]) == (True, False)
