"""Images: how they come, who may say what of them, what they refuse while they are in use, and how they go."""

import pytest
from msgspec.structs import replace

from tests.methods.catalogue import Catalogue
from tests.methods.world import (
    ADMIN,
    ALICE,
    ALICE_ID,
    BOB,
    BOB_ID,
    IMAGE_ID,
    IMAGE_OF_ALICE,
    VM_ID,
    VM_OF_ALICE,
    Refusal,
)
from tests.wire.schemas import valid
from trifid.core.access import Permissions
from trifid.core.image.datastore import DEFAULT_ID, FILES_ID, SYSTEM_ID, Datastore, DatastoreType, Space
from trifid.core.image.record import DiskType, ImageState, ImageType
from trifid.core.template.model import template
from trifid.core.vm.record import DiskSnapshot, DiskSnapshots
from trifid.core.vm.states import VmState

EMPTY = "NAME=data\nTYPE=DATABLOCK\nSIZE=40"
IMPORT = "NAME=debian\nPATH=/var/tmp/debian.img"
SNAPSHOTS = DiskSnapshots(
    0, next_id=2, active=1, snapshots=(DiskSnapshot(0, "before", 5, 100), DiskSnapshot(1, "after", 6, 100, parent=0))
)


@pytest.fixture
def driver(world) -> Catalogue:
    """The datastore driver."""
    return Catalogue(world)


def using(image_id, vm_id=VM_ID):
    """Return a VM of Alice with a disk of an image."""
    disk = {"DISK_ID": "0", "IMAGE_ID": str(image_id)}
    return replace(VM_OF_ALICE, id=vm_id, template=template(DISK=[disk]))


async def shown(world, image_id, session=ADMIN):
    """Return the document of an image, held against its schema."""
    return valid(await world.ask(session, "one.image.info", image_id), "image")


# -- coming --------------------------------------------------------------------------------------------


async def test_an_image_is_imported_while_it_is_locked_and_then_ready(world, driver):
    image_id = await world.ask(ADMIN, "one.image.allocate", f"{IMPORT}\nDESCRIPTION=stable", DEFAULT_ID)
    now = world.memory.images[image_id]
    assert driver.action(image_id).verb == "CP"
    assert (now.state, now.size_mib, now.path) == (ImageState.LOCKED, 300, "/var/tmp/debian.img")
    base = world.engine.datastores / str(DEFAULT_ID)
    assert now.source.startswith(f"{base}/") and len(now.source) == len(f"{base}/") + 32
    await driver.done(image_id, f"{now.source} qcow2 512")
    document = await shown(world, image_id)
    found = [document.findtext(name) for name in ("STATE", "SIZE", "FORMAT", "SOURCE", "TYPE", "PERSISTENT")]
    assert found == ["1", "512", "qcow2", now.source, "0", "0"]
    assert document.findtext("TEMPLATE/DESCRIPTION") == "stable"


async def test_an_image_with_a_size_and_no_path_is_made_empty(world, driver):
    image_id = await world.ask(ALICE, "one.image.allocate", f"{EMPTY}\nFS=ext4\nPERSISTENT=YES", DEFAULT_ID)
    now = world.memory.images[image_id]
    assert driver.action(image_id).verb == "MKFS"
    assert (now.format, now.fs, now.size_mib, now.is_persistent) == ("raw", "ext4", 40, True)
    assert driver.asked == []


async def test_what_cannot_be_imported_is_refused_at_once_and_leaves_nothing(world, driver):
    with pytest.raises(Refusal, match=r"/var/tmp/missing\.img: no such file") as refusal:
        await world.ask(ADMIN, "one.image.allocate", "NAME=x\nPATH=/var/tmp/missing.img", DEFAULT_ID)
    assert refusal.value.code == 0x0800
    assert set(world.memory.images) == {IMAGE_ID}


