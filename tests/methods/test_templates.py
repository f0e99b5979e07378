"""VM templates: kept, changed, shown, copied, and VMs made of them."""

import pytest
from msgspec.structs import replace

from tests.methods.world import (
    ADMIN,
    ALICE,
    ALICE_ID,
    BOB,
    BOB_ID,
    EVE,
    NETWORK_ID,
    STAFF_GID,
    TEMPLATE_ID,
    Refusal,
)
from tests.wire.schemas import valid
from trifid.core.access import Permissions
from trifid.core.image.datastore import DEFAULT_ID
from trifid.core.image.record import Image, ImageState, ImageType
from trifid.core.template.model import template
from trifid.core.vm.states import VmState

IMAGE_ID = 18
FIRST_NEW_ID = 50
RESTRICTED = "includes a restricted attribute"
OPEN = Permissions(0o604)
DEBIAN = Image(
    id=IMAGE_ID,
    uid=ALICE_ID,
    gid=1,
    name="debian",
    type=ImageType.OS,
    datastore_id=DEFAULT_ID,
    state=ImageState.READY,
    step=1,
    source=f"/ds/1/{'a' * 32}",
    path="/srv/debian.img",
    format="raw",
    size_mib=100,
)


@pytest.fixture
async def debian(world) -> Image:
    """An image of Alice, which her template has a disk of."""
    await world.put(DEBIAN)
    await world.put_counters(image=FIRST_NEW_ID)
    await world.ask(ALICE, "one.template.update", TEMPLATE_ID, "DISK=[IMAGE=debian]\nDISK=[TYPE=swap,SIZE=16]", 1)
    return DEBIAN


def kept(world, template_id=TEMPLATE_ID):
    return world.memory.vm_templates[template_id]


def new_images(world):
    """Return the ids of the images that were made since."""
    return [image_id for image_id in world.memory.images if image_id >= FIRST_NEW_ID]


async def instantiate(world, session, *arguments, template_id=TEMPLATE_ID):
    """Return the VM that a template becomes."""
    return world.memory.vms[await world.ask(session, "one.template.instantiate", template_id, *arguments)]


