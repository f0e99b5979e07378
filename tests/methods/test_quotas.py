"""Quotas: whatever a call would make of them, nobody gets more than there may be."""

import asyncio
import json

import pytest
from msgspec.structs import replace

from tests.methods.world import (
    ADMIN,
    ALICE,
    ALICE_ID,
    BOB,
    BOB_ID,
    EVE_ID,
    HOST_ID,
    IMAGE_ID,
    NETWORK_ID,
    STAFF_GID,
    TEMPLATE_ID,
    VM_ID,
    Refusal,
)
from tests.wire.schemas import valid
from trifid.core.access import Permissions
from trifid.core.quota_usage import recomputed
from trifid.core.template.model import template
from trifid.core.vm.states import VmState

VM = "CPU=1\nMEMORY=64"
DISK = {"DISK_ID": "0", "TYPE": "FS", "SIZE": "100", "TARGET": "vda"}


async def limit(world, quota, user_id=ALICE_ID):
    await world.ask(ADMIN, "one.user.quota", user_id, quota)


async def refused(world, session, method, *arguments):
    """The text of a refusal by a quota, which leaves everything as it was."""
    before = world.store.load()
    with pytest.raises(Refusal) as refusal:
        await world.ask(session, method, *arguments)
    assert refusal.value.code == 0x0200
    assert replace(world.store.load(), audit_id=before.audit_id) == before
    return refusal.value.text


@pytest.fixture(autouse=True)
async def _room_on_the_host(world):
    await world.change("hosts", HOST_ID, total_memory_kib=8 << 20)


@pytest.fixture(autouse=True)
async def _usage_is_what_the_records_say(world):
    yield
    memory = world.memory
    records = memory.vms.values(), memory.images.values(), memory.networks, memory.leases.values()
    assert memory.usage == recomputed(*records)


# -- the paths that take something ---------------------------------------------------------------------


async def test_a_vm_beyond_the_limit_is_refused_and_the_text_names_limit_use_and_demand(world):
    await limit(world, "VM=[VMS=2]")
    await world.ask(ALICE, "one.vm.allocate", VM)
    assert await refused(world, ALICE, "one.vm.allocate", VM) == (
        f"[one.vm.allocate] User [{ALICE_ID}] : user [{ALICE_ID}] limit of 2 reached for VMS quota in VM. "
        "It has 2 and would have 1 more: use less, or ask an administrator for more."
    )


@pytest.mark.parametrize(
    ("quota", "asked"),
    [
        ("CPU=1.5", "CPU=0.6\nMEMORY=1"),
        ("RUNNING_CPU=1.5", "CPU=0.6\nMEMORY=1"),
        ("MEMORY=100", "CPU=0.1\nMEMORY=37"),
        ("RUNNING_MEMORY=100", "CPU=0.1\nMEMORY=37"),
        ("RUNNING_VMS=1", VM),
        ("SYSTEM_DISK_SIZE=10", VM + "\nDISK=[TYPE=fs,SIZE=11]"),
    ],
)
async def test_each_figure_of_vms_has_a_limit(world, quota, asked):
    await limit(world, f"VM=[{quota}]")
    await refused(world, ALICE, "one.vm.allocate", asked)
    await limit(world, f"VM=[{quota.partition('=')[0]}=-2]")
    await world.ask(ALICE, "one.vm.allocate", asked)


async def test_a_template_is_instantiated_within_the_limit_only(world):
    await limit(world, "VM=[MEMORY=127]")
    await refused(world, ALICE, "one.template.instantiate", TEMPLATE_ID, "x", False, "", False)


async def test_a_disk_is_attached_within_the_limit_only(world):
    await world.change("vms", VM_ID, state=VmState.RUNNING)
    await limit(world, "VM=[SYSTEM_DISK_SIZE=10]")
    await refused(world, ALICE, "one.vm.attach", VM_ID, "DISK=[TYPE=fs,SIZE=11]")
    await world.ask(ALICE, "one.vm.attach", VM_ID, "DISK=[TYPE=fs,SIZE=10]")