async def test_an_import_that_fails_leaves_an_image_in_error_that_says_why_and_can_only_be_deleted(world, driver):
    image_id = await world.ask(ADMIN, "one.image.allocate", IMPORT, DEFAULT_ID)
    await driver.failed(image_id, "the checksum is another")
    document = await shown(world, image_id)
    assert (document.findtext("STATE"), document.findtext("TEMPLATE/ERROR")) == ("5", "the checksum is another")
    with pytest.raises(Refusal, match="is ERROR: it must be DISABLED to be enabled"):
        await world.ask(ADMIN, "one.image.enable", image_id, True)
    await world.ask(ADMIN, "one.image.delete", image_id)
    await driver.done(image_id)
    assert image_id not in world.memory.images


@pytest.mark.parametrize(
    ("text", "datastore_id", "code", "said"),
    [
        ("NAME=[", DEFAULT_ID, 0x2000, "Parse error"),
        ("NAME=x", DEFAULT_ID, 0x2000, "Cannot parse image SIZE: Wrong number or missing SIZE attribute."),
        ("SIZE=4", DEFAULT_ID, 0x2000, "Invalid NAME, it cannot be empty"),
        ("NAME=x\nSIZE=4", 99, 0x0400, r"Error getting datastore \[99\]\."),
        ("NAME=x\nSIZE=4", SYSTEM_ID, 0x0800, r"system \[0\] is SYSTEM"),
        ("NAME=x\nSIZE=4", FILES_ID, 0x0800, r"files \[2\] is FILE"),
        ("NAME=x\nTYPE=KERNEL\nPATH=/var/tmp/vmlinuz", DEFAULT_ID, 0x0800, r"default \[1\] is IMAGE"),
        ("NAME=disk\nSIZE=4", DEFAULT_ID, 0x4000, "Error allocating a new image. NAME is already taken by IMAGE 7."),
    ],
)
async def test_what_is_no_image_is_refused_with_the_texts_that_clients_know(
    world, driver, text, datastore_id, code, said
):
    with pytest.raises(Refusal, match=said) as refusal:
        await world.ask(ALICE, "one.image.allocate", text, datastore_id)
    assert refusal.value.code == code


async def test_files_are_kept_in_file_datastores(world, driver):
    driver.files["/var/tmp/vmlinuz"] = (8, "raw")
    text = "NAME=vmlinuz\nTYPE=KERNEL\nPATH=/var/tmp/vmlinuz"
    image_id = await world.ask(ADMIN, "one.image.allocate", text, FILES_ID)
    assert (await shown(world, image_id)).findtext("TYPE") == "3"
    with pytest.raises(Refusal, match="must be non-persistent"):
        await world.ask(ADMIN, "one.image.persistent", image_id, True)


# -- what plain users may name -------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/etc/shadow", "/var/tmp/debian.img", "http://169.254.169.254/latest", "https://x/y"])
async def test_users_name_no_files_of_the_front_end_and_no_addresses(world, driver, path):
    with pytest.raises(Refusal, match="includes a restricted attribute PATH") as refusal:
        await world.ask(ALICE, "one.image.allocate", f'NAME=x\nPATH="{path}"', DEFAULT_ID)
    assert refusal.value.code == 0x0200
    assert driver.asked == []


async def test_users_name_files_of_places_that_are_open_to_them(world, driver):
    world.engine.config.engine.user_paths.append("https://images.example/pub/")
    await world.ask(ADMIN, "one.datastore.update", DEFAULT_ID, 'SAFE_DIRS="/var/tmp /srv/images"', 1)
    driver.files |= {"/srv/images/a": (1, "raw"), "https://images.example/pub/b": (1, "-")}
    await world.ask(ALICE, "one.image.allocate", "NAME=a\nPATH=/srv/images/a", DEFAULT_ID)
    assert driver.asked[-1][2].safe_dirs == "/var/tmp /srv/images"
    await world.ask(ALICE, "one.image.allocate", 'NAME=b\nPATH="https://images.example/pub/b"', DEFAULT_ID)
    for path in ("/srv/images2/a", "https://images.example/pub2/b", "https://images.example/pub/%2e%2e/b"):
        assert await world.code(ALICE, "one.image.allocate", f'NAME=c\nPATH="{path}"', DEFAULT_ID) == 0x0200
    for path in ("/srv/images/../secret", "upload:../10/x", "upload:.x", "file:///etc/passwd", "/a b"):
        assert await world.code(ALICE, "one.image.allocate", f'NAME=c\nPATH="{path}"', DEFAULT_ID) == 0x2000


