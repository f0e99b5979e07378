"""How much room a VM's files take, where, and until when it is only promised."""

import pytest
from msgspec.structs import replace

from tests.core.image.builders import datastore
from tests.core.vm.builders import stay, vm
from trifid.core.image.datastore import DatastoreState, DatastoreType
from trifid.core.template.model import template
from trifid.core.vm.files import Files, files_of, files_of_disks, needed_mib, promise, why_unfit
from trifid.core.vm.states import VmState

VOLATILE = {"TYPE": "FS", "SIZE": "100"}
SWAP = {"TYPE": "SWAP"}
CLONE = {"TYPE": "DISK", "CLONE": "YES", "SIZE": "2000", "IMAGE_ID": "3", "DATASTORE_ID": "1"}
PERSISTENT = {"TYPE": "DISK", "CLONE": "NO", "SIZE": "30000", "IMAGE_ID": "4", "DATASTORE_ID": "1"}
DISKS = (VOLATILE, SWAP, CLONE, PERSISTENT)


@pytest.mark.parametrize(("tm", "needed"), [("shared", 2101), ("qcow2", 101), ("lvm", 101), ("ssh", 32101)])
def test_what_the_disks_of_a_new_vm_take_depends_on_how_they_are_brought(tm, needed):
    assert needed_mib(files_of_disks(DISKS), 0, tm) == needed


def test_a_disk_whose_size_is_not_known_counts_nothing():
    assert needed_mib(files_of_disks([{"SOURCE": "/etch.img", "CLONE": "YES"}]), 0, "shared") == 0


@pytest.mark.parametrize(("datastore_id", "tm", "needed"), [(0, "shared", 0), (9, "shared", 2100), (0, "ssh", 2100)])
def test_files_that_are_in_a_shared_datastore_need_no_more_room_there(datastore_id, tm, needed):
    assert needed_mib(files_of_disks([VOLATILE, CLONE], 0, tm), datastore_id, tm) == needed


def test_a_vm_has_files_once_it_was_on_a_host_unless_it_begins_anew():
    waiting = vm(VmState.PENDING_STOPPED, stays=1, template=template(DISK=[CLONE]))
    assert (files_of(waiting).datastore_id, files_of(waiting).tm) == (0, "dummy")
    assert files_of(replace(waiting, state=VmState.PENDING)) == Files(cloned_mib=2000, images_in=frozenset({1}))


# -- promises -----------------------------------------------------------------------------------------


def arriving(state=VmState.PROLOG, tm="shared", stays=1, **record):
    """A VM whose newest stay began a moment ago."""
    made = vm(state, stays=stays, template=template(DISK=[VOLATILE, CLONE]))
    newest = replace(stay(stays - 1, host_id=5), tm=tm, datastore_id=7, **record)
    return replace(made, history=(*made.history[:-1], newest))


def test_the_room_of_a_vm_is_promised_while_its_files_are_on_their_way():
    assert promise(arriving(pstime=100)) == (("datastore", 7), 2100)
    assert promise(arriving(VmState.PROLOG_FAILURE, pstime=100)) == (("datastore", 7), 2100)


def test_the_room_of_an_unshared_datastore_is_its_hosts():
    assert promise(arriving(tm="ssh")) == (("host", 5), 2100)


@pytest.mark.parametrize("record", [{"petime": 110, "rstime": 110}, {"rstime": 110}, {"etime": 110}])
def test_nothing_is_promised_any_more_once_the_files_are_there_or_the_stay_is_over(record):
    assert promise(arriving(VmState.BOOT, **record)) is None


def test_nothing_is_promised_to_a_vm_that_waits_or_is_over_or_brings_nothing():
    assert promise(vm(VmState.PENDING, stays=0)) is None
    assert promise(replace(arriving(), state=VmState.DONE)) is None
    assert promise(replace(arriving(), template=template())) is None


def test_a_migration_takes_room_only_where_the_files_are_not_yet():
    moving = arriving(VmState.SAVE_MIGRATE, stays=2)
    assert promise(moving) == (("datastore", 7), 2100)
    within = (replace(moving.history[0], tm="shared", datastore_id=7), moving.history[1])
    assert promise(replace(moving, history=within)) is None
    assert promise(replace(moving, history=within, state=VmState.PROLOG)) == (("datastore", 7), 2100), "it began anew"


def test_the_domain_of_somebody_else_brings_no_files():
    imported = arriving()
    assert promise(replace(imported, template=imported.template.having(("IMPORTED", "YES")))) is None


# -- which datastores fit -----------------------------------------------------------------------------

SYSTEM = datastore(0, DatastoreType.SYSTEM, tm_mad="shared", cluster_ids=(0,))
FILES = files_of_disks([CLONE])


def unfit(one, files=FILES, cluster_id=0, images_by="fs"):
    known = {1: datastore(1, ds_mad=images_by)}
    return why_unfit(one, files, cluster_id=cluster_id, hostname="node1", find=known.get)


def test_a_system_datastore_of_the_hosts_cluster_that_can_bring_the_images_fits():
    assert unfit(SYSTEM) == ""
    assert unfit(replace(SYSTEM, tm_mad="lvm"), images_by="lvm") == ""


@pytest.mark.parametrize(
    ("one", "more", "why"),
    [
        (replace(SYSTEM, type=DatastoreType.IMAGE), {}, "is of type IMAGE"),
        (replace(SYSTEM, state=DatastoreState.DISABLED), {}, 'is DISABLED: "onedatastore enable 0"'),
        (SYSTEM, {"cluster_id": 4}, "is not of the cluster of host node1"),
        (SYSTEM, {"files": files_of_disks([], 5, "ssh")}, "the VM's files by ssh: they cannot move"),
        (SYSTEM, {"images_by": "lvm"}, "cannot bring images of datastore"),
        (replace(SYSTEM, tm_mad="lvm"), {}, "cannot bring images of datastore"),
    ],
)
def test_what_is_in_the_way_is_told(one, more, why):
    assert why in unfit(one, **more)


def test_files_stay_in_a_datastore_that_was_disabled_meanwhile():
    assert unfit(replace(SYSTEM, state=DatastoreState.DISABLED), files=files_of_disks([], 0, "shared")) == ""


REGISTERED = {**PERSISTENT, "IMAGE": "data", "SOURCE": "/srv/data.img"}


def test_a_persistent_image_that_nothing_is_written_back_to_is_not_brought_to_an_unshared_datastore():
    registered = files_of_disks([REGISTERED])
    why = unfit(replace(SYSTEM, tm_mad="ssh"), files=registered)
    assert "nothing is written back to data [4], which was registered with a SOURCE of its own" in why
    assert unfit(SYSTEM, files=registered) == ""
    made_here = files_of_disks([{**REGISTERED, "SOURCE": f"/srv/ds/1/{'0a' * 16}"}])
    cloned = files_of_disks([{**REGISTERED, "CLONE": "YES"}])
    for fits in (made_here, cloned):
        assert unfit(replace(SYSTEM, tm_mad="ssh"), files=fits) == ""
