"""Disks, NICs and snapshots of a VM: which are given, numbered, refused; and addresses that come and go."""

import pytest
from msgspec.structs import replace

from tests.methods.world import ADMIN, ALICE, ALICE_ID, HOST_ID, IMAGE_ID, STAY, VM_ID, VM_OF_ALICE, Refusal
from trifid.core.image.datastore import Space
from trifid.core.image.record import ImageState, ImageType
from trifid.core.template.model import template
from trifid.core.vm import events
from trifid.core.vm.record import VM, Needs
from trifid.core.vm.states import VmState
from trifid.engine.life import happen

DISK = {"DISK_ID": "0", "SOURCE": "/images/a", "TARGET": "sda", "TYPE": "DISK", "SIZE": "100", "READONLY": "NO"}
CONTEXT = {"DISK_ID": "1", "TARGET": "hda", "HOSTNAME": "web"}


@pytest.fixture
async def alice(world):
    """The world with a VM of Alice that has a disk, a context and a NIC with a lease, and an open network."""
    await world.open_network()
    made = await world.ask(ADMIN, "one.vm.allocate", "CPU=1\nMEMORY=64\nNIC=[NETWORK=lan]", True)
    nic = world.memory.vms[made].template.vector("NIC")
    for lease in list(world.memory.leases.values()):
        await world.put(replace(lease, vm_id=VM_ID))
    machine = replace(VM_OF_ALICE, template=template(CPU="1", MEMORY="64", DISK=[DISK], CONTEXT=CONTEXT, NIC=[nic]))
    await world.put(machine)
    return world


def vm(world) -> VM:
    return world.memory.vms[VM_ID]


def leases(world) -> int:
    return len(world.memory.leases_of.get(VM_ID, ()))


async def answered(world, failure: str = "", info: str = "") -> None:
    """The driver answers what is under way."""

    def command(draft):
        now = draft.vm(VM_ID)
        answer = events.Failed(step=now.step, why=failure) if failure else events.Done(step=now.step, info=info)
        happen(draft, now, answer)

    await world.engine.turns.ask(command)