async def test_a_nic_is_attached_within_the_limit_only(world):
    await world.open_network()
    await limit(world, f"NETWORK=[ID={NETWORK_ID},LEASES=1]")
    await world.ask(ALICE, "one.vm.allocate", f"{VM}\nNIC=[NETWORK_ID={NETWORK_ID}]")
    text = await refused(world, ALICE, "one.vm.attachnic", VM_ID, f"NIC=[NETWORK_ID={NETWORK_ID}]")
    assert f"limit of 1 reached for LEASES quota in NETWORK with ID: {NETWORK_ID}." in text


async def test_a_vm_grows_within_the_limit_only(world):
    await world.change("vms", VM_ID, state=VmState.POWEROFF, template=template(CPU="1", MEMORY="64"))
    await limit(world, "VM=[MEMORY=128,CPU=1]")
    await refused(world, ALICE, "one.vm.resize", VM_ID, "MEMORY=129", False)
    await refused(world, ALICE, "one.vm.resize", VM_ID, "CPU=1.01", False)
    await world.ask(ALICE, "one.vm.resize", VM_ID, "MEMORY=128", False)


async def test_a_disk_grows_within_the_limit_only(world):
    await world.change("vms", VM_ID, template=template(DISK=[DISK]))
    await limit(world, "VM=[SYSTEM_DISK_SIZE=150]")
    await refused(world, ALICE, "one.vm.diskresize", VM_ID, 0, "151")
    await world.ask(ALICE, "one.vm.diskresize", VM_ID, 0, "150")


async def test_a_snapshot_of_a_disk_counts_its_size(world):
    disk = DISK | {"TYPE": "FILE", "IMAGE_ID": str(IMAGE_ID), "CLONE": "YES", "FORMAT": "qcow2", "DRIVER": "qcow2"}
    await world.change("vms", VM_ID, template=template(DISK=[disk]))
    await limit(world, "VM=[SYSTEM_DISK_SIZE=199]")
    await refused(world, ALICE, "one.vm.disksnapshotcreate", VM_ID, 0, "before")
    await limit(world, "VM=[SYSTEM_DISK_SIZE=200]")
    await world.ask(ALICE, "one.vm.disksnapshotcreate", VM_ID, 0, "before")


async def test_a_vm_at_rest_does_not_run_again_beyond_the_limit(world):
    await world.change("vms", VM_ID, state=VmState.POWEROFF)
    await limit(world, "VM=[RUNNING_VMS=0]")
    await refused(world, ALICE, "one.vm.action", "resume", VM_ID)
    await world.ask(ALICE, "one.vm.action", "terminate", VM_ID)


async def test_nobody_is_given_a_vm_beyond_the_limit(world):
    await limit(world, "VM=[VMS=0]", BOB_ID)
    text = await refused(world, ADMIN, "one.vm.chown", VM_ID, BOB_ID, -1)
    assert f"User [0] : user [{BOB_ID}] limit of 0 reached" in text
    await world.ask(ADMIN, "one.vm.chown", VM_ID, EVE_ID, -1)


async def test_a_group_is_given_a_vm_within_its_limit_only_and_what_it_has_already_costs_nothing(world):
    await world.ask(ADMIN, "one.group.quota", STAFF_GID, "VM=[VMS=0]")
    text = await refused(world, ADMIN, "one.vm.chown", VM_ID, -1, STAFF_GID)
    assert f"group [{STAFF_GID}] limit of 0 reached for VMS quota in VM." in text
    await world.ask(ADMIN, "one.group.quota", 1, "VM=[MEMORY=1]")
    await world.ask(ADMIN, "one.vm.chown", VM_ID, -1, 1)


async def test_images_are_made_copied_and_given_within_the_limits_only(world):
    await limit(world, "DATASTORE=[ID=1,IMAGES=1]")
    text = await refused(world, ALICE, "one.image.allocate", "NAME=x\nTYPE=DATABLOCK\nSIZE=1", 1)
    assert "limit of 1 reached for IMAGES quota in DATASTORE with ID: 1." in text
    await refused(world, ALICE, "one.image.clone", IMAGE_ID, "copy")
    await limit(world, "DATASTORE=[ID=1,IMAGES=-2,SIZE=150]")
    await refused(world, ALICE, "one.image.allocate", "NAME=x\nTYPE=DATABLOCK\nSIZE=51", 1)
    await refused(world, ALICE, "one.image.clone", IMAGE_ID, "copy")
    await limit(world, "DATASTORE=[ID=1,SIZE=99]", BOB_ID)
    await refused(world, ADMIN, "one.image.chown", IMAGE_ID, BOB_ID, -1)
    await world.ask(ALICE, "one.image.allocate", "NAME=x\nTYPE=DATABLOCK\nSIZE=50", 1)


