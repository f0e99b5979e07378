"""Security groups: what they must say, who may use them, and how NICs get and lose them."""

import pytest
from msgspec.structs import replace

from tests.methods.world import ADMIN, ALICE, ALICE_ID, BOB, BOB_ID, EVE, NETWORK_ID, VM_ID, VM_OF_ALICE, Refusal
from tests.wire.schemas import valid
from trifid.core.access import Permissions
from trifid.core.template.model import template
from trifid.core.vm.states import VmState

WEB = 'NAME=web\nDESCRIPTION="of the web"\nRULE=[PROTOCOL=TCP,RULE_TYPE=inbound]'
VM = "CPU=1\nMEMORY=64"


@pytest.fixture(autouse=True)
async def _open(world):
    await world.open_network()


async def shown(world, group_id, session=ADMIN):
    return valid(await world.ask(session, "one.secgroup.info", group_id), "security_group")


def vms(document, state):
    return [int(one.text) for one in document.find(f"{state}_VMS")]


async def nic_of(world, vm_id=VM_ID):
    return world.memory.vms[vm_id].template.vectors("NIC")[0]


async def with_nic(world, state=VmState.RUNNING, groups="0", **more):
    nic = {"NIC_ID": "0", "NETWORK_ID": str(NETWORK_ID), "SECURITY_GROUPS": groups, **more}
    await world.put(replace(VM_OF_ALICE, state=state, template=template(NIC=nic)))


async def test_the_default_group_is_there_everybody_may_use_it_and_nobody_delete_it(world):
    document = await shown(world, 0, EVE)
    assert (document.findtext("NAME"), document.findtext("UID")) == ("default", "0")
    assert [one.findtext("RULE_TYPE") for one in document.iter("RULE")] == ["outbound", "inbound"]
    with pytest.raises(Refusal, match=r"The default security group \(ID 0\) cannot be deleted\.") as refused:
        await world.ask(ADMIN, "one.secgroup.delete", 0)
    assert refused.value.code == 0x0800


async def test_a_user_makes_groups_which_are_numbered_from_100(world):
    assert await world.ask(ALICE, "one.secgroup.allocate", WEB) == 100
    document = await shown(world, 100, ALICE)
    found = [document.findtext(one) for one in ("ID", "UID", "UNAME", "NAME", "TEMPLATE/DESCRIPTION")]
    assert found == ["100", str(ALICE_ID), "alice", "web", "of the web"]
    assert await world.code(BOB, "one.secgroup.info", 100) == 0x0200


@pytest.mark.parametrize(
    ("text", "told", "code"),
    [
        ("RULE=[PROTOCOL=TCP,RULE_TYPE=inbound]", "No NAME in template for Security Group.", 0x2000),
        ("NAME=x\nRULE=[PROTOCOL=XXX,RULE_TYPE=inbound]", "Wrong PROTOCOL in rule. Valid options: TCP", 0x2000),
        ("NAME=x\nRULE=[PROTOCOL=TCP,RULE_TYPE=inbound,NETWORK_ID=99]", "There is no network 99", 0x2000),
        ('NAME="<x"', "char '<' is not allowed", 0x2000),
        ('NAME=""', "No NAME in template for Security Group.", 0x2000),
        ("NAME=[", "Parse error", 0x2000),
    ],
)
async def test_what_is_no_group_is_refused(world, text, told, code):
    with pytest.raises(Refusal) as refused:
        await world.ask(ALICE, "one.secgroup.allocate", text)
    assert told in refused.value.text
    assert refused.value.code == code


async def test_a_rule_may_only_mean_a_network_that_its_writer_may_use(world):
    rule = f"NAME=x\nRULE=[PROTOCOL=TCP,RULE_TYPE=inbound,NETWORK_ID={NETWORK_ID}]"
    assert await world.ask(ALICE, "one.secgroup.allocate", rule) == 100
    await world.open_network(0o600)
    assert await world.code(BOB, "one.secgroup.allocate", rule) == 0x0200
    assert await world.ask(ALICE, "one.secgroup.update", 100, "DESCRIPTION=mine", 1) == 100


async def test_names_are_per_owner(world):
    await world.ask(ALICE, "one.secgroup.allocate", WEB)
    with pytest.raises(Refusal, match=r"NAME is already taken by SECGROUP 100\."):
        await world.ask(ALICE, "one.secgroup.allocate", WEB)
    assert await world.ask(BOB, "one.secgroup.allocate", WEB) == 101


