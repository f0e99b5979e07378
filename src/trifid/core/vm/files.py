"""A VM's files: how much room they take in a system datastore, and in which ones they may lie.

Used alike by the scheduler, which chooses, and by the engine, which checks.  Room that is promised and not yet
taken is derived from the VMs' records like all capacity (core/ledger.py), so that it cannot drift.
"""

from collections.abc import Callable, Iterable

import msgspec

from trifid.core.image.datastore import Datastore, DatastoreState, DatastoreType
from trifid.core.image.define_datastore import works_with
from trifid.core.vm.outside import is_image_name
from trifid.core.vm.placed import LAYERS, VOLUMES
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState

UNSHARED = ("ssh",)
"""Transfer drivers whose datastores are each host's own."""
NOWHERE = -1

_THIN = (LAYERS, VOLUMES)
"""Transfer drivers whose clones hold only what differs from their image."""
_WITHOUT_FILES = (VmState.PENDING, VmState.HOLD)
_FIRST_PROLOG = (VmState.PROLOG, VmState.PROLOG_FAILURE)
_VOLATILE = ("FS", "SWAP")
_SWAP_MIB = 1
"""Of a swap disk that names no SIZE."""

Vector = dict[str, str]

Place = tuple[str, int]
"""Where room is shared: ("datastore", its id), or ("host", its id) for all unshared datastores there."""


class Files(msgspec.Struct, frozen=True):
    """What of a VM decides where its files may lie.

    Attributes:
        volatile_mib: disks that begin empty.
        cloned_mib, linked_mib: disks that are copies of their images, that are their images themselves.  A disk
            whose size nobody told counts nothing.
        images_in: ids of the datastores that its disks' images are in.
        used_in_place: names of the persistent images among them that lie where an administrator's SOURCE says, and
            not where the engine would have put them: nothing is ever copied there.
        datastore_id: where its files are already, NOWHERE when it has none.
        tm: the transfer driver that serves those; empty when it has none.
    """

    volatile_mib: int = 0
    cloned_mib: int = 0
    linked_mib: int = 0
    images_in: frozenset[int] = frozenset()
    used_in_place: frozenset[str] = frozenset()
    datastore_id: int = NOWHERE
    tm: str = ""


def files_of_disks(disks: Iterable[Vector], datastore_id: int = NOWHERE, tm: str = "") -> Files:
    """Return what DISKs say about a VM's files.

    Args:
        datastore_id, tm: where they are already, and who serves them there.
    """
    volatile_mib = cloned_mib = linked_mib = 0
    images_in, used_in_place = set(), set()
    for disk in disks:
        size_mib = int(size) if (size := disk.get("SIZE", "")).isdecimal() else 0
        kind = disk.get("TYPE", "").upper()
        if kind in _VOLATILE:
            volatile_mib += size_mib or (_SWAP_MIB if kind == "SWAP" else 0)
        elif disk.get("CLONE", "").upper() == "NO":
            linked_mib += size_mib
        else:
            cloned_mib += size_mib
        if (number := disk.get("DATASTORE_ID", "")).isdecimal():
            images_in.add(int(number))
        is_persistent = disk.get("IMAGE_ID", "") and disk.get("CLONE", "").upper() == "NO"
        if is_persistent and not is_image_name(disk.get("SOURCE", "").rpartition("/")[2]):
            used_in_place.add(f"{disk.get('IMAGE', '')} [{disk.get('IMAGE_ID', '')}]")
    return Files(volatile_mib, cloned_mib, linked_mib, frozenset(images_in), frozenset(used_in_place), datastore_id, tm)


def files_of(vm: VM) -> Files:
    """Return what a VM that is to be placed, or moved, says about its files."""
    disks = vm.template.vectors("DISK")
    if not vm.history or vm.state in _WITHOUT_FILES:
        return files_of_disks(disks)
    return files_of_disks(disks, vm.current.datastore_id, vm.current.tm)


def needed_mib(files: Files, datastore_id: int, tm: str) -> int:
    """Return how much the files will take that are not in a system datastore yet, MiB.

    Args:
        tm: the datastore's transfer driver.
    """
    if files.datastore_id == datastore_id and tm not in UNSHARED:
        return 0
    needed = files.volatile_mib
    if tm not in _THIN:
        needed += files.cloned_mib
    if tm in UNSHARED:
        needed += files.linked_mib
    return needed


def place_of(datastore_id: int, tm: str, host_id: int) -> Place:
    """Return where files in a system datastore take room when their VM is on a host."""
    return ("host", host_id) if tm in UNSHARED else ("datastore", datastore_id)


def promise(vm: VM) -> tuple[Place, int] | None:
    """Return where a VM's files are expected and how much they will take there, MiB; None once they are there."""
    if not vm.history or vm.state is VmState.DONE:
        return None
    stay = vm.current
    if stay.etime or stay.petime or stay.rstime or vm.is_imported:
        return None
    disks = vm.template.vectors("DISK")
    comes_from = len(vm.history) > 1 and vm.state not in _FIRST_PROLOG
    files = files_of_disks(disks, vm.previous.datastore_id, vm.previous.tm) if comes_from else files_of_disks(disks)
    mib = needed_mib(files, stay.datastore_id, stay.tm)
    return (place_of(stay.datastore_id, stay.tm, stay.host_id), mib) if mib else None


def why_not_brought(files: Files, tm: str) -> str:
    """Return why a transfer driver cannot bring a VM's persistent images to a host and back; empty when it can."""
    if tm not in UNSHARED or not files.used_in_place:
        return ""
    return (
        f"is served by {tm}, which brings persistent images to a host and back, and nothing is written back to "
        f"{', '.join(sorted(files.used_in_place))}, which was registered with a SOURCE of its own: import it with PATH"
    )


def why_unfit(
    datastore: Datastore, files: Files, *, cluster_id: int, hostname: str, find: Callable[[int], Datastore | None]
) -> str:
    """Return why a datastore cannot hold a VM's files on a host, for people; empty when it can.

    How much room it has is another question.

    Args:
        cluster_id, hostname: of the host.
        find: returns a datastore by its id.
    """
    if datastore.type is not DatastoreType.SYSTEM:
        return f"is of type {datastore.type.name}, VMs run from SYSTEM ones"
    if datastore.state is not DatastoreState.READY and datastore.id != files.datastore_id:
        return f'is {datastore.state.name}: "onedatastore enable {datastore.id}"'
    if cluster_id not in datastore.cluster_ids:
        return f"is not of the cluster of host {hostname}"
    if files.tm and files.tm != datastore.tm_mad:
        return f"is served by transfer driver {datastore.tm_mad}, the VM's files by {files.tm}: they cannot move"
    if why := why_not_brought(files, datastore.tm_mad):
        return why
    for datastore_id in sorted(files.images_in):
        of_images = find(datastore_id)
        if of_images is not None and not works_with(of_images.ds_mad, datastore.tm_mad):
            return (
                f"is served by {datastore.tm_mad}, which cannot bring images of datastore {of_images.name} "
                f"[{of_images.id}] ({of_images.ds_mad})"
            )
    return ""