class TestKeeping:
    async def test_a_template_is_kept_as_it_was_written_but_for_its_name(self, world):
        text = 'NAME=web\nCPU=1\nUSER_INPUTS=[ROLE="M|text|Role"]\nDISK=[IMAGE=not-yet]'
        made = kept(world, await world.ask(ALICE, "one.template.allocate", text))
        assert (made.name, made.uid, made.gid, made.regtime) == ("web", ALICE_ID, 1, 1000)
        assert made.template == template(CPU="1", USER_INPUTS={"ROLE": "M|text|Role"}, DISK={"IMAGE": "not-yet"})
        assert made.permissions == Permissions(0o600)

    @pytest.mark.parametrize(
        ("text", "code", "said"),
        [
            ("CPU=1", 0x2000, "Invalid NAME, it cannot be empty"),
            ("CPU=[", 0x2000, "Parse error"),
            ("NAME=small", 0x2000, f"NAME is already taken by TEMPLATE {TEMPLATE_ID}."),
            ("NAME=x\nMEMORY=much", 0x2000, "MEMORY attribute must be a positive integer value"),
            ("NAME=x\nNIC=[BRIDGE=br0]", 0x0200, f"{RESTRICTED} NIC/BRIDGE"),
            ("NAME=x\nDISK=[SOURCE=/etc/shadow]", 0x0200, f"{RESTRICTED} DISK/SOURCE"),
        ],
    )
    async def test_what_cannot_be_kept_is_told_why(self, world, text, code, said):
        with pytest.raises(Refusal, match=said.replace("[", "\\[")) as refusal:
            await world.ask(ALICE, "one.template.allocate", text)
        assert refusal.value.code == code

    async def test_names_are_each_owners_own(self, world):
        assert await world.ask(BOB, "one.template.allocate", "NAME=small") == 50
        with pytest.raises(Refusal, match=r"already owns virtual machine template \[50\]"):
            await world.ask(ADMIN, "one.template.chown", TEMPLATE_ID, BOB_ID, -1)
        await world.ask(BOB, "one.template.rename", 50, "tiny")
        await world.ask(ADMIN, "one.template.chown", TEMPLATE_ID, BOB_ID, STAFF_GID)
        assert (kept(world).uid, kept(world).gid) == (BOB_ID, STAFF_GID)
        with pytest.raises(Refusal, match="collides"):
            await world.ask(BOB, "one.template.rename", 50, "small")

    async def test_a_template_is_replaced_or_extended(self, world):
        await world.ask(ALICE, "one.template.update", TEMPLATE_ID, "MEMORY=128", 1)
        assert kept(world).template == template(CPU="1", MEMORY="128")
        await world.ask(ALICE, "one.template.update", TEMPLATE_ID, "NAME=other\nVCPU=2", 0)
        assert kept(world).template == template(VCPU="2")
        assert kept(world).name == "small"
        assert await world.code(ALICE, "one.template.update", TEMPLATE_ID, "VCPU=[", 1) == 0x0800
        assert await world.code(ALICE, "one.template.update", TEMPLATE_ID, "VCPU=x", 1) == 0x0800
        assert await world.code(ALICE, "one.template.update", TEMPLATE_ID, "VCPU=2", 2) == 0x1000

    async def test_an_owner_sends_back_what_an_administrator_wrote_and_does_not_change_it(self, world):
        await world.ask(ADMIN, "one.template.update", TEMPLATE_ID, "NIC=[BRIDGE=br0]\nCPU_COST=5", 1)
        await world.ask(ALICE, "one.template.update", TEMPLATE_ID, "NIC=[BRIDGE=br0]\nCPU_COST=5\nCPU=2", 0)
        assert kept(world).template.single("CPU") == "2"
        for text in ("NIC=[BRIDGE=br1]", "CPU_COST=1", "NIC=[BRIDGE=br0,MAC=02:00:00:00:00:01]"):
            with pytest.raises(Refusal, match=RESTRICTED):
                await world.ask(ALICE, "one.template.update", TEMPLATE_ID, text, 1)

    async def test_a_locked_template_is_changed_by_nobody(self, world):
        await world.ask(ALICE, "one.template.lock", TEMPLATE_ID, 2)
        for session in (ALICE, ADMIN):
            assert await world.code(session, "one.template.update", TEMPLATE_ID, "X=1", 1) == 0x0200
            assert await world.code(session, "one.template.delete", TEMPLATE_ID) == 0x0200
        assert await world.code(ALICE, "one.template.instantiate", TEMPLATE_ID, "") == 0
        assert await world.code(BOB, "one.template.unlock", TEMPLATE_ID) == 0x0200
        await world.ask(ALICE, "one.template.unlock", TEMPLATE_ID)
        assert await world.code(ALICE, "one.template.update", TEMPLATE_ID, "X=1", 1) == 0

    async def test_a_lock_of_everything_forbids_to_make_something_of_it(self, world):
        await world.ask(ALICE, "one.template.lock", TEMPLATE_ID, 4)
        for session, said in ((ALICE, "It is locked"), (ADMIN, "TEMPLATE is locked")):
            for call in (("instantiate", TEMPLATE_ID, ""), ("clone", TEMPLATE_ID, "copy")):
                with pytest.raises(Refusal, match=said) as refusal:
                    await world.ask(session, f"one.template.{call[0]}", *call[1:])
                assert refusal.value.code == 0x0200

    async def test_a_deleted_template_is_gone_and_its_vms_stay(self, world):
        vm = await instantiate(world, ALICE, "")
        await world.ask(ALICE, "one.template.delete", TEMPLATE_ID)
        assert TEMPLATE_ID not in world.memory.vm_templates
        assert vm.id in world.memory.vms
        assert await world.code(ALICE, "one.template.info", TEMPLATE_ID) == 0x0400

    async def test_a_user_who_has_templates_is_not_deleted(self, world):
        await world.ask(BOB, "one.template.allocate", "NAME=x")
        with pytest.raises(Refusal, match="bob still owns virtual machine template 50"):
            await world.ask(ADMIN, "one.user.delete", BOB_ID)


