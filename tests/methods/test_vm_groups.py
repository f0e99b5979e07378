"""VM groups: what they must say, who may use them, and which VMs are in them."""

import pytest
from msgspec.structs import replace

from tests.methods.world import ADMIN, ALICE, ALICE_ID, BOB, BOB_ID, HOST_ID, STAY, VM_ID, VM_OF_ALICE, Refusal
from tests.wire.schemas import valid
from trifid.core.host import Host, HostState
from trifid.core.vm.states import VmState
from trifid.core.vm_group.record import Role

APP = (
    'NAME = app\nROLE = [ NAME = web, POLICY = ANTI_AFFINED ]\nROLE = [ NAME = db, HOST_AFFINED = "3" ]\n'
    'ROLE = [ NAME = log ]\nANTI_AFFINED = "web,db"\nNOTE = "of the shop"'
)
VM = "CPU = 1\nMEMORY = 64"
OTHER_ID = 9


@pytest.fixture
async def app(world):
    """Alice's group app, and a second host."""
    await world.put(Host(OTHER_ID, "node2", HostState.MONITORED, "dummy", "dummy", total_cpu_percent=800))
    return await world.ask(ALICE, "one.vmgroup.allocate", APP)


async def shown(world, group_id, session=ADMIN):
    return valid(await world.ask(session, "one.vmgroup.info", group_id), "vm_group")


async def vms_of(world, role, session=ADMIN):
    document = await shown(world, 0, session)
    (text,) = [one.findtext("VMS") for one in document.iter("ROLE") if one.findtext("NAME") == role]
    return text


async def member(world, role="web", session=ALICE, more="", group="VMGROUP_ID = 0"):
    return await world.ask(session, "one.vm.allocate", f'{VM}\n{more}\nVMGROUP = [ {group}, ROLE = "{role}" ]', False)


# -- the object ------------------------------------------------------------------------------------------


async def test_a_user_makes_a_group_and_others_do_not_see_it(world, app):
    document = await shown(world, app, ALICE)
    found = [document.findtext(one) for one in ("ID", "UID", "UNAME", "NAME", "TEMPLATE/NOTE", "TEMPLATE/ANTI_AFFINED")]
    assert found == ["0", str(ALICE_ID), "alice", "app", "of the shop", "web,db"]
    roles = [{one.tag: one.text for one in role} for role in document.iter("ROLE")]
    assert roles == [
        {"ID": "0", "NAME": "web", "POLICY": "ANTI_AFFINED"},
        {"HOST_AFFINED": "3", "ID": "1", "NAME": "db"},
        {"ID": "2", "NAME": "log"},
    ]
    assert await world.code(BOB, "one.vmgroup.info", app) == 0x0200


