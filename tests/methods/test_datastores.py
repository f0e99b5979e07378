"""Datastores: what they must say, what users may change of them, and when they go."""

import pytest
from msgspec.structs import replace

from tests.methods.catalogue import Catalogue
from tests.methods.world import ADMIN, ALICE, ALICE_ID, BOB, BOB_ID, EVE, IMAGE_ID, Refusal, World
from tests.wire.schemas import valid
from trifid.core.access import Permissions
from trifid.core.image.datastore import DEFAULT_ID, FILES_ID, SYSTEM_ID, Datastore, DatastoreType, Space
from trifid.core.image.record import DiskType
from trifid.engine.config import Drivers, DriverSettings

IMAGES = "NAME=more\nDS_MAD=fs\nTM_MAD=dummy"


@pytest.fixture
async def world(tmp_path, monkeypatch):
    """A world whose engine has the drivers that datastores name."""
    never = DriverSettings("none")
    names = Drivers(
        vmm={"dummy": never},
        tm={"dummy": never, "shared": never, "lvm": never},
        im={"dummy": never},
        ds={"fs": never, "lvm": never},
    )
    monkeypatch.setattr("tests.methods.world.Drivers", lambda **given: names)
    made = await World(tmp_path).start()
    yield made
    await made.engine.stop()


async def shown(world, datastore_id, session=ADMIN):
    """Return the document of a datastore, held against its schema."""
    return valid(await world.ask(session, "one.datastore.info", datastore_id), "datastore")


async def test_a_datastore_is_made_and_shown_with_its_drivers_where_clients_look_for_them(world):
    made = await world.ask(ADMIN, "one.datastore.allocate", f"{IMAGES}\nLIMIT_MB=500\nCLUSTERS=0", -1)
    assert made == 100
    document = await shown(world, made)
    found = [document.findtext(name) for name in ("NAME", "DS_MAD", "TM_MAD", "TYPE", "DISK_TYPE", "STATE", "UID")]
    assert found == ["more", "fs", "dummy", "0", "0", "0", "0"]
    assert document.findtext("BASE_PATH") == f"{world.engine.datastores}/100"
    template = {one.tag: one.text for one in document.find("TEMPLATE")}
    assert template == {"DS_MAD": "fs", "TM_MAD": "dummy", "TYPE": "IMAGE_DS", "DISK_TYPE": "FILE", "LIMIT_MB": "500"}
    assert world.memory.datastores[made].permissions == Permissions(0o640)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NAME=[", "Parse error"),
        ("NAME=x", r"No DS_MAD in template\."),
        ("NAME=x\nDS_MAD=fs", r"No TM_MAD in template\."),
        ("DS_MAD=fs\nTM_MAD=dummy", "Invalid NAME, it cannot be empty"),
        (
            "NAME=x\nDS_MAD=ceph\nTM_MAD=dummy",
            'DS_MAD named "ceph" is not defined in oned.conf; there are: fs, lvm, see',
        ),
        ("NAME=x\nDS_MAD=fs\nTM_MAD=ceph", 'TM_MAD named "ceph" is not defined'),
        ("NAME=x\nDS_MAD=fs\nTM_MAD=lvm", "DS_MAD fs does not work with TM_MAD lvm"),
        ("NAME=x\nDS_MAD=lvm\nTM_MAD=dummy\nBASE_PATH=/dev/vg0", "DS_MAD lvm does not work with TM_MAD dummy"),
        ("NAME=x\nTYPE=BACKUP_DS\nTM_MAD=dummy", "TYPE must be one of IMAGE_DS, SYSTEM_DS, FILE_DS"),
        (f"{IMAGES}\nBASE_PATH=relative", "BASE_PATH must be an absolute directory"),
        (f"{IMAGES}\nBASE_PATH=/a/../b", "BASE_PATH must be an absolute directory"),
        (f"{IMAGES}\nDISK_TYPE=BLOCK", "DISK_TYPE must be FILE"),
        (f"{IMAGES}\nLIMIT_MB=much", "LIMIT_MB must be a number of MiB"),
        (f'{IMAGES}\nSAFE_DIRS="srv"', "SAFE_DIRS must be absolute directories"),
        ("NAME=x\nTYPE=SYSTEM_DS\nTM_MAD=dummy\nBASE_PATH=/srv", "BASE_PATH is not for system datastores"),
        ("NAME=x\nTYPE=SYSTEM_DS\nTM_MAD=lvm", "BASE_PATH of an lvm datastore must be its volume group"),
        ("NAME=default\nDS_MAD=fs\nTM_MAD=dummy", "NAME is already taken by DATASTORE 1"),
    ],
)
async def test_what_is_no_datastore_is_refused(world, text, said):
    with pytest.raises(Refusal, match=said) as refusal:
        await world.ask(ADMIN, "one.datastore.allocate", text, -1)
    assert refusal.value.code == 0x2000