async def test_an_update_replaces_or_extends_the_rules_and_counts(world):
    await world.ask(ALICE, "one.secgroup.allocate", WEB)
    await world.ask(ALICE, "one.secgroup.update", 100, "RULE=[PROTOCOL=UDP,RULE_TYPE=outbound]", 1)
    group = world.memory.security_groups[100]
    assert [one["PROTOCOL"] for one in group.template.vectors("RULE")] == ["UDP"]
    assert (group.template.single("DESCRIPTION"), group.version) == ("of the web", 1)
    await world.ask(ALICE, "one.secgroup.update", 100, "NAME=other", 0)
    assert (world.memory.security_groups[100].name, len(world.memory.security_groups[100].template)) == ("web", 0)
    with pytest.raises(Refusal, match="Wrong RULE_TYPE") as refused:
        await world.ask(ALICE, "one.secgroup.update", 100, "RULE=[PROTOCOL=UDP]", 0)
    assert refused.value.code == 0x0800


async def test_commit_asks_the_hosts_once_more(world):
    await world.ask(ALICE, "one.secgroup.allocate", WEB)
    for recovery in (False, True):
        assert await world.ask(ALICE, "one.secgroup.commit", 100, recovery) == 100
    assert world.memory.security_groups[100].version == 2


async def test_a_clone_is_the_callers(world):
    await world.ask(ADMIN, "one.secgroup.allocate", WEB)
    assert await world.code(ALICE, "one.secgroup.clone", 100, "mine") == 0x0200
    await world.ask(ADMIN, "one.secgroup.chmod", 100, 1, 1, 0, 0, 0, 0, 1, 0, 0)
    assert await world.ask(ALICE, "one.secgroup.clone", 100, "mine") == 101
    clone, original = (world.memory.security_groups[one] for one in (101, 100))
    assert (clone.uid, clone.name, clone.template) == (ALICE_ID, "mine", original.template)
    assert clone.permissions == Permissions(0o600)


async def test_a_group_is_renamed_given_away_and_deleted(world):
    await world.ask(ALICE, "one.secgroup.allocate", WEB)
    await world.ask(ALICE, "one.secgroup.rename", 100, "www")
    await world.ask(ADMIN, "one.secgroup.chown", 100, BOB_ID, -1)
    assert (world.memory.security_groups[100].name, world.memory.security_groups[100].uid) == ("www", BOB_ID)
    assert await world.ask(BOB, "one.secgroup.delete", 100) == 100
    assert 100 not in world.memory.security_groups


async def test_the_pool_shows_what_the_caller_may_use(world):
    await world.ask(ALICE, "one.secgroup.allocate", WEB)

    async def ids(session, flag):
        pool = valid(await world.ask(session, "one.secgrouppool.info", flag, -1, -1), "security_group_pool")
        return [int(one.findtext("ID")) for one in pool]

    assert await ids(ALICE, -2) == [100, 0]
    assert await ids(ALICE, -3) == [100]
    assert await ids(EVE, -2) == [0]


# -- NICs --------------------------------------------------------------------------------------------


async def test_a_nic_without_a_group_has_the_default_one(world):
    vm_id = await world.ask(ALICE, "one.vm.allocate", f"{VM}\nNIC=[NETWORK=lan]", False)
    assert (await nic_of(world, vm_id))["SECURITY_GROUPS"] == "0"
    assert vms(await shown(world, 0), "UPDATED") == [vm_id]


async def test_a_nic_has_its_own_groups_and_those_of_its_network_which_need_no_right(world):
    await world.ask(ADMIN, "one.secgroup.allocate", WEB)
    await world.ask(ALICE, "one.secgroup.allocate", WEB)
    await world.change("networks", NETWORK_ID, template=template(SECURITY_GROUPS="100"))
    vm_id = await world.ask(ALICE, "one.vm.allocate", f"{VM}\nNIC=[NETWORK=lan,SECURITY_GROUPS=101]", False)
    assert (await nic_of(world, vm_id))["SECURITY_GROUPS"] == "101,100"
    assert vms(await shown(world, 101), "UPDATED") == [vm_id]