class TestDocuments:
    async def test_one_template_and_the_pool_follow_the_schemas(self, world):
        await world.ask(ALICE, "one.template.lock", TEMPLATE_ID, 3)
        one = valid(await world.ask(ALICE, "one.template.info", TEMPLATE_ID), "vmtemplate")
        assert (one.findtext("UNAME"), one.findtext("NAME"), one.findtext("REGTIME")) == ("alice", "small", "80")
        assert (one.findtext("LOCK/LOCKED"), one.findtext("TEMPLATE/CPU")) == ("3", "1")
        (same,) = valid(await world.ask(ALICE, "one.templatepool.info", -2, -1, -1), "vmtemplate_pool")
        assert same.findtext("TEMPLATE/MEMORY") == "64"

    async def test_a_document_is_what_the_template_is_now(self, world):
        await world.ask(ALICE, "one.template.info", TEMPLATE_ID)
        await world.ask(ALICE, "one.template.update", TEMPLATE_ID, "CPU=2", 1)
        assert "<CPU><![CDATA[2]]></CPU>" in await world.ask(ALICE, "one.template.info", TEMPLATE_ID)
        await world.change("users", ALICE_ID, name="alicia")
        assert "<UNAME>alicia</UNAME>" in await world.ask(
            ALICE.replace("alice", "alicia"), "one.templatepool.info", -3, -1, -1
        )

    async def test_others_see_it_when_they_may_use_it(self, world):
        assert await world.ask(EVE, "one.templatepool.info", -2, -1, -1) == "<VMTEMPLATE_POOL></VMTEMPLATE_POOL>"
        await world.change("vm_templates", TEMPLATE_ID, permissions=OPEN)
        assert f"<ID>{TEMPLATE_ID}</ID>" in await world.ask(EVE, "one.templatepool.info", -2, -1, -1)

    async def test_an_extended_document_tells_what_images_and_networks_tell(self, world, debian):
        await world.open_network()
        await world.ask(ALICE, "one.template.update", TEMPLATE_ID, "NIC=[NETWORK=lan,MODEL=virtio]", 1)
        one = valid(await world.ask(ALICE, "one.template.info", TEMPLATE_ID, True), "vmtemplate")
        disk, swap = one.findall("TEMPLATE/DISK")
        assert (disk.findtext("IMAGE_ID"), disk.findtext("SIZE")) == (str(IMAGE_ID), "100")
        assert (disk.findtext("DATASTORE"), disk.findtext("IMAGE_UNAME")) == ("default", "alice")
        assert swap.findtext("SIZE") == "16"
        nic = one.find("TEMPLATE/NIC")
        assert (nic.findtext("NETWORK_ID"), nic.findtext("MODEL")) == (str(NETWORK_ID), "virtio")
        plain = valid(await world.ask(ALICE, "one.template.info", TEMPLATE_ID, False), "vmtemplate")
        assert plain.find("TEMPLATE/DISK/IMAGE_ID") is None

    async def test_what_the_caller_may_not_use_stays_as_it_is_written(self, world, debian):
        await world.change("vm_templates", TEMPLATE_ID, permissions=OPEN)
        await world.ask(ALICE, "one.template.update", TEMPLATE_ID, "DISK=[IMAGE_ID=18]\nNIC=[NETWORK_ID=4]", 1)
        one = valid(await world.ask(EVE, "one.template.info", TEMPLATE_ID, True), "vmtemplate")
        assert {child.tag for child in one.find("TEMPLATE/DISK")} == {"IMAGE_ID"}
        assert {child.tag for child in one.find("TEMPLATE/NIC")} == {"NETWORK_ID"}