async def test_an_image_grows_within_the_limit_only(world):
    await limit(world, "DATASTORE=[ID=1,SIZE=150]")
    await refused(world, ALICE, "trifid.image.resize", IMAGE_ID, 151)
    await world.ask(ALICE, "trifid.image.resize", IMAGE_ID, 150)


async def test_so_does_a_persistent_image_while_a_vm_has_it(world):
    disk = {"DISK_ID": "0", "TYPE": "FILE", "IMAGE_ID": str(IMAGE_ID), "CLONE": "NO", "PERSISTENT": "YES"}
    disk |= {"SIZE": "100", "ORIGINAL_SIZE": "100", "DATASTORE_ID": "1", "FORMAT": "raw", "DRIVER": "raw"}
    await world.change("images", IMAGE_ID, is_persistent=True)
    await world.change("vms", VM_ID, template=template(DISK=[disk]))
    await limit(world, "DATASTORE=[ID=1,SIZE=150]")
    await refused(world, ALICE, "one.vm.diskresize", VM_ID, 0, "151")
    await world.ask(ALICE, "one.vm.diskresize", VM_ID, 0, "150")
    assert world.memory.usage["user", ALICE_ID]["DATASTORE", "1", "SIZE"] == 150


async def test_an_image_is_used_by_so_many_vms_of_a_user_only(world):
    await limit(world, f"IMAGE=[ID={IMAGE_ID},RVMS=1]")
    await world.ask(ALICE, "one.vm.allocate", f"{VM}\nDISK=[IMAGE_ID={IMAGE_ID}]")
    text = await refused(world, ALICE, "one.vm.allocate", f"{VM}\nDISK=[IMAGE_ID={IMAGE_ID}]")
    assert f"RVMS quota in IMAGE with ID: {IMAGE_ID}." in text


async def test_addresses_that_are_reserved_or_held_count_for_who_has_the_network(world):
    await world.change("networks", NETWORK_ID, uid=ALICE_ID, gid=1, permissions=Permissions(0o700))
    await limit(world, f"NETWORK=[ID={NETWORK_ID},LEASES=3]")
    await world.ask(ALICE, "one.vn.hold", NETWORK_ID, "LEASES=[IP=10.0.0.9]")
    await refused(world, ALICE, "one.vn.reserve", NETWORK_ID, "SIZE=3\nNAME=mine")
    await world.ask(ALICE, "one.vn.reserve", NETWORK_ID, "SIZE=2\nNAME=mine")
    await refused(world, ALICE, "one.vn.hold", NETWORK_ID, "LEASES=[IP=10.0.0.8]")
    await world.ask(ALICE, "one.vn.release", NETWORK_ID, "LEASES=[IP=10.0.0.9]")
    await world.ask(ALICE, "one.vn.hold", NETWORK_ID, "LEASES=[IP=10.0.0.8]")


async def test_who_gets_a_network_gets_its_addresses_on_hold(world):
    await world.ask(ADMIN, "one.vn.hold", NETWORK_ID, "LEASES=[IP=10.0.0.9]")
    await limit(world, f"NETWORK=[ID={NETWORK_ID},LEASES=0]")
    await refused(world, ADMIN, "one.vn.chown", NETWORK_ID, ALICE_ID, -1)
    await world.ask(ADMIN, "one.vn.release", NETWORK_ID, "LEASES=[IP=10.0.0.9]")
    await world.ask(ADMIN, "one.vn.chown", NETWORK_ID, ALICE_ID, -1)


async def test_a_limit_of_clusters_counts_the_vms_that_are_in_them(world):
    await limit(world, 'VM=[CLUSTER_IDS="0,7",VMS=1]')
    vm_id = await world.ask(ALICE, "one.vm.allocate", VM)
    text = await refused(world, ADMIN, "one.vm.deploy", vm_id, HOST_ID)
    assert "limit of 1 reached for VMS quota in VM with CLUSTER_IDS: 0,7." in text
    await limit(world, 'VM=[CLUSTER_IDS="0,7",VMS=2]')
    await world.ask(ADMIN, "one.vm.deploy", vm_id, HOST_ID)


# -- whose limits, and when they hold --------------------------------------------------------------------