@pytest.mark.parametrize(
    ("text", "kind", "disk_type"),
    [
        ("NAME=x\nTYPE=FILE_DS\nDS_MAD=fs", DatastoreType.FILE, DiskType.FILE),
        ("NAME=x\nTYPE=SYSTEM_DS\nTM_MAD=dummy\nDS_MAD=-", DatastoreType.SYSTEM, DiskType.FILE),
        ("NAME=x\nTYPE=SYSTEM_DS\nTM_MAD=lvm\nBASE_PATH=/dev/vg0", DatastoreType.SYSTEM, DiskType.BLOCK),
        ("NAME=x\nDS_MAD=lvm\nTM_MAD=lvm\nBASE_PATH=/dev/vg0/", DatastoreType.IMAGE, DiskType.BLOCK),
    ],
)
async def test_datastores_are_of_three_kinds_and_of_files_or_volumes(world, text, kind, disk_type):
    made = world.memory.datastores[await world.ask(ADMIN, "one.datastore.allocate", text, 0)]
    assert (made.type, made.disk_type) == (kind, disk_type)
    assert valid(await world.ask(ADMIN, "one.datastore.info", made.id), "datastore").findtext("TYPE") == str(kind.value)


async def test_users_see_the_first_datastores_and_those_they_may_use(world):
    await world.put(
        Datastore(100, BOB_ID, 1, "of-bob", DatastoreType.IMAGE, "fs", "dummy", permissions=Permissions(0o600)),
        Datastore(101, 0, 0, "hidden", DatastoreType.IMAGE, "fs", "dummy"),
    )

    async def ids(session):
        pool = valid(await world.ask(session, "one.datastorepool.info"), "datastore_pool")
        return [one.findtext("ID") for one in pool]

    assert await ids(ADMIN) == ["101", "100", "2", "1", "0"]
    assert await ids(BOB) == ["100", "2", "1", "0"]
    assert await ids(ALICE) == ["2", "1", "0"]
    assert await ids(EVE) == []
    assert await world.code(ALICE, "one.datastore.allocate", IMAGES, -1) == 0x0200


async def test_the_document_tells_the_room_and_the_images(world):
    driver = Catalogue(world)
    assert (await shown(world, DEFAULT_ID)).findtext("TOTAL_MB") == "0"
    driver.spaces[DEFAULT_ID] = Space(total_mib=900, used_mib=200, free_mib=700, at=5)
    document = await shown(world, DEFAULT_ID, ALICE)
    found = [document.findtext(name) for name in ("TOTAL_MB", "USED_MB", "FREE_MB", "IMAGES/ID")]
    assert found == ["900", "200", "700", str(IMAGE_ID)]
    await world.change("images", IMAGE_ID, datastore_id=FILES_ID)
    assert (await shown(world, DEFAULT_ID)).find("IMAGES/ID") is None
    assert (await shown(world, FILES_ID)).findtext("IMAGES/ID") == str(IMAGE_ID)


# -- changes -------------------------------------------------------------------------------------------


async def test_an_update_keeps_drivers_and_places_that_it_does_not_name(world):
    made = await world.ask(ADMIN, "one.datastore.allocate", f"{IMAGES}\nBASE_PATH=/srv/images\nX=1", -1)
    before = world.memory.datastores[made]
    await world.ask(ADMIN, "one.datastore.update", made, "SAFE_DIRS=/var/tmp", 0)
    now = world.memory.datastores[made]
    assert dict(now.template) == {"SAFE_DIRS": "/var/tmp"}
    assert replace(now, template=before.template) == before
    await world.ask(ADMIN, "one.datastore.update", made, "TM_MAD=shared", 1)
    assert world.memory.datastores[made].tm_mad == "shared"


async def test_the_drivers_of_a_datastore_in_use_stay(world):
    for change in ("TM_MAD=shared", "BASE_PATH=/srv"):
        with pytest.raises(Refusal, match="is in use") as refusal:
            await world.ask(ADMIN, "one.datastore.update", DEFAULT_ID, change, 1)
        assert refusal.value.code == 0x0800
    with pytest.raises(Refusal, match=r"the type of datastore default \[1\] cannot be changed"):
        await world.ask(ADMIN, "one.datastore.update", DEFAULT_ID, "TYPE=SYSTEM_DS", 1)
    with pytest.raises(Refusal, match="is not defined"):
        await world.ask(ADMIN, "one.datastore.update", FILES_ID, "TM_MAD=ceph", 1)
    with pytest.raises(Refusal, match="is in use"):  # the VM of Alice has files there
        await world.ask(ADMIN, "one.datastore.update", SYSTEM_ID, "TM_MAD=shared", 1)