class TestInstantiating:
    async def test_a_vm_is_called_after_its_template_and_knows_it(self, world):
        vm = await instantiate(world, ALICE, "")
        assert (vm.name, vm.state) == (f"small-{vm.id}", VmState.PENDING)
        assert vm.template.single("TEMPLATE_ID") == str(TEMPLATE_ID)

    async def test_name_hold_and_extra_are_the_callers(self, world):
        await world.ask(ALICE, "one.template.update", TEMPLATE_ID, 'USER_INPUTS=[A="M|text|x"]\nINPUTS_ORDER=A', 1)
        vm = await instantiate(world, ALICE, "front", True, "MEMORY=32\nROLE=db")
        assert (vm.name, vm.state, vm.needs.memory_mib) == ("front", VmState.HOLD, 32)
        assert dict(vm.user_template) == {"ROLE": "db"}

    async def test_the_longest_name_leaves_room_for_the_id(self, world):
        await world.ask(ALICE, "one.template.rename", TEMPLATE_ID, "n" * 128)
        vm = await instantiate(world, ALICE, "")
        assert vm.name == f"{'n' * 125}-{vm.id}"

    async def test_who_may_use_a_template_makes_vms_of_it_that_are_his_own(self, world):
        assert await world.code(BOB, "one.template.instantiate", TEMPLATE_ID, "") == 0x0200
        await world.change("vm_templates", TEMPLATE_ID, permissions=OPEN)
        assert (await instantiate(world, BOB, "")).uid == BOB_ID

    async def test_what_an_administrator_wrote_may_be_used_and_not_brought_along(self, world):
        await world.ask(ADMIN, "one.template.update", TEMPLATE_ID, "NIC=[BRIDGE=br0]\nOS=[KERNEL=/srv/vmlinuz]", 1)
        assert (await instantiate(world, ALICE, "")).template.vector("NIC")["BRIDGE"] == "br0"
        for extra in ("NIC=[BRIDGE=br1]", "OS=[KERNEL=/srv/vmlinuz,KERNEL_CMD=single]", "CPU_COST=1"):
            with pytest.raises(Refusal, match=RESTRICTED) as refusal:
                await world.ask(ALICE, "one.template.instantiate", TEMPLATE_ID, "", False, extra)
            assert refusal.value.code == 0x0200
        same = "NIC=[BRIDGE=br0]"
        assert await world.code(ALICE, "one.template.instantiate", TEMPLATE_ID, "", False, same) == 0

    async def test_files_that_an_administrator_named_are_not_turned_into_others(self, world):
        await world.ask(
            ADMIN, "one.template.update", TEMPLATE_ID, 'SCRIPT=boot.sh\nCONTEXT=[FILES="/srv/$SCRIPT",R="$ROLE"]', 1
        )
        vm = await instantiate(world, ALICE, "", False, "ROLE=db")
        assert (vm.template.vector("CONTEXT")["FILES"], vm.template.vector("CONTEXT")["R"]) == ("/srv/boot.sh", "db")
        with pytest.raises(Refusal, match=f"{RESTRICTED} CONTEXT/FILES"):
            await world.ask(ALICE, "one.template.instantiate", TEMPLATE_ID, "", False, "SCRIPT=../etc/shadow")
        with pytest.raises(Refusal, match=f"{RESTRICTED} CONTEXT/FILES"):
            await world.ask(ALICE, "one.template.update", TEMPLATE_ID, "SCRIPT=../etc/shadow", 1)

    async def test_what_is_wrong_leaves_nothing_behind(self, world):
        before = dict(world.memory.vms)
        for extra in ("MEMORY=much", "NIC=[NETWORK=nosuch]", "CPU=["):
            assert await world.code(ALICE, "one.template.instantiate", TEMPLATE_ID, "", False, extra) == 0x2000
        assert world.memory.vms == before