class TestDisks:
    async def test_a_disk_gets_the_next_id_and_a_free_target(self, alice):
        assert await alice.ask(ADMIN, "one.vm.attach", VM_ID, "DISK=[SOURCE=/images/b]") == VM_ID
        assert vm(alice).state is VmState.HOTPLUG
        disk = vm(alice).template.vectors("DISK")[1]
        assert (disk["DISK_ID"], disk["TARGET"], disk["TYPE"], disk["CLONE"]) == ("2", "sdb", "DISK", "YES")

    async def test_a_disk_of_a_vm_that_is_off(self, alice):
        await alice.change("vms", VM_ID, state=VmState.POWEROFF, history=(replace(STAY, etime=9),))
        await alice.ask(ALICE, "one.vm.attach", VM_ID, "DISK=[TYPE=swap,SIZE=8]")
        assert vm(alice).state is VmState.HOTPLUG_PROLOG_POWEROFF

    @pytest.mark.parametrize(
        ("text", "code", "said"),
        [
            ("DISK=[SOURCE=/images/b]", 0x0200, "restricted attribute DISK/SOURCE"),
            ("DISK=[TYPE=swap,SIZE=1,TOTAL_BYTES_SEC=5]", 0x0200, "DISK/TOTAL_BYTES_SEC"),
            ("DISK=[TYPE=swap]", 0x0800, "SIZE attribute must be a positive integer value"),
            ("DISK=[TYPE=swap,SIZE=8,TARGET=sda]", 0x0800, "TARGET sda is already taken by DISK 0"),
            ("DISK=[TYPE=swap,SIZE=8,TARGET=hda]", 0x0800, "TARGET hda is already taken"),
            ("DISK=[IMAGE=etch]", 0x0800, "does not own an image with name: etch"),
            ("DISK=[", 0x0800, "Parse error"),
            ("NIC=[NETWORK=lan]", 0x0800, "expected one DISK"),
            ("DISK=[TYPE=swap,SIZE=1] DISK=[TYPE=swap,SIZE=1]", 0x0800, "expected one DISK"),
        ],
    )
    async def test_a_disk_that_cannot_be_is_refused_and_leaves_nothing(self, alice, text, code, said):
        before = vm(alice)
        with pytest.raises(Refusal, match=said) as refusal:
            await alice.ask(ALICE, "one.vm.attach", VM_ID, text)
        assert refusal.value.code == code
        assert vm(alice) is before

    async def test_a_disk_is_taken_away_but_not_the_context(self, alice):
        with pytest.raises(Refusal, match="DISK with DISK_ID 9 does not exist: VM 5 has 0"):
            await alice.ask(ALICE, "one.vm.detach", VM_ID, 9)
        with pytest.raises(Refusal, match="is its context"):
            await alice.ask(ALICE, "one.vm.detach", VM_ID, 1)
        await alice.ask(ALICE, "one.vm.detach", VM_ID, 0)
        assert vm(alice).template.vector("DISK")["ATTACH"] == "YES"

    @pytest.mark.parametrize(
        ("size", "said"),
        [
            ("100", "greater than current one"),
            ("99", "greater"),
            ("", "whole number"),
            ("-5", "whole"),
            ("2g", "whole"),
        ],
    )
    async def test_a_disk_only_grows(self, alice, size, said):
        with pytest.raises(Refusal, match=said):
            await alice.ask(ALICE, "one.vm.diskresize", VM_ID, 0, size)

    async def test_a_disk_grows(self, alice):
        await alice.ask(ALICE, "one.vm.diskresize", VM_ID, 0, "200")
        assert (vm(alice).state, vm(alice).template.vector("DISK")["SIZE"]) == (VmState.DISK_RESIZE, "200")

    async def test_a_persistent_disk_grows_as_far_as_its_image_has_room(self, alice):
        disk = {**DISK, "IMAGE_ID": str(IMAGE_ID), "PERSISTENT": "YES", "CLONE": "NO", "DATASTORE_ID": "1"}
        await alice.change("vms", VM_ID, template=vm(alice).template.replacing("DISK", disk))
        alice.engine.documents.space_of = lambda datastore_id: Space(1000, 0, 50, at=9)
        with pytest.raises(Refusal, match=r"Not enough space in datastore default \[1\]: 51 MiB are needed, 50"):
            await alice.ask(ALICE, "one.vm.diskresize", VM_ID, 0, "151")
        await alice.ask(ALICE, "one.vm.diskresize", VM_ID, 0, "150")

    async def test_a_persistent_image_that_nothing_is_written_back_to_is_not_attached_where_it_would_be_a_copy(
        self, alice
    ):
        await alice.change("vms", VM_ID, history=(replace(STAY, tm="ssh"),))
        await alice.change("images", IMAGE_ID, is_persistent=True, source="/srv/data.img", path="/srv/data.img")
        with pytest.raises(Refusal, match=r"nothing is written back to disk \[7\]"):
            await alice.ask(ALICE, "one.vm.attach", VM_ID, f"DISK=[IMAGE_ID={IMAGE_ID}]")
        await alice.change("vms", VM_ID, history=(STAY,))
        await alice.ask(ALICE, "one.vm.attach", VM_ID, f"DISK=[IMAGE_ID={IMAGE_ID}]")


class TestNics:
    async def test_a_nic_gets_the_next_id_and_an_address(self, alice):
        assert await alice.ask(ALICE, "one.vm.attachnic", VM_ID, "NIC=[NETWORK=lan,IP=10.0.0.7]") == VM_ID
        nic = vm(alice).template.vectors("NIC")[1]
        assert (nic["NIC_ID"], nic["IP"], nic["TARGET"], nic["NAME"]) == ("1", "10.0.0.7", f"one-{VM_ID}-1", "NIC1")
        assert (vm(alice).state, leases(alice)) == (VmState.HOTPLUG_NIC, 2)

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("NIC=[NETWORK=nowhere]", 0x0800),
            ("NIC=[NETWORK=lan,IP=10.9.9.9]", 0x0800),
            ("NIC=[NETWORK=lan,IP=10.0.0.1]", 0x0800),
            ("NIC=[MODEL=virtio]", 0x0800),
            ("NIC=[NETWORK=lan,MAC=02:00:00:00:00:01]", 0x0200),
            ("NIC=[BRIDGE=br0]", 0x0200),
        ],
    )
    async def test_a_nic_that_cannot_be_is_refused_and_takes_no_address(self, alice, text, code):
        assert await alice.code(ALICE, "one.vm.attachnic", VM_ID, text) == code
        assert leases(alice) == 1

    async def test_an_address_is_free_again_when_its_nic_is_gone_and_the_other_stays(self, alice):
        await alice.ask(ALICE, "one.vm.attachnic", VM_ID, "NIC=[NETWORK=lan,IP=10.0.0.7]")
        await answered(alice)
        assert (vm(alice).state, leases(alice)) == (VmState.RUNNING, 2)
        await alice.ask(ALICE, "one.vm.detachnic", VM_ID, 0)
        await answered(alice)
        assert [nic["IP"] for nic in vm(alice).template.vectors("NIC")] == ["10.0.0.7"]
        assert leases(alice) == 1
        await alice.ask(ALICE, "one.vm.attachnic", VM_ID, "NIC=[NETWORK=lan,IP=10.0.0.1]")
        assert [nic["NIC_ID"] for nic in vm(alice).template.vectors("NIC")] == ["1", "2"]

    async def test_an_address_is_free_again_when_its_nic_could_not_be_attached(self, alice):
        await alice.ask(ALICE, "one.vm.attachnic", VM_ID, "NIC=[NETWORK=lan]")
        await answered(alice, failure="no bridge")
        await answered(alice)
        assert (vm(alice).state, leases(alice)) == (VmState.RUNNING, 1)
        assert vm(alice).user_template.single("ERROR") == "no bridge"

    async def test_a_nic_that_there_is_not_cannot_go(self, alice):
        with pytest.raises(Refusal, match="NIC with NIC_ID 4 does not exist: VM 5 has 0"):
            await alice.ask(ALICE, "one.vm.detachnic", VM_ID, 4)