async def test_an_upload_is_the_callers_own(world, driver):
    uploads = f"{world.engine.home}/uploads"
    driver.files |= {f"{uploads}/{uid}/mine.img": (5, "raw") for uid in (ALICE_ID, 0)}
    image_id = await world.ask(ALICE, "one.image.allocate", "NAME=up\nPATH=upload:mine.img", DEFAULT_ID)
    data = driver.asked[-1][2]
    assert (data.path, data.safe_dirs) == (f"{uploads}/{ALICE_ID}/mine.img", f"{uploads}/{ALICE_ID}")
    await world.change("images", image_id, uid=BOB_ID)
    assert world.memory.images[image_id].path == f"upload:{ALICE_ID}/mine.img"
    with pytest.raises(Refusal, match=f"{uploads}/{BOB_ID}/mine.img: no such file"):
        await world.ask(BOB, "one.image.allocate", "NAME=up2\nPATH=upload:mine.img", DEFAULT_ID)


async def test_source_is_for_administrators_is_used_where_it_lies_and_never_removed(world, driver):
    text = "NAME=there\nSOURCE=/srv/golden.qcow2\nFORMAT=qcow2\nSIZE=10"
    with pytest.raises(Refusal, match="restricted attribute SOURCE") as refusal:
        await world.ask(ALICE, "one.image.allocate", text, DEFAULT_ID)
    assert refusal.value.code == 0x0200
    image_id = await world.ask(ADMIN, "one.image.allocate", text, DEFAULT_ID)
    assert (await shown(world, image_id)).findtext("STATE") == "1"
    with pytest.raises(Refusal, match=f"is image {image_id} already"):
        await world.ask(ADMIN, "one.image.allocate", text.replace("there", "again"), DEFAULT_ID)
    await world.ask(ADMIN, "one.image.delete", image_id)
    assert image_id not in world.memory.images and driver.action(image_id) is None


async def test_users_use_the_first_datastores_and_no_others_unless_they_may(world, driver):
    await world.put(Datastore(100, 0, 0, "gold", DatastoreType.IMAGE, "dummy", "dummy"))
    assert await world.code(ALICE, "one.image.allocate", EMPTY, 100) == 0x0200
    await world.change("datastores", 100, permissions=Permissions(0o644))
    await world.ask(ALICE, "one.image.allocate", EMPTY, 100)


# -- room ----------------------------------------------------------------------------------------------


async def test_an_image_larger_than_the_free_space_is_refused_and_what_is_coming_counts(world, driver):
    driver.spaces[DEFAULT_ID] = Space(total_mib=100, used_mib=30, free_mib=70, at=900)
    await world.ask(ALICE, "one.image.allocate", EMPTY, DEFAULT_ID)
    second = EMPTY.replace("data", "more")
    with pytest.raises(Refusal, match=r"Not enough space in datastore default \[1\]: 40 MiB are needed, 30 MiB are"):
        await world.ask(ALICE, "one.image.allocate", second, DEFAULT_ID)
    assert await world.code(ALICE, "one.image.allocate", second, DEFAULT_ID, True) == 0x0800
    await world.ask(ADMIN, "one.image.allocate", second, DEFAULT_ID, True)


async def test_images_together_stay_within_the_limit_of_their_datastore(world, driver):
    await world.ask(ADMIN, "one.datastore.update", DEFAULT_ID, "LIMIT_MB=150", 1)
    await world.ask(ALICE, "one.image.allocate", EMPTY, DEFAULT_ID)
    with pytest.raises(Refusal, match="11 MiB are needed, 10 MiB are free"):
        await world.ask(ALICE, "trifid.image.resize", IMAGE_ID, 111)
    assert await world.code(ALICE, "one.image.clone", IMAGE_ID, "copy") == 0x0800


# -- clones --------------------------------------------------------------------------------------------