async def test_of_calls_that_come_together_so_many_succeed_as_the_limit_allows(world):
    await limit(world, "VM=[VMS=4]")
    codes = await asyncio.gather(*(world.code(ALICE, "one.vm.allocate", VM) for _ in range(9)))
    assert sorted(codes) == [0] * 3 + [0x0200] * 6


async def test_a_dry_run_tells_which_vms_would_be_beyond_a_limit(world):
    await limit(world, "VM=[VMS=3]")
    batch = json.dumps({"vms": [{"template": VM, "count": 3}]})
    told = json.loads(await world.ask(ALICE, "trifid.placement.dry_run", batch))
    assert ["limit of 3 reached" in one["why"] for one in told["results"]] == [False, False, True]
    assert len(world.memory.vms) == 1


async def test_a_limit_holds_for_what_comes_after_it_in_the_same_turn(world):
    await world.ask(ADMIN, "one.system.version")  # its session is known from then on, and its calls come at once
    world.store.may_write.clear()
    world.store.writing.clear()
    tasks = [world.task(BOB, "one.vm.allocate", VM)]
    await world.until_writing()
    for call in (
        (ALICE, "one.vm.allocate", VM),
        (ADMIN, "one.user.quota", ALICE_ID, "VM=[VMS=2]"),
        (ALICE, "one.vm.allocate", VM),
        (BOB, "one.vm.allocate", VM),
    ):
        tasks.append(world.task(*call))
        await world.all_asked()
    world.store.may_write.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in outcomes] == [int, int, int, Refusal, int]
    assert "limit of 2" in outcomes[3].text


async def test_defaults_hold_for_everybody_without_a_limit_of_their_own(world):
    await world.ask(ADMIN, "one.userquota.update", "VM=[VMS=1,MEMORY=1000]")
    await refused(world, ALICE, "one.vm.allocate", VM)
    await limit(world, "VM=[VMS=2]")
    await world.ask(ALICE, "one.vm.allocate", VM)
    await refused(world, ALICE, "one.vm.allocate", VM)
    await limit(world, "VM=[VMS=-2]")
    await refused(world, ALICE, "one.vm.allocate", "CPU=1\nMEMORY=873")
    await world.ask(ALICE, "one.vm.allocate", "CPU=1\nMEMORY=872")
    await limit(world, "VM=[VMS=-1]")
    await refused(world, ALICE, "one.vm.allocate", VM)
    await world.ask(ADMIN, "one.userquota.update", "VM=[VMS=-1,MEMORY=-1]")
    await world.ask(ALICE, "one.vm.allocate", VM)


async def test_defaults_of_groups_are_others_than_those_of_users(world):
    await world.ask(ADMIN, "one.groupquota.update", "VM=[VMS=1]")
    assert "group [1] limit of 1" in await refused(world, ALICE, "one.vm.allocate", VM)
    await world.ask(ADMIN, "one.group.quota", 1, "VM=[VMS=2]")
    await world.ask(ALICE, "one.vm.allocate", VM)


async def test_oneadmin_and_its_group_have_no_limits(world):
    await world.ask(ADMIN, "one.userquota.update", "VM=[VMS=0]")
    await world.ask(ADMIN, "one.groupquota.update", "VM=[VMS=0]")
    await world.ask(ADMIN, "one.vm.allocate", VM)
    for kind in ("user", "group"):
        with pytest.raises(Refusal, match=f"Cannot set quotas for oneadmin {kind}") as refusal:
            await world.ask(ADMIN, f"one.{kind}.quota", 0, "VM=[VMS=0]")
        assert refusal.value.code == 0x0800


async def test_who_is_above_a_new_limit_keeps_what_is_there_and_may_use_less(world):
    await world.change("vms", VM_ID, state=VmState.POWEROFF, template=template(CPU="1", MEMORY="64"))
    await limit(world, "VM=[VMS=0,MEMORY=10,CPU=0]")
    await world.ask(ALICE, "one.vm.resize", VM_ID, "MEMORY=60", False)
    await world.ask(ALICE, "one.vm.rename", VM_ID, "still mine")
    await refused(world, ALICE, "one.vm.resize", VM_ID, "MEMORY=61", False)