class TestSnapshots:
    async def test_a_machine_with_a_persistent_disk_is_not_kept_as_a_whole(self, alice):
        disk = {**DISK, "IMAGE": "data", "IMAGE_ID": str(IMAGE_ID), "PERSISTENT": "YES"}
        await alice.change("vms", VM_ID, template=vm(alice).template.replacing("DISK", disk))
        with pytest.raises(Refusal, match=r"DISK 0 of VM 5 is persistent image data.*onevm disk-snapshot-create 5"):
            await alice.ask(ALICE, "one.vm.snapshotcreate", VM_ID, "before")
        await alice.ask(ALICE, "one.vm.disksnapshotcreate", VM_ID, 0, "before")

    async def test_the_answer_is_the_id_of_the_snapshot(self, alice):
        for number, name in enumerate(("first", "")):
            assert await alice.ask(ALICE, "one.vm.snapshotcreate", VM_ID, name) == number
            await answered(alice)
        assert [one["NAME"] for one in vm(alice).template.vectors("SNAPSHOT")] == ["first", "snapshot-1"]
        assert await alice.ask(ALICE, "one.vm.snapshotrevert", VM_ID, 1) == VM_ID
        await answered(alice)
        assert await alice.ask(ALICE, "one.vm.snapshotdelete", VM_ID, 0) == VM_ID
        await answered(alice)
        with pytest.raises(Refusal, match="Snapshot 0 does not exist: VM 5 has 1"):
            await alice.ask(ALICE, "one.vm.snapshotrevert", VM_ID, 0)

    async def test_the_answer_is_the_id_of_the_snapshot_of_the_disk(self, alice):
        for number in range(2):
            assert await alice.ask(ALICE, "one.vm.disksnapshotcreate", VM_ID, 0, "") == number
            await answered(alice)
        await alice.ask(ALICE, "one.vm.disksnapshotrename", VM_ID, 0, 1, "second")
        assert [one.name for one in vm(alice).disk_snapshots[0].snapshots] == ["snapshot-0", "second"]
        assert await alice.ask(ALICE, "one.vm.disksnapshotdelete", VM_ID, 0, 0) == VM_ID
        await answered(alice)
        with pytest.raises(Refusal, match="Snapshot 0 does not exist: DISK 0 of VM 5 has 1"):
            await alice.ask(ALICE, "one.vm.disksnapshotdelete", VM_ID, 0, 0)
        with pytest.raises(Refusal, match="has snapshots: delete them first"):
            await alice.ask(ALICE, "one.vm.diskresize", VM_ID, 0, "500")

    async def test_a_disk_is_brought_back_only_when_the_vm_is_off(self, alice):
        await alice.ask(ALICE, "one.vm.disksnapshotcreate", VM_ID, 0, "x")
        await answered(alice)
        with pytest.raises(Refusal, match="not available for state RUNNING, it needs POWEROFF"):
            await alice.ask(ALICE, "one.vm.disksnapshotrevert", VM_ID, 0, 0)

    @pytest.mark.parametrize("change", [{"TYPE": "CDROM"}, {"READONLY": "YES"}])
    async def test_what_cannot_change_has_no_snapshots(self, alice, change):
        new = vm(alice).template.replacing("DISK", {**DISK, **change})
        await alice.change("vms", VM_ID, template=new)
        with pytest.raises(Refusal, match="cannot be kept in snapshots"):
            await alice.ask(ALICE, "one.vm.disksnapshotcreate", VM_ID, 0, "x")

    async def test_a_disk_of_a_running_vm_becomes_an_image_by_two_drivers(self, alice):
        image_id = await alice.ask(ALICE, "one.vm.disksaveas", VM_ID, 0, "golden", "", -1)
        image = alice.memory.images[image_id]
        assert (image.state, image.saved_from, image.uid) == (ImageState.LOCKED, VM_ID, ALICE_ID)
        assert vm(alice).state is VmState.HOTPLUG_SAVEAS
        await answered(alice)
        assert vm(alice).template.vectors("DISK")[0]["SAVEAS_SOURCE"] == image.source
        await answered(alice)
        assert vm(alice).state is VmState.RUNNING
        assert "SAVEAS" not in str(vm(alice).template)
        assert alice.memory.images[image_id].state is ImageState.READY

    @pytest.mark.parametrize(
        ("size", "kind", "told", "size_mib"),
        [("", "raw", "SIZE=4", 4), ("1", "raw", "SIZE=4", 4), ("100", "raw", "", 100), ("100", "raw", "SIZE=x", 100),
         ("100", "qcow2", "SIZE=4", 100)],
    )  # fmt: skip
    async def test_an_image_is_as_large_as_the_file_of_the_disk_whatever_that_was_said_to_be(
        self, alice, size, kind, told, size_mib
    ):
        disk = {**DISK, "DRIVER": kind, "SIZE": size}
        await alice.change("vms", VM_ID, template=vm(alice).template.replacing("DISK", disk))
        image_id = await alice.ask(ALICE, "one.vm.disksaveas", VM_ID, 0, "golden", "", -1)
        await answered(alice)
        await answered(alice, info=told)
        assert alice.memory.images[image_id].size_mib == size_mib

    async def test_a_disk_is_not_saved_where_there_is_no_room_for_it_beside_what_is_being_saved(self, alice):
        size_mib = int(vm(alice).template.vectors("DISK")[0]["SIZE"])
        room = Space(10 * size_mib, 0, 2 * size_mib - 1, at=900)
        alice.engine.documents.space_of = lambda datastore_id: room
        await alice.ask(ALICE, "one.vm.disksaveas", VM_ID, 0, "golden", "", -1)
        await alice.put(replace(vm(alice), state=VmState.RUNNING))
        with pytest.raises(Refusal, match=f"Not enough space .* {size_mib} MiB are needed, {size_mib - 1} MiB are"):
            await alice.ask(ALICE, "one.vm.disksaveas", VM_ID, 0, "silver", "", -1)

    @pytest.mark.parametrize("answers", [0, 1])
    async def test_what_cannot_be_saved_is_an_image_in_error_that_says_why(self, alice, answers):
        image_id = await alice.ask(ALICE, "one.vm.disksaveas", VM_ID, 0, "golden", "DATABLOCK", -1)
        for _ in range(answers):
            await answered(alice)
        await answered(alice, failure="the disk is full")
        image = alice.memory.images[image_id]
        assert (image.state, vm(alice).state) == (ImageState.ERROR, VmState.RUNNING)
        assert "the disk is full" in image.template.single("ERROR")

    async def test_a_vm_that_is_deleted_meanwhile_leaves_no_image_waiting(self, alice):
        image_id = await alice.ask(ALICE, "one.vm.disksaveas", VM_ID, 0, "golden", "", -1)
        await alice.ask(ADMIN, "one.vm.recover", VM_ID, 3)
        assert alice.memory.images[image_id].state is ImageState.ERROR

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [((9, "golden", "", -1), "DISK_ID 9 does not exist"), ((0, "golden", "", 5), "Snapshot 5 does not exist"),
         ((0, "golden", "KERNEL", -1), "a disk becomes one of OS, DATABLOCK, CDROM"), ((0, "", "", -1), "empty")],
    )  # fmt: skip
    async def test_what_cannot_become_an_image_leaves_none(self, alice, arguments, text):
        before = dict(alice.memory.images)
        with pytest.raises(Refusal, match=text):
            await alice.ask(ALICE, "one.vm.disksaveas", VM_ID, *arguments)
        assert alice.memory.images == before