async def test_a_clone_is_the_callers_and_its_source_stays_until_it_is_made(world, driver):
    await world.change("images", IMAGE_ID, permissions=Permissions(0o604), is_persistent=True)
    made = await world.ask(BOB, "one.image.clone", IMAGE_ID, "copy")
    now = world.memory.images[made]
    assert (now.uid, now.gid, now.type, now.is_persistent) == (BOB_ID, 1, ImageType.OS, False)
    source = await shown(world, IMAGE_ID)
    assert [source.findtext(name) for name in ("STATE", "CLONING_OPS", "CLONES/ID")] == ["6", "1", str(made)]
    assert (await shown(world, made)).findtext("CLONING_ID") == str(IMAGE_ID)
    for name, *arguments in (("delete",), ("persistent", False), ("enable", False), ("chtype", "DATABLOCK")):
        with pytest.raises(Refusal, match=f"image {made}") as refusal:
            await world.ask(ALICE, f"one.image.{name}", IMAGE_ID, *arguments)
        assert refusal.value.code == 0x0800
    await driver.done(made, f"{now.source} raw 100")
    assert (await shown(world, IMAGE_ID)).findtext("STATE") == "1"
    await world.ask(ALICE, "one.image.delete", IMAGE_ID)


async def test_images_are_cloned_into_datastores_of_their_kind_only(world, driver):
    kind = world.memory.datastores[DEFAULT_ID].ds_mad
    await world.put(
        Datastore(100, 0, 0, "more", DatastoreType.IMAGE, kind, "dummy"),
        Datastore(101, 0, 0, "volumes", DatastoreType.IMAGE, "lvm", "lvm"),
    )
    made = await world.ask(ADMIN, "one.image.clone", IMAGE_ID, "copy", 100)
    assert world.memory.images[made].source.startswith(f"{world.engine.datastores}/100/")
    for datastore_id in (SYSTEM_ID, FILES_ID, 101):
        with pytest.raises(Refusal, match=f"must be an IMAGE datastore of driver {kind}"):
            await world.ask(ADMIN, "one.image.clone", IMAGE_ID, "other", datastore_id)
    assert await world.code(ADMIN, "one.image.clone", IMAGE_ID, "other", 99) == 0x0400
    assert await world.code(ADMIN, "one.image.clone", IMAGE_ID, "copy") == 0x4000


async def test_files_are_not_cloned(world, driver):
    await world.change("images", IMAGE_ID, type=ImageType.CONTEXT, datastore_id=FILES_ID)
    with pytest.raises(Refusal, match="CONTEXT images cannot be cloned"):
        await world.ask(ALICE, "one.image.clone", IMAGE_ID, "copy")


# -- in use --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("is_persistent", "state"), [(False, "2"), (True, "8")])
async def test_an_image_that_vms_use_is_shown_as_such_and_is_neither_deleted_nor_changed(
    world, driver, is_persistent, state
):
    await world.change("images", IMAGE_ID, is_persistent=is_persistent)
    await world.put(using(IMAGE_ID))
    document = await shown(world, IMAGE_ID)
    found = [document.findtext(name) for name in ("STATE", "RUNNING_VMS", "VMS/ID")]
    assert found == [state, "1", str(VM_ID)]
    calls = (("delete",), ("delete", True), ("persistent", not is_persistent), ("enable", False), ("chtype", "CDROM"))
    for name, *arguments in calls:
        with pytest.raises(Refusal, match=f"used by VM {VM_ID}") as refusal:
            await world.ask(ALICE, f"one.image.{name}", IMAGE_ID, *arguments)
        assert refusal.value.code == 0x0800
    assert await world.code(ALICE, "trifid.image.resize", IMAGE_ID, 200) == 0x0800
    await world.change("vms", VM_ID, state=VmState.DONE)
    assert (await shown(world, IMAGE_ID)).findtext("STATE") == "1"


async def test_a_disabled_image_is_enabled_again(world):
    await world.ask(ALICE, "one.image.enable", IMAGE_ID, False)
    assert (await shown(world, IMAGE_ID)).findtext("STATE") == "3"
    await world.ask(ALICE, "one.image.enable", IMAGE_ID, False)
    await world.ask(ALICE, "one.image.enable", IMAGE_ID, True)
    assert (await shown(world, IMAGE_ID)).findtext("STATE") == "1"