async def test_a_datastore_sent_back_as_it_is_shown_stays_as_it_is(world):
    await world.change("datastores", DEFAULT_ID, uid=ALICE_ID)
    await world.ask(ADMIN, "one.datastore.update", DEFAULT_ID, "SAFE_DIRS=/var/tmp\nX=1", 0)
    before = world.memory.datastores[DEFAULT_ID]
    template = (await shown(world, DEFAULT_ID)).find("TEMPLATE")
    text = "\n".join(f'{one.tag}="{one.text}"' for one in template)
    await world.ask(ALICE, "one.datastore.update", DEFAULT_ID, text, 0)
    now = world.memory.datastores[DEFAULT_ID]
    assert dict(now.template) == dict(before.template)
    assert replace(now, template=before.template) == before


@pytest.mark.parametrize(
    "pair", ["SAFE_DIRS=/", "RESTRICTED_DIRS=/srv", "LIMIT_MB=0", "BASE_PATH=/etc", "TM_MAD=shared", "DS_MAD=lvm"]
)
async def test_the_owner_of_a_datastore_does_not_change_whose_files_are_read_or_written(world, pair):
    await world.ask(ADMIN, "one.datastore.update", DEFAULT_ID, "SAFE_DIRS=/var/tmp\nLIMIT_MB=900", 0)
    await world.change("datastores", DEFAULT_ID, uid=ALICE_ID)
    before = world.memory.datastores[DEFAULT_ID]
    for append in (0, 1):
        with pytest.raises(Refusal, match="includes a restricted attribute") as refusal:
            await world.ask(ALICE, "one.datastore.update", DEFAULT_ID, pair, append)
        assert refusal.value.code == 0x0200
    assert world.memory.datastores[DEFAULT_ID] == before
    await world.ask(ALICE, "one.datastore.update", DEFAULT_ID, "DESCRIPTION=mine", 0)
    now = dict(world.memory.datastores[DEFAULT_ID].template)
    assert now == {"DESCRIPTION": "mine", "SAFE_DIRS": "/var/tmp", "LIMIT_MB": "900"}


async def test_a_datastore_whose_driver_is_no_longer_configured_is_changed_all_the_same(world):
    await world.change("datastores", FILES_ID, tm_mad="gone")
    await world.ask(ADMIN, "one.datastore.update", FILES_ID, "LIMIT_MB=5", 1)
    await world.ask(ADMIN, "one.datastore.update", FILES_ID, "TM_MAD=shared", 1)
    assert world.memory.datastores[FILES_ID].tm_mad == "shared"


async def test_only_system_datastores_are_disabled(world):
    await world.ask(ADMIN, "one.datastore.enable", SYSTEM_ID, False)
    assert (await shown(world, SYSTEM_ID)).findtext("STATE") == "1"
    await world.ask(ADMIN, "one.datastore.enable", SYSTEM_ID, True)
    assert (await shown(world, SYSTEM_ID)).findtext("STATE") == "0"
    assert await world.code(ADMIN, "one.datastore.enable", DEFAULT_ID, False) == 0x2000


async def test_a_renamed_datastore_is_called_so_in_its_images_too(world):
    await world.ask(ADMIN, "one.image.info", IMAGE_ID)
    await world.ask(ADMIN, "one.datastore.rename", DEFAULT_ID, "gold")
    document = valid(await world.ask(ADMIN, "one.image.info", IMAGE_ID), "image")
    assert document.findtext("DATASTORE") == "gold"


# -- going ---------------------------------------------------------------------------------------------


async def test_a_datastore_with_images_is_not_deleted(world):
    with pytest.raises(Refusal, match=r"Datastore 1 is not empty: default has 1 images \(7\)") as refusal:
        await world.ask(ADMIN, "one.datastore.delete", DEFAULT_ID)
    assert refusal.value.code == 0x0800
    await world.ask(ADMIN, "one.datastore.delete", FILES_ID)
    assert FILES_ID not in world.memory.datastores


async def test_the_system_datastore_is_deleted_only_when_no_vm_has_files_in_it(world):
    with pytest.raises(Refusal, match=r"Datastore 0 is not empty: system has 1 VMs \(5\)"):
        await world.ask(ADMIN, "one.datastore.delete", SYSTEM_ID)
    await world.engine.turns.ask(lambda draft: draft.delete("vms", 5))
    await world.ask(ADMIN, "one.datastore.delete", SYSTEM_ID)
    assert SYSTEM_ID not in world.memory.datastores