@pytest.mark.parametrize(
    ("groups", "code", "told"), [("100", 0x0200, "USE SECGROUP"), ("77", 0x2000, "ID: 77 does not exist")]
)
async def test_a_group_that_is_not_there_or_not_the_callers_to_use_is_refused_at_submission(world, groups, code, told):
    await world.ask(ADMIN, "one.secgroup.allocate", WEB)
    with pytest.raises(Refusal, match=told) as refused:
        await world.ask(ALICE, "one.vm.allocate", f"{VM}\nNIC=[NETWORK=lan,SECURITY_GROUPS={groups}]", False)
    assert refused.value.code == code
    assert not world.memory.leases


async def test_and_when_a_nic_is_attached(world):
    await world.ask(ADMIN, "one.secgroup.allocate", WEB)
    assert await world.code(ALICE, "one.vm.attachnic", VM_ID, "NIC=[NETWORK=lan,SECURITY_GROUPS=100]") == 0x0200
    assert not world.memory.leases


async def test_a_network_takes_only_groups_that_whoever_changes_it_may_use(world):
    await world.ask(ADMIN, "one.secgroup.allocate", WEB)
    await world.ask(ALICE, "one.secgroup.allocate", WEB)
    await world.change("networks", NETWORK_ID, uid=ALICE_ID)
    assert await world.ask(ALICE, "one.vn.update", NETWORK_ID, "SECURITY_GROUPS=101", 1) == NETWORK_ID
    for groups, code in (("101,100", 0x0200), ("77", 0x2000), ("web", 0x0800)):
        assert await world.code(ALICE, "one.vn.update", NETWORK_ID, f'SECURITY_GROUPS="{groups}"', 1) == code
    assert await world.ask(ADMIN, "one.vn.update", NETWORK_ID, 'SECURITY_GROUPS="100"', 1) == NETWORK_ID
    assert await world.ask(ALICE, "one.vn.update", NETWORK_ID, 'SECURITY_GROUPS="100,101"', 1) == NETWORK_ID
    new = "NAME=n\nVN_MAD=dummy\nBRIDGE=b\nSECURITY_GROUPS=77"
    assert await world.code(ADMIN, "one.vn.allocate", new, -1) == 0x2000


async def test_a_group_in_use_is_not_deleted(world):
    await world.ask(ALICE, "one.secgroup.allocate", WEB)
    await with_nic(world, groups="0,100")
    with pytest.raises(Refusal, match=rf"web \[100\] is used by 1 VMs \({VM_ID}\)"):
        await world.ask(ALICE, "one.secgroup.delete", 100)
    await with_nic(world)
    await world.change("networks", NETWORK_ID, template=template(SECURITY_GROUPS="100"))
    with pytest.raises(Refusal, match=rf"is used by 1 networks \({NETWORK_ID}\)"):
        await world.ask(ALICE, "one.secgroup.delete", 100)


@pytest.mark.parametrize("state", [VmState.RUNNING, VmState.POWEROFF, VmState.HOTPLUG, VmState.PENDING])
async def test_groups_are_attached_and_detached_in_any_state(world, state):
    await world.ask(ALICE, "one.secgroup.allocate", WEB)
    await with_nic(world, state)
    await world.ask(ALICE, "one.vm.attachsg", VM_ID, 0, 100)
    assert (await nic_of(world))["SECURITY_GROUPS"] == "0,100"
    assert vms(await shown(world, 100), "UPDATED") == [VM_ID]
    await world.ask(ALICE, "one.vm.detachsg", VM_ID, 0, 0)
    assert (await nic_of(world))["SECURITY_GROUPS"] == "100"
    assert world.memory.vms[VM_ID].state is state
    assert vms(await shown(world, 0), "UPDATED") == []


@pytest.mark.parametrize(
    ("method", "arguments", "told"),
    [
        ("one.vm.attachsg", (1, 100), "NIC with NIC_ID 1 does not exist"),
        ("one.vm.attachsg", (0, 0), "has security group 0 already"),
        ("one.vm.attachsg", (0, 77), r"Error getting security group \[77\]"),
        ("one.vm.detachsg", (0, 100), "does not have security group 100, it has 0"),
        ("one.vm.detachsg", (0, 0), "is the only one of NIC 0"),
    ],
)
async def test_what_cannot_be_attached_or_detached_is_refused(world, method, arguments, told):
    await world.ask(ALICE, "one.secgroup.allocate", WEB)
    await with_nic(world)
    with pytest.raises(Refusal, match=told):
        await world.ask(ALICE, method, VM_ID, *arguments)
    assert (await nic_of(world))["SECURITY_GROUPS"] == "0"