async def test_persistence_is_changed_of_an_image_without_snapshots(world):
    await world.ask(ALICE, "one.image.persistent", IMAGE_ID, True)
    assert (await shown(world, IMAGE_ID)).findtext("PERSISTENT") == "1"
    await world.change("images", IMAGE_ID, snapshots=SNAPSHOTS)
    with pytest.raises(Refusal, match="has snapshots"):
        await world.ask(ALICE, "one.image.persistent", IMAGE_ID, False)


async def test_the_type_is_changed_among_disks_and_among_files(world):
    await world.ask(ALICE, "one.image.chtype", IMAGE_ID, "cdrom")
    now = world.memory.images[IMAGE_ID]
    assert (now.type, now.disk_type) == (ImageType.CDROM, DiskType.CD_ROM)
    with pytest.raises(Refusal, match="Cannot change image type to an incompatible type") as refusal:
        await world.ask(ALICE, "one.image.chtype", IMAGE_ID, "KERNEL")
    assert refusal.value.code == 0x0800
    with pytest.raises(Refusal, match="TYPE must be one of OS, CDROM"):
        await world.ask(ALICE, "one.image.chtype", IMAGE_ID, "FLOPPY")


# -- what the driver changes ---------------------------------------------------------------------------


async def test_an_image_grows_and_is_locked_meanwhile(world, driver):
    await world.ask(ALICE, "trifid.image.resize", IMAGE_ID, 250)
    assert (await shown(world, IMAGE_ID)).findtext("STATE") == "4"
    assert (await shown(world, IMAGE_ID)).find("TEMPLATE/RESIZE_TO_MB") is None
    await driver.done(IMAGE_ID, "250")
    document = await shown(world, IMAGE_ID)
    assert (document.findtext("STATE"), document.findtext("SIZE")) == ("1", "250")
    with pytest.raises(Refusal, match="images only grow"):
        await world.ask(ALICE, "trifid.image.resize", IMAGE_ID, 100)
    assert await world.code(ALICE, "trifid.image.resize", IMAGE_ID, 0) == 0x1000


async def test_a_size_that_the_driver_works_on_survives_an_update_of_the_attributes(world, driver):
    await world.ask(ALICE, "trifid.image.resize", IMAGE_ID, 250)
    await world.ask(ALICE, "one.image.update", IMAGE_ID, "RESIZE_TO_MB=9999\nX=1", 0)
    assert dict(world.memory.images[IMAGE_ID].template) == {"X": "1", "RESIZE_TO_MB": "250"}


@pytest.mark.parametrize(
    ("name", "left", "active"),
    [("snapshotdelete", ["0"], 0), ("snapshotrevert", ["0", "1"], 1), ("snapshotflatten", [], -1)],
)
async def test_snapshots_of_an_image_are_for_its_driver(world, driver, name, left, active):
    await world.change("images", IMAGE_ID, snapshots=SNAPSHOTS, is_persistent=True)
    with pytest.raises(Refusal, match="Snapshot 5 does not exist: image 7 has 0, 1"):
        await world.ask(ALICE, f"one.image.{name}", IMAGE_ID, 5)
    await world.ask(ALICE, f"one.image.{name}", IMAGE_ID, 1)
    assert (await shown(world, IMAGE_ID)).findtext("TARGET_SNAPSHOT") == "1"
    await driver.done(IMAGE_ID)
    document = await shown(world, IMAGE_ID)
    assert [one.text for one in document.findall("SNAPSHOTS/SNAPSHOT/ID")] == left
    assert world.memory.images[IMAGE_ID].snapshots.active == active


async def test_there_is_nothing_to_restore(world):
    with pytest.raises(Refusal, match="is no backup: restore is not supported"):
        await world.ask(ALICE, "one.image.restore", IMAGE_ID, DEFAULT_ID, "")


# -- attributes ----------------------------------------------------------------------------------------