async def test_what_drivers_report_is_never_refused(world):
    await limit(world, "VM=[RUNNING_VMS=0,VMS=0]")
    await world.change("vms", VM_ID, state=VmState.POWEROFF)
    await world.change("vms", VM_ID, state=VmState.RUNNING)
    document = await world.ask(ADMIN, "one.user.info", ALICE_ID)
    assert "<RUNNING_VMS><![CDATA[0]]></RUNNING_VMS><RUNNING_VMS_USED><![CDATA[1]]></RUNNING_VMS_USED>" in document


# -- the calls ---------------------------------------------------------------------------------------------


async def test_documents_tell_limits_beside_what_is_used_and_are_as_the_schemas_want_them(world):
    await world.open_network()
    await world.ask(ALICE, "one.vm.allocate", f"CPU=0.25\nMEMORY=64\nNIC=[NETWORK_ID={NETWORK_ID}]")
    await limit(world, 'VM=[VMS=5,CPU=1.5] VM=[CLUSTER_IDS="7,0",VMS=3]\nDATASTORE=[ID=1,SIZE=-2]')
    await world.ask(ADMIN, "one.userquota.update", "VM=[VMS=9]\nNETWORK=[ID=4,LEASES=2]")
    await world.ask(ADMIN, "one.group.quota", 1, "IMAGE=[ID=7,RVMS=0]")
    document = await world.ask(ADMIN, "one.user.info", ALICE_ID)
    for expected in (
        "<CPU><![CDATA[1.50]]></CPU><CPU_USED><![CDATA[1.25]]></CPU_USED>",
        "<VMS><![CDATA[5]]></VMS><VMS_USED><![CDATA[2]]></VMS_USED>",
        "<VM><CLUSTER_IDS><![CDATA[0,7]]></CLUSTER_IDS><CPU><![CDATA[-1]]></CPU><CPU_USED><![CDATA[1]]></CPU_USED>",
        "<SIZE><![CDATA[-2]]></SIZE><SIZE_USED><![CDATA[100]]></SIZE_USED>",
        "<LEASES><![CDATA[-1]]></LEASES><LEASES_USED><![CDATA[1]]></LEASES_USED>",
    ):
        assert expected in document
    valid(document, "user")
    valid(await world.ask(ADMIN, "one.userpool.info"), "user_pool")
    valid(await world.ask(ADMIN, "one.group.info", 1), "group")
    valid(await world.ask(ADMIN, "one.grouppool.info"), "group_pool")


async def test_default_quotas_are_answered_as_a_document(world):
    answered = await world.ask(ADMIN, "one.groupquota.update", "DATASTORE=[ID=1,SIZE=10]")
    assert answered == await world.ask(ADMIN, "one.groupquota.info")
    assert answered.startswith("<DEFAULT_GROUP_QUOTAS><DATASTORE_QUOTA><DATASTORE><ID><![CDATA[1]]></ID>")
    assert await world.ask(ADMIN, "one.userquota.info") == (
        "<DEFAULT_USER_QUOTAS><DATASTORE_QUOTA></DATASTORE_QUOTA><NETWORK_QUOTA></NETWORK_QUOTA>"
        "<VM_QUOTA></VM_QUOTA><IMAGE_QUOTA></IMAGE_QUOTA></DEFAULT_USER_QUOTAS>"
    )


async def test_a_quota_may_be_xml_and_may_name_what_is_used(world):
    await limit(world, "<Q><VM><VMS>3</VMS><VMS_USED>1</VMS_USED></VM></Q>")
    assert world.memory.users[ALICE_ID].limits.of("VM", "") == {"VMS": 3}


async def test_a_wrong_quota_is_refused_as_an_update_is_and_changes_nothing(world):
    for quota in ("VM=[", "VM=[VMS=-3]", "VM=[CPU=0.001]", "DISK=[SIZE=1]", "NETWORK=[LEASES=1]", "VMS=1"):
        assert await world.code(ADMIN, "one.user.quota", ALICE_ID, quota) == 0x0800
    assert await world.code(ADMIN, "one.user.quota", 99, "VM=[VMS=1]") == 0x0400
    assert not world.memory.limited


async def test_nobody_sets_limits_of_their_own(world):
    assert await world.code(ALICE, "one.user.quota", ALICE_ID, "VM=[VMS=-2]") == 0x0200
    assert await world.code(ALICE, "one.group.quota", STAFF_GID, "VM=[VMS=-2]") == 0x0200