class TestImages:
    async def test_a_vm_gets_its_disks_of_the_images(self, world, debian):
        vm = await instantiate(world, ALICE, "")
        assert vm.template.vectors("DISK")[0]["IMAGE_ID"] == str(IMAGE_ID)

    async def test_a_plain_copy_shares_the_images(self, world, debian):
        copy = kept(world, await world.ask(ALICE, "one.template.clone", TEMPLATE_ID, "copy"))
        assert copy.template == kept(world).template
        assert (copy.name, copy.regtime) == ("copy", 1000)
        assert not new_images(world)
        with pytest.raises(Refusal, match="NAME is already taken by TEMPLATE 50"):
            await world.ask(ALICE, "one.template.clone", TEMPLATE_ID, "copy")
        assert await world.code(ALICE, "one.template.clone", TEMPLATE_ID, "") == 0x0800

    async def test_a_recursive_copy_has_images_of_its_own(self, world, debian):
        copy = kept(world, await world.ask(ALICE, "one.template.clone", TEMPLATE_ID, "copy", True))
        (made,) = new_images(world)
        assert copy.template.vectors("DISK") == [{"IMAGE_ID": str(made)}, {"TYPE": "swap", "SIZE": "16"}]
        image = world.memory.images[made]
        assert (image.name, image.cloning_id, image.is_persistent) == ("copy-disk-0", IMAGE_ID, False)
        assert world.memory.image_actions[made].verb == "CLONE"

    async def test_a_persistent_vm_writes_to_clones_that_it_waits_for(self, world, debian):
        vm = await instantiate(world, ALICE, "mine", False, "MEMORY=32", True)
        (made,) = new_images(world)
        assert world.memory.images[made].is_persistent
        assert vm.template.vectors("DISK")[0]["IMAGE_ID"] == str(made)
        assert (vm.state, vm.name, vm.template.single("TEMPLATE_ID")) == (VmState.CLONING, "mine", "50")
        assert (kept(world, 50).name, kept(world, 50).template.single("MEMORY")) == ("mine", "32")

    async def test_a_persistent_clone_becomes_as_large_as_its_disk_asks(self, world, debian):
        extra = f"DISK=[IMAGE_ID={IMAGE_ID}, SIZE=20480]"
        vm = await instantiate(world, ALICE, "mine", False, extra, True)
        (made,) = new_images(world)
        assert (world.memory.images[made].size_mib, vm.template.vectors("DISK")[0]["SIZE"]) == (20480, "20480")

    async def test_a_cdrom_is_not_cloned(self, world, debian):
        await world.change("images", IMAGE_ID, type=ImageType.CDROM)
        copy = kept(world, await world.ask(ALICE, "one.template.clone", TEMPLATE_ID, "copy", True))
        assert copy.template.vectors("DISK")[0] == {"IMAGE": "debian"}

    async def test_a_copy_that_fails_half_way_leaves_nothing_behind(self, world, debian):
        await world.put(replace(debian, id=19, name="copy-disk-0", source="/ds/1/b"))
        with pytest.raises(Refusal, match="NAME is already taken by IMAGE 19"):
            await world.ask(ALICE, "one.template.clone", TEMPLATE_ID, "copy", True)
        assert set(world.memory.vm_templates) == {TEMPLATE_ID}
        assert not new_images(world)

    async def test_a_recursive_delete_removes_the_images(self, world, debian):
        await world.ask(ALICE, "one.template.delete", TEMPLATE_ID, True)
        assert TEMPLATE_ID not in world.memory.vm_templates
        assert world.memory.images[IMAGE_ID].state is ImageState.DELETE
        assert world.memory.image_actions[IMAGE_ID].verb == "RM"

    async def test_a_recursive_delete_of_images_in_use_changes_nothing(self, world, debian):
        vm = await instantiate(world, ALICE, "")
        with pytest.raises(Refusal, match=f"used by VM {vm.id}"):
            await world.ask(ALICE, "one.template.delete", TEMPLATE_ID, True)
        assert TEMPLATE_ID in world.memory.vm_templates
        assert world.memory.images[IMAGE_ID].state is ImageState.READY

    async def test_a_recursive_delete_takes_no_images_of_others(self, world, debian):
        await world.change("vm_templates", TEMPLATE_ID, uid=BOB_ID, template=template(DISK={"IMAGE_ID": str(IMAGE_ID)}))
        await world.change("images", IMAGE_ID, permissions=OPEN)
        assert await world.code(BOB, "one.template.delete", TEMPLATE_ID, True) == 0x0200
        assert world.memory.images[IMAGE_ID].state is ImageState.READY

    async def test_images_that_are_gone_are_in_nobodys_way(self, world, debian):
        await world.ask(ALICE, "one.template.update", TEMPLATE_ID, "DISK=[IMAGE_ID=77]", 1)
        await world.ask(ALICE, "one.template.delete", TEMPLATE_ID, True)
        assert TEMPLATE_ID not in world.memory.vm_templates

    async def test_permissions_of_the_images_follow_when_asked(self, world, debian):
        flags = (1, 1, 0, 1, 0, 0, 0, 0, 0)
        await world.ask(ALICE, "one.template.chmod", TEMPLATE_ID, *flags)
        assert world.memory.images[IMAGE_ID].permissions == Permissions(0o600)
        await world.ask(ALICE, "one.template.chmod", TEMPLATE_ID, *flags, True)
        assert kept(world).permissions == world.memory.images[IMAGE_ID].permissions == Permissions(0o640)