async def test_an_update_changes_attributes_and_no_fields(world):
    text = "NAME=other\nTYPE=CDROM\nSIZE=1\nPERSISTENT=YES\nDEV_PREFIX=vd\nPATH=/var/tmp/disk.img"
    await world.ask(ALICE, "one.image.update", IMAGE_ID, text, 0)
    assert world.memory.images[IMAGE_ID] == replace(IMAGE_OF_ALICE, template=template(DEV_PREFIX="vd"))
    for text, code in (
        ("SOURCE=/etc/shadow", 0x0200),
        ("PATH=/etc/shadow", 0x0200),
        ("DEV_PREFIX=zz", 0x0800),
        ("A=[", 0x0800),
    ):
        assert await world.code(ALICE, "one.image.update", IMAGE_ID, text, 1) == code
    assert await world.code(ALICE, "one.image.update", IMAGE_ID, "X=1", 2) == 0x1000


async def test_a_name_is_taken_among_the_images_of_its_owner(world):
    await world.put(replace(IMAGE_OF_ALICE, id=8, name="other"), replace(IMAGE_OF_ALICE, id=9, uid=BOB_ID))
    with pytest.raises(Refusal, match="collides with image 8"):
        await world.ask(ALICE, "one.image.rename", IMAGE_ID, "other")
    with pytest.raises(Refusal, match=r"already owns image \[7\] with NAME disk"):
        await world.ask(ADMIN, "one.image.chown", 9, ALICE_ID, -1)
    await world.ask(ALICE, "one.image.rename", IMAGE_ID, "third")


async def test_the_type_is_changed_of_what_is_there_and_fits(world):
    await world.change("images", IMAGE_ID, format="qcow2")
    with pytest.raises(Refusal, match=r"disk \[7\] is qcow2: CDROMs are raw"):
        await world.ask(ALICE, "one.image.chtype", IMAGE_ID, "CDROM")
    await world.ask(ALICE, "one.image.chtype", IMAGE_ID, "DATABLOCK")
    for state in (ImageState.LOCKED, ImageState.DISABLED, ImageState.DELETE):
        await world.change("images", IMAGE_ID, state=state)
        with pytest.raises(Refusal, match=f"is {state.name}: it must be READY or ERROR to be given another type"):
            await world.ask(ALICE, "one.image.chtype", IMAGE_ID, "OS")
    await world.change("images", IMAGE_ID, state=ImageState.ERROR)
    await world.ask(ALICE, "one.image.chtype", IMAGE_ID, "OS")
    assert world.memory.images[IMAGE_ID].type is ImageType.OS


@pytest.mark.parametrize("session", [ALICE, ADMIN])
async def test_an_image_that_is_locked_against_use_is_seen_and_not_used(world, driver, session):
    disk = f"DISK=[IMAGE_ID={IMAGE_ID}]"
    await world.put(VM_OF_ALICE)
    template_id = await world.ask(ADMIN, "one.template.allocate", f"NAME=web2\nCPU=1\nMEMORY=64\n{disk}")
    await world.ask(ALICE, "one.image.lock", IMAGE_ID, 1, False)
    calls = [
        ("one.vm.allocate", f"CPU=1\nMEMORY=64\n{disk}", False),
        ("one.vm.attach", VM_ID, disk),
        ("one.image.clone", IMAGE_ID, "copy"),
    ]
    if session == ADMIN:
        calls += [("one.template.clone", template_id, "web3", True)]
    for call in calls:
        with pytest.raises(Refusal, match="locked") as refusal:
            await world.ask(session, *call)
        assert refusal.value.code == 0x0200
    assert (await shown(world, IMAGE_ID, session)).findtext("NAME") == "disk"
    await world.ask(ALICE, "one.image.unlock", IMAGE_ID)
    await world.ask(ALICE, "one.image.lock", IMAGE_ID, 2, False)
    await world.ask(session, "one.image.clone", IMAGE_ID, "copy")


async def test_a_kernel_that_is_locked_against_use_is_not_booted(world):
    await world.change("images", IMAGE_ID, type=ImageType.KERNEL)
    await world.ask(ALICE, "one.image.lock", IMAGE_ID, 1, False)
    text = f'CPU=1\nMEMORY=64\nOS=[KERNEL_DS="$FILE[IMAGE_ID={IMAGE_ID}]"]'
    assert await world.code(ALICE, "one.vm.allocate", text, False) == 0x0200