class TestSize:
    async def test_a_running_vm_is_resized_by_its_driver(self, alice):
        await alice.change("hosts", HOST_ID, total_memory_kib=1 << 20)
        await alice.ask(ALICE, "one.vm.resize", VM_ID, "CPU=1.5\nMEMORY=128\nVCPU=2", True)
        assert vm(alice).state is VmState.HOTPLUG_RESIZE
        assert (vm(alice).needs, vm(alice).template.single("VCPU")) == (Needs(150, 128), "2")
        await answered(alice, failure="the guest has no balloon")
        assert (vm(alice).needs, vm(alice).template.single("VCPU")) == (Needs(100, 64), "")

    async def test_only_administrators_exceed_the_room_of_a_host(self, alice):
        await alice.change("hosts", HOST_ID, total_memory_kib=100 * 1024)
        for session, enforce in ((ALICE, True), (ALICE, False), (ADMIN, True)):
            with pytest.raises(Refusal, match="Not enough memory: needs 64 MiB, has 36 free"):
                await alice.ask(session, "one.vm.resize", VM_ID, "MEMORY=128", enforce)
        await alice.ask(ADMIN, "one.vm.resize", VM_ID, "MEMORY=128", False)

    async def test_a_vm_at_rest_is_resized_at_once(self, alice):
        await alice.change("vms", VM_ID, state=VmState.POWEROFF, history=(replace(STAY, etime=9),))
        await alice.ask(ALICE, "one.vm.resize", VM_ID, "MEMORY=9999999")
        assert (vm(alice).state, vm(alice).needs.memory_mib) == (VmState.POWEROFF, 9999999)

    @pytest.mark.parametrize(
        ("text", "code", "said"),
        [
            ("MEMORY=much", 0x0800, "MEMORY attribute must be"),
            ("CPU=0", 0x0800, "CPU attribute must be"),
            ("DISK=[SIZE=1]", 0x0800, "found DISK"),
            ("CPU_COST=0", 0x0200, "restricted attribute CPU_COST"),
            ("", 0x0800, "found nothing"),
        ],
    )
    async def test_a_size_that_cannot_be_is_refused(self, alice, text, code, said):
        with pytest.raises(Refusal, match=said) as refusal:
            await alice.ask(ALICE, "one.vm.resize", VM_ID, text)
        assert refusal.value.code == code