@pytest.mark.parametrize(
    ("text", "told", "code"),
    [
        ("X=1", "Invalid NAME, it cannot be empty", 0x2000),
        ("NAME=[", "Parse error", 0x2000),
        ("NAME=x", "a VM group needs a role", 0x2000),
        ("NAME=x\nROLE=[NAME=a]\nAFFINED=\"a,b\"", "are not defined: b", 0x2000),
        (APP, "NAME is already taken by VMGROUP 0.", 0x2000),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_new_group_is_told(world, app, text, told, code):
    with pytest.raises(Refusal, match=told) as refused:
        await world.ask(ALICE, "one.vmgroup.allocate", text)
    assert refused.value.code == code
    assert len(world.memory.vm_groups) == 1


async def test_the_pool_has_what_the_filter_selects(world, app):
    await world.ask(BOB, "one.vmgroup.allocate", APP)
    for session, flag, ids in ((ADMIN, -2, [1, 0]), (ALICE, -2, [0]), (BOB, -3, [1]), (ADMIN, ALICE_ID, [0])):
        pool = valid(await world.ask(session, "one.vmgrouppool.info", flag, -1, -1), "vm_group_pool")
        assert [int(one.findtext("ID")) for one in pool] == ids


async def test_a_group_is_renamed_given_away_opened_and_locked(world, app):
    await world.ask(ALICE, "one.vmgroup.rename", app, "shop")
    await world.ask(ADMIN, "one.vmgroup.chown", app, BOB_ID, -1)
    await world.ask(BOB, "one.vmgroup.chmod", app, 1, 1, 0, 1, 0, 0, 1, 0, 0)
    await world.ask(BOB, "one.vmgroup.lock", app, 1)
    document = await shown(world, app, ALICE)
    assert [document.findtext(one) for one in ("NAME", "UID", "LOCK/OWNER")] == ["shop", str(BOB_ID), str(BOB_ID)]
    with pytest.raises(Refusal, match="locked"):
        await world.ask(ADMIN, "one.vmgroup.delete", app)
    with pytest.raises(Refusal, match="locked"):
        await member(world)
    await world.ask(BOB, "one.vmgroup.unlock", app)
    assert await world.ask(BOB, "one.vmgroup.delete", app) == app
    assert world.memory.vm_groups == {}


async def test_rules_are_replaced_or_extended_and_roles_stay(world, app):
    await world.ask(ALICE, "one.vmgroup.update", app, 'AFFINED = "db,log"\nROLE = [ NAME = x ]', 1)
    group = world.memory.vm_groups[app]
    assert [name for name, _ in group.template] == ["ANTI_AFFINED", "NOTE", "AFFINED"]
    await world.ask(ALICE, "one.vmgroup.update", app, "NOTE = 2")
    assert [name for name, _ in world.memory.vm_groups[app].template] == ["NOTE"]
    assert [role.name for role in world.memory.vm_groups[app].roles] == ["web", "db", "log"]
    with pytest.raises(Refusal, match="are not defined: cache") as refused:
        await world.ask(ALICE, "one.vmgroup.update", app, 'AFFINED = "db,cache"')
    assert refused.value.code == 0x0800
    assert await world.code(ALICE, "one.vmgroup.update", app, "X=1", 2) == 0x1000


async def test_roles_are_added_changed_and_removed(world, app):
    assert await world.ask(ALICE, "one.vmgroup.roleadd", app, "ROLE = [ NAME = cache, HOST_ANTI_AFFINED = 4 ]") == app
    assert await world.ask(ALICE, "one.vmgroup.roleupdate", app, 3, "ROLE = [ NAME = redis, VMS = 7 ]") == app
    assert world.memory.vm_groups[app].roles[3] == Role(3, "redis", host_anti_affined=(4,))
    assert await world.ask(ALICE, "one.vmgroup.roledelete", app, 3) == app
    assert len(world.memory.vm_groups[app].roles) == 3


@pytest.mark.parametrize(
    ("method", "arguments", "told"),
    [
        ("one.vmgroup.roleadd", ("ROLE = [ NAME = web ]",), "Role already exists"),
        ("one.vmgroup.roleadd", ("NAME = web",), "expected one ROLE"),
        ("one.vmgroup.roledelete", (1,), "are not defined: db"),
        ("one.vmgroup.roledelete", (7,), "VM group app .0. has no role 7, it has 0 web, 1 db, 2 log"),
        ("one.vmgroup.roleupdate", (7, "ROLE = [ POLICY = NONE ]"), "has no role 7"),
        ("one.vmgroup.roleupdate", (2, "ROLE = [ NAME = web ]"), "Role already exists"),
        ("one.vmgroup.roleupdate", (2, "ROLE = [ POLICY = NEVER ]"), "POLICY must be one of"),
        ("one.vmgroup.roleupdate", (2, "ROLE = ["), "Parse error"),
    ],
)
async def test_what_is_wrong_with_a_role_is_told(world, app, method, arguments, told):
    before = world.memory.vm_groups[app]
    with pytest.raises(Refusal, match=told) as refused:
        await world.ask(ALICE, method, app, *arguments)
    assert refused.value.code == 0x0800
    assert world.memory.vm_groups[app] == before


# -- its VMs ---------------------------------------------------------------------------------------------


async def test_a_vm_is_in_its_role_from_its_making_to_its_end(world, app):
    first, second = await member(world), await member(world, group="VMGROUP_NAME = app")
    assert await vms_of(world, "web") == f"{first},{second}"
    assert world.memory.vms[first].template.vector("VMGROUP") == {"VMGROUP_ID": "0", "ROLE": "web"}
    by_name = {"VMGROUP_ID": "0", "VMGROUP_NAME": "app", "ROLE": "web"}
    assert world.memory.vms[second].template.vector("VMGROUP") == by_name
    await world.ask(ALICE, "one.vm.action", "terminate-hard", first)
    assert world.memory.vms.get(first) is None
    assert await vms_of(world, "web") == str(second)


@pytest.mark.parametrize(
    ("vector", "told", "code"),
    [
        ("VMGROUP_ID = 0", "Missing role name in VM Group definition", 0x2000),
        ("VMGROUP_ID = 0, ROLE = x", "Role does not exist in VM Group: VM group app .0. has no role x", 0x2000),
        ("VMGROUP_ID = 7, ROLE = web", "Cannot find VM Group to associate the VM: VM group with ID: 7", 0x2000),
        ("VMGROUP_NAME = x, ROLE = web", "Cannot find VM Group to associate the VM: user 11 does not own", 0x2000),
        ("VMGROUP_NAME = app, VMGROUP_UNAME = eva, ROLE = web", "there is no user eva", 0x2000),
        ("ROLE = web", "Cannot find VM Group to associate the VM: VMGROUP must have VMGROUP_ID or", 0x2000),
        ("VMGROUP_ID = x, ROLE = web", "VMGROUP_ID must be a whole number", 0x2000),
        ("VMGROUP_NAME = app, VMGROUP_UNAME = alice, ROLE = web", r"USE VMGROUP \[0\]", 0x0200),
        ("VMGROUP_NAME = app, VMGROUP_UID = 10, ROLE = web", r"USE VMGROUP \[0\]", 0x0200),
        ("VMGROUP_ID = 0, ROLE = db", "USE VMGROUP", 0x0200),
    ],
)  # fmt: skip
async def test_a_vm_is_not_made_in_a_group_that_is_not_there_or_not_its_owners(world, app, vector, told, code):
    session = ADMIN if "ID = 0" in vector and "db" not in vector else BOB
    before = len(world.memory.vms)
    with pytest.raises(Refusal, match=told) as refused:
        await world.ask(session, "one.vm.allocate", f"{VM}\nVMGROUP = [ {vector} ]", False)
    assert (refused.value.code, len(world.memory.vms)) == (code, before)


async def test_who_may_use_a_group_sees_of_its_vms_those_that_he_may_use(world, app):
    await world.ask(ALICE, "one.vmgroup.chmod", app, 1, 1, 0, 1, 0, 0, 1, 0, 0)
    mine, his = await member(world), await member(world, session=BOB)
    assert await vms_of(world, "web", BOB) == str(his)
    assert await vms_of(world, "web", ALICE) == f"{mine},{his}"
    pool = valid(await world.ask(BOB, "one.vmgrouppool.info", -2, -1, -1), "vm_group_pool")
    assert [one.text for one in pool.iter("VMS")] == [str(his)]


async def test_a_group_and_a_role_that_have_vms_stay(world, app):
    vm_id = await member(world, "log")
    for method, arguments, told in (
        ("one.vmgroup.delete", (), rf"Cannot delete VM group. VM group app \[0\] has 1 VMs \({vm_id}\): take them"),
        ("one.vmgroup.roledelete", (2,), "Unable to delete role 2: log of VM group app .0. has 1 VMs"),
        ("one.vmgroup.roleupdate", (2, "ROLE = [ NAME = x ]"), "Unable to rename role 2"),
    ):
        with pytest.raises(Refusal, match=told) as refused:
            await world.ask(ALICE, method, app, *arguments)
        assert refused.value.code == 0x0800
    await world.ask(ALICE, "one.vm.vmgroupdel", vm_id)
    assert await world.ask(ALICE, "one.vmgroup.roledelete", app, 2) == app
    assert await world.ask(ALICE, "one.vmgroup.delete", app) == app


@pytest.mark.parametrize(
    "state", [VmState.PENDING, VmState.HOLD, VmState.POWEROFF, VmState.STOPPED, VmState.UNDEPLOYED, VmState.RUNNING]
)
async def test_a_vm_joins_a_group_and_leaves_it(world, app, state):
    stays = () if state in (VmState.PENDING, VmState.HOLD) else (replace(STAY, etime=0 if state.is_active else 200),)
    await world.put(replace(VM_OF_ALICE, state=state, history=stays))
    assert await world.ask(ALICE, "one.vm.vmgroupadd", VM_ID, app, "web") == VM_ID
    assert await vms_of(world, "web") == str(VM_ID)
    assert await world.ask(ALICE, "one.vm.vmgroupdel", VM_ID) == VM_ID
    assert await vms_of(world, "web") is None
    assert "VMGROUP" not in world.memory.vms[VM_ID].template


async def test_a_vm_does_not_join_what_it_may_not(world, app):
    await world.ask(BOB, "one.vmgroup.allocate", APP)
    in_db = await member(world, "db")
    running = replace(VM_OF_ALICE, id=in_db, template=world.memory.vms[in_db].template)
    await world.put(running)
    for session, arguments, told, code in (
        (ALICE, (VM_ID, 1, "web"), r"USE VMGROUP \[1\]", 0x0200),
        (BOB, (VM_ID, 1, "web"), r"MANAGE VM \[5\]", 0x0200),
        (ALICE, (VM_ID, 0, "x"), "has no role x", 0x2000),
        (ALICE, (VM_ID, 7, "web"), r"Error getting vm group \[7\]", 0x0400),
        (ALICE, (in_db, 0, "web"), "has role db in VM group app .0.: take it out first", 0x0800),
        (
            ALICE,
            (VM_ID, 0, "web"),
            rf"VM 5 cannot be on host node1 .3.: VM group app .0.: role web is kept apart from role db: VM {in_db} of "
            "that is on host node1 .3.: move it before it joins VM group app .0., or power it off",
            0x0800,
        ),
    ):
        with pytest.raises(Refusal, match=told) as refused:
            await world.ask(session, "one.vm.vmgroupadd", *arguments)
        assert refused.value.code == code
    with pytest.raises(Refusal, match="VM 5 is in no VM group"):
        await world.ask(ALICE, "one.vm.vmgroupdel", VM_ID)
    assert world.memory.vms[VM_ID] == VM_OF_ALICE


async def test_new_rules_must_be_kept_by_the_vms_that_are_on_hosts(world, app):
    first, second = await member(world, "log"), await member(world, "log")
    for vm_id in (first, second):
        await world.put(replace(VM_OF_ALICE, id=vm_id, template=world.memory.vms[vm_id].template))
    told = rf"VM {first} on host node1 .3. is against these rules: role log is kept apart: VM {second} of it is on"
    with pytest.raises(Refusal, match=told):
        await world.ask(ALICE, "one.vmgroup.roleupdate", app, 2, "ROLE = [ POLICY = ANTI_AFFINED ]")
    with pytest.raises(Refusal, match="role log is kept off host node1"):
        await world.ask(ALICE, "one.vmgroup.roleupdate", app, 2, f"ROLE = [ HOST_ANTI_AFFINED = {HOST_ID} ]")
    await world.ask(ALICE, "one.vmgroup.roleupdate", app, 2, "ROLE = [ POLICY = AFFINED ]")
    away = (replace(STAY, host_id=OTHER_ID, hostname="node2"),)
    await world.change("vms", second, history=away)
    await world.ask(ALICE, "one.vmgroup.update", app, "NOTE = 3", 1)
    assert world.memory.vm_groups[app].template.single("NOTE") == "3", "what is broken already is in nobody's way"


async def test_what_an_older_engine_kept_as_written_is_in_no_group(world, app):
    for vector in ({"ROLE": "web"}, {"VMGROUP_ID": "x", "ROLE": "web"}, {"VMGROUP_ID": "0", "ROLE": "gone"}):
        await world.put(replace(VM_OF_ALICE, template=VM_OF_ALICE.template.replacing("VMGROUP", vector)))
        await shown(world, app)
        assert await world.ask(ADMIN, "one.vm.migrate", VM_ID, OTHER_ID, True, False) == VM_ID
        await world.put(VM_OF_ALICE)