async def test_an_update_takes_only_what_disks_can_be_told(world):
    for text in ("CACHE=fast", "IO=aio", "DISCARD=yes", "BUS=pci", "DEV_PREFIX=nvme", "TARGET=nvme0"):
        with pytest.raises(Refusal, match=f"{text.partition('=')[0]} must be"):
            await world.ask(ALICE, "one.image.update", IMAGE_ID, text, 1)


async def test_a_locked_image_is_not_even_changed_by_administrators(world):
    await world.ask(ALICE, "one.image.lock", IMAGE_ID, 4, False)
    assert (await shown(world, IMAGE_ID)).findtext("LOCK/LOCKED") == "1"
    assert await world.code(ADMIN, "one.image.delete", IMAGE_ID) == 0x0200
    assert await world.code(BOB, "one.image.unlock", IMAGE_ID) == 0x0200
    await world.ask(ALICE, "one.image.unlock", IMAGE_ID)
    assert (await shown(world, IMAGE_ID)).find("LOCK") is None


# -- going ---------------------------------------------------------------------------------------------


async def test_a_deleted_image_is_shown_as_such_until_its_driver_has_removed_it(world, driver):
    await world.ask(ALICE, "one.image.delete", IMAGE_ID)
    assert (await shown(world, IMAGE_ID)).findtext("STATE") == "7"
    assert driver.action(IMAGE_ID).verb == "RM"
    with pytest.raises(Refusal, match="is being deleted already"):
        await world.ask(ALICE, "one.image.delete", IMAGE_ID)
    await driver.done(IMAGE_ID)
    assert await world.code(ALICE, "one.image.info", IMAGE_ID) == 0x0400


async def test_an_image_whose_driver_does_not_come_to_an_end_is_forgotten_by_force(world, driver):
    await world.ask(ALICE, "one.image.delete", IMAGE_ID)
    await world.ask(ALICE, "one.image.delete", IMAGE_ID, True)
    assert IMAGE_ID not in world.memory.images and driver.action(IMAGE_ID) is None


async def test_an_image_that_a_vm_is_saved_as_is_not_deleted_meanwhile(world, driver):
    await world.change("images", IMAGE_ID, state=ImageState.LOCKED, saved_from=VM_ID)
    for force in (False, True):
        with pytest.raises(Refusal, match=f"is being saved from VM {VM_ID}"):
            await world.ask(ALICE, "one.image.delete", IMAGE_ID, force)


# -- lists ---------------------------------------------------------------------------------------------


async def test_the_pool_holds_what_the_filter_selects_newest_first(world, driver):
    await world.put(
        replace(IMAGE_OF_ALICE, id=8, uid=BOB_ID, permissions=Permissions(0o604)),
        replace(IMAGE_OF_ALICE, id=9, uid=BOB_ID),
    )

    async def ids(session, *arguments):
        pool = valid(await world.ask(session, "one.imagepool.info", *arguments), "image_pool")
        return [one.findtext("ID") for one in pool]

    assert await ids(ADMIN, -2, -1, -1) == ["9", "8", "7"]
    assert await ids(ALICE, -2, -1, -1) == ["8", "7"]
    assert await ids(ALICE, -3, -1, -1, 5) == ["7"]
    assert await ids(ADMIN, -2, 1, -1) == ["9", "8", "7"]
    assert await ids(ADMIN, -2, 1, -200) == ["8", "7"]
    assert await world.code(ALICE, "one.imagepool.info", -5, -1, -1) == 0x1000


async def test_progress_is_shown_while_a_driver_is_at_work(world, driver):
    image_id = await world.ask(ADMIN, "one.image.allocate", IMPORT, DEFAULT_ID)
    world.engine.images.progress[image_id] = "copied 40 %"
    assert (await shown(world, image_id)).findtext("TEMPLATE/PROGRESS") == "copied 40 %"
    world.engine.images.progress[image_id] = "copied 80 %"
    assert (await shown(world, image_id)).findtext("TEMPLATE/PROGRESS") == "copied 80 %"