async def test_only_a_group_that_the_caller_may_use_is_attached(world):
    await world.ask(ADMIN, "one.secgroup.allocate", WEB)
    await with_nic(world)
    assert await world.code(ALICE, "one.vm.attachsg", VM_ID, 0, 100) == 0x0200
    assert await world.code(BOB, "one.vm.detachsg", VM_ID, 0, 0) == 0x0200


async def test_an_administrator_changes_how_fast_a_nic_is(world):
    await with_nic(world, INBOUND_AVG_BW="100")
    await world.ask(ADMIN, "one.vm.updatenic", VM_ID, 0, "NIC=[OUTBOUND_AVG_BW=50]", 1)
    nic = await nic_of(world)
    assert (nic["INBOUND_AVG_BW"], nic["OUTBOUND_AVG_BW"], nic["SECURITY_GROUPS"]) == ("100", "50", "0")
    await world.ask(ADMIN, "one.vm.updatenic", VM_ID, 0, "NIC=[NIC_ID=0,OUTBOUND_AVG_BW=70]", 0)
    nic = await nic_of(world)
    assert "INBOUND_AVG_BW" not in nic
    assert (nic["OUTBOUND_AVG_BW"], nic["SECURITY_GROUPS"]) == ("70", "0")
    await world.ask(ADMIN, "one.vm.updatenic", VM_ID, 0, 'NIC=[OUTBOUND_AVG_BW=""]', 1)
    assert "OUTBOUND_AVG_BW" not in await nic_of(world)


async def test_a_user_changes_the_groups_and_not_the_limits(world):
    await world.ask(ALICE, "one.secgroup.allocate", WEB)
    await with_nic(world, INBOUND_AVG_BW="100")
    await world.ask(ALICE, "one.vm.updatenic", VM_ID, 0, "NIC=[SECURITY_GROUPS=100,INBOUND_AVG_BW=100]", 0)
    nic = await nic_of(world)
    assert (nic["SECURITY_GROUPS"], nic["INBOUND_AVG_BW"]) == ("100", "100")
    with pytest.raises(Refusal, match="restricted attribute NIC/INBOUND_AVG_BW"):
        await world.ask(ALICE, "one.vm.updatenic", VM_ID, 0, "NIC=[INBOUND_AVG_BW=900]", 1)
    await world.ask(ALICE, "one.vm.updatenic", VM_ID, 0, "NIC=[SECURITY_GROUPS=0]", 0)
    assert (await nic_of(world))["INBOUND_AVG_BW"] == "100"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("NIC=[IP=10.0.0.5]", "IP of a NIC cannot be changed"),
        ("NIC=[BRIDGE=br0]", "BRIDGE of a NIC cannot be changed"),
        ("NIC=[SECURITY_GROUPS=77]", "ID: 77 does not exist"),
        ('NIC=[SECURITY_GROUPS="1;2"]', "SECURITY_GROUPS must be"),
        ('NIC=[SECURITY_GROUPS=""]', "SECURITY_GROUPS cannot be empty"),
        ("NIC=[INBOUND_AVG_BW=fast]", "INBOUND_AVG_BW must be"),
        ("DISK=[SIZE=1]", "expected one NIC"),
    ],
)
async def test_what_a_nic_cannot_become_is_refused(world, text, told):
    await with_nic(world)
    before = world.memory.vms[VM_ID]
    with pytest.raises(Refusal, match=told):
        await world.ask(ADMIN, "one.vm.updatenic", VM_ID, 0, text, 1)
    assert world.memory.vms[VM_ID] is before


async def test_a_user_of_a_group_sees_his_own_vms_in_it_and_its_manager_all(world):
    await with_nic(world)
    vm_id = await world.ask(BOB, "one.vm.allocate", f"{VM}\nNIC=[NETWORK_ID={NETWORK_ID}]", True)

    async def pooled(session):
        (document,) = valid(await world.ask(session, "one.secgrouppool.info", -2, -1, -1), "security_group_pool")
        return vms(document, "UPDATED")

    for session, expected in ((ADMIN, [VM_ID, vm_id]), (ALICE, [VM_ID]), (BOB, [vm_id]), (EVE, [])):
        assert vms(await shown(world, 0, session), "UPDATED") == expected
        assert await pooled(session) == expected
    await world.change("security_groups", 0, uid=ALICE_ID)
    assert vms(await shown(world, 0, ALICE), "UPDATED") == [VM_ID, vm_id]