class TestConfiguration:
    @pytest.fixture(autouse=True)
    async def at_rest(self, alice):
        await alice.change("vms", VM_ID, state=VmState.POWEROFF, history=(replace(STAY, etime=9),))

    async def test_references_in_a_new_context_are_replaced_and_others_left(self, alice):
        text = 'CONTEXT=[HOSTNAME="web",NOTE="$VMID of $UNAME",NETWORK=YES]\nCPU_MODEL=[MODEL=host-passthrough]'
        await alice.ask(ALICE, "one.vm.updateconf", VM_ID, text)
        context = vm(alice).template.vector("CONTEXT")
        assert (context["NOTE"], context["HOSTNAME"], context["DISK_ID"]) == ("5 of alice", "web", "1")
        assert context["ETH0_IP"] == "10.0.0.1"
        assert vm(alice).user_template.vector("CPU_MODEL") == {"MODEL": "host-passthrough"}
        assert "CPU_MODEL" not in vm(alice).template

    async def test_a_new_machine_gets_a_password_for_its_display(self, alice):
        text = "CPU=1\nMEMORY=64\nGRAPHICS=[TYPE=spice,RANDOM_PASSWD=YES]"
        vm_id = await alice.ask(ALICE, "one.vm.allocate", text)
        assert len(alice.memory.vms[vm_id].template.vector("GRAPHICS")["PASSWD"]) == 16

    async def test_a_display_gets_a_password_of_its_own_and_keeps_it(self, alice):
        await alice.change("vms", VM_ID, state=VmState.HOLD, history=())
        await alice.ask(ALICE, "one.vm.updateconf", VM_ID, "GRAPHICS=[TYPE=vnc,RANDOM_PASSWD=YES]", 1)
        password = vm(alice).template.vector("GRAPHICS")["PASSWD"]
        assert len(password) == 8
        await alice.ask(ALICE, "one.vm.updateconf", VM_ID, "GRAPHICS=[TYPE=vnc,KEYMAP=de]", 1)
        assert vm(alice).template.vector("GRAPHICS")["PASSWD"] == password

    async def test_a_watchdog_and_a_console_are_configuration(self, alice):
        await alice.ask(ALICE, "one.vm.updateconf", VM_ID, "WATCHDOG=[ACTION=reset]\nCONSOLE=[LOG=yes]", 1)
        assert vm(alice).user_template.vector("CONSOLE") == {"LOG": "yes"}
        assert vm(alice).user_template.vector("WATCHDOG") == {"ACTION": "reset"}

    async def test_appending_leaves_what_is_not_given(self, alice):
        await alice.change("vms", VM_ID, state=VmState.HOLD, history=())
        await alice.ask(ALICE, "one.vm.updateconf", VM_ID, "OS=[BOOT=hd]", 1)
        await alice.ask(ALICE, "one.vm.updateconf", VM_ID, 'GRAPHICS=[TYPE=vnc]\nCONTEXT=[A="b"]', 1)
        assert vm(alice).template.vector("OS") == {"BOOT": "hd"}
        assert vm(alice).template.vector("CONTEXT") == {**CONTEXT, "A": "b"}

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("CPU=2", 0x0800),
            ("OS=[", 0x0800),
            ('RAW=[TYPE=kvm,DATA="<x/>"]', 0x0200),
            ("OS=[KERNEL=/boot/vmlinuz]", 0x0200),
            ("CONTEXT=[FILES=/etc/shadow]", 0x0200),
        ],
    )
    async def test_a_configuration_that_cannot_be_is_refused(self, alice, text, code):
        assert await alice.code(ALICE, "one.vm.updateconf", VM_ID, text) == code

    async def test_a_file_that_is_not_there_yet_is_not_waited_for(self, alice):
        await alice.change("images", IMAGE_ID, type=ImageType.CONTEXT, state=ImageState.LOCKED)
        told = f'CONTEXT=[FILES_DS="$FILE[IMAGE_ID={IMAGE_ID}]"]'
        with pytest.raises(Refusal, match="is LOCKED, it must be READY"):
            await alice.ask(ALICE, "one.vm.updateconf", VM_ID, told, 1)
        await alice.change("images", IMAGE_ID, state=ImageState.READY)
        await alice.ask(ALICE, "one.vm.updateconf", VM_ID, told, 1)
        assert [file.image_id for file in vm(alice).files] == [IMAGE_ID]

    async def test_a_kernel_of_the_catalogue_is_chosen_before_a_vm_is_deployed(self, alice):
        await alice.change("images", IMAGE_ID, type=ImageType.KERNEL)
        told = f'OS=[KERNEL_DS="$FILE[IMAGE_ID={IMAGE_ID}]"]'
        with pytest.raises(Refusal, match="KERNEL_DS and INITRD_DS change before it is deployed"):
            await alice.ask(ALICE, "one.vm.updateconf", VM_ID, told, 1)
        await alice.change("vms", VM_ID, state=VmState.HOLD, history=())
        await alice.ask(ALICE, "one.vm.updateconf", VM_ID, told, 1)
        assert [file.role for file in vm(alice).files] == ["kernel"]

    async def test_a_running_vm_is_told_at_its_next_boot(self, alice):
        await alice.change("vms", VM_ID, state=VmState.RUNNING, history=(STAY,))
        await alice.ask(ALICE, "one.vm.updateconf", VM_ID, "OS=[BOOT=hd]")
        assert vm(alice).state is VmState.HOTPLUG_CONTEXT
        assert vm(alice).template.vector("OS")["BOOT"] == "hd"

    async def test_a_suspended_vm_is_left_alone(self, alice):
        await alice.change("vms", VM_ID, state=VmState.SUSPENDED, history=(STAY,))
        with pytest.raises(Refusal, match='"updateconf": This action is not available for state SUSPENDED'):
            await alice.ask(ALICE, "one.vm.updateconf", VM_ID, "OS=[BOOT=hd]")


async def test_users_find_no_way_out_of_the_places_that_are_open_to_them(alice):
    alice.engine.config.engine.user_paths.append("https://images.example/pub/")
    for path in ("pub/%2e%2e/private/x", "pub/a/%2E./x", "public/x"):
        with pytest.raises(Refusal, match=r"restricted attribute DISK/SOURCE: .* lies outside"):
            await alice.ask(ALICE, "one.vm.attach", VM_ID, f'DISK=[SOURCE="https://images.example/{path}"]')
    await alice.ask(ALICE, "one.vm.attach", VM_ID, 'DISK=[SOURCE="https://images.example/pub/x"]')
    assert len(vm(alice).template.vectors("DISK")) == 2
