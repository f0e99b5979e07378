"""What users and groups have of all that quotas limit: derived from the records, so that it cannot drift.

A VM counts from its creation until it is DONE.  It counts as running as well unless it is at rest (powered off,
suspended, stopped, undeployed) or ends; one that waits for a host counts, since nobody is asked when it gets one.

Source: reference/api-modern.md §5.5 (QUOTA types).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from trifid.core.image.life import RESIZE_TO
from trifid.core.image.record import Image
from trifid.core.image.uses import images_of
from trifid.core.network.record import HELD_BY_NOBODY, Lease, LeaseKey, Network
from trifid.core.vm.record import VM, DiskSnapshots
from trifid.core.vm.states import VmState

Figure = tuple[str, str, str]
"""(VM, "" or a cluster id, VMS …), (DATASTORE, id, SIZE …), (NETWORK, id, LEASES), (IMAGE, id, RVMS)"""
Figures = dict[Figure, int]
"""CPU in percent, 100 = one core; memory and sizes in MiB.  What is 0 is left out."""
Owner = tuple[str, int]
"""("user" or "group", its id)"""
Usage = dict[Owner, Figures]

USER, GROUP = "user", "group"
WITHOUT_QUOTAS = 0
"""The id of the user, and of the group, that have no quotas."""

_NO_DOMAIN = """
    STOPPED SUSPENDED POWEROFF UNDEPLOYED DONE CLEANUP_DELETE RESTORE BACKUP_POWEROFF
    EPILOG EPILOG_FAILURE EPILOG_STOP EPILOG_STOP_FAILURE EPILOG_UNDEPLOY EPILOG_UNDEPLOY_FAILURE
    PROLOG_MIGRATE_POWEROFF PROLOG_MIGRATE_POWEROFF_FAILURE PROLOG_MIGRATE_SUSPEND PROLOG_MIGRATE_SUSPEND_FAILURE
    HOTPLUG_SAVEAS_POWEROFF HOTPLUG_SAVEAS_SUSPENDED HOTPLUG_SAVEAS_UNDEPLOYED HOTPLUG_SAVEAS_STOPPED
    HOTPLUG_PROLOG_POWEROFF HOTPLUG_EPILOG_POWEROFF HOTPLUG_NIC_POWEROFF
    DISK_SNAPSHOT_POWEROFF DISK_SNAPSHOT_REVERT_POWEROFF DISK_SNAPSHOT_DELETE_POWEROFF
    DISK_SNAPSHOT_SUSPENDED DISK_SNAPSHOT_DELETE_SUSPENDED DISK_RESIZE_POWEROFF DISK_RESIZE_UNDEPLOYED
"""
"""Names of states in which a VM has no domain and waits for none."""
_AT_REST = frozenset(_NO_DOMAIN.split())
_ENDS_FROM_REST = frozenset((VmState.SHUTDOWN_OFF, VmState.SHUTDOWN_SUSPENDED, VmState.UNDEPLOY_OFF))
_RUNS_ALL_THE_SAME = frozenset(
    (
        VmState.PAUSED,
        VmState.MIGRATE_COPY_FAILURE,
        VmState.CLEANUP_RESUBMIT_FAILURE,
        VmState.CLEANUP_RESUBMIT_FILES_FAILURE,
        VmState.CLEANUP_RESUBMIT_STOPPED_FAILURE,
    )
)
"""A paused domain holds its memory; a move that failed is to go on; what is made anew waits for a host in the end."""

RUNNING = frozenset(
    state
    for state in VmState
    if state in _RUNS_ALL_THE_SAME or (state.printable not in _AT_REST and state not in _ENDS_FROM_REST)
)
"""States in which a VM counts for RUNNING_VMS, RUNNING_CPU and RUNNING_MEMORY."""

_VOLATILE = ("FS", "SWAP")


def figures_of_vm(vm: VM) -> Figures:
    """Return what a VM takes, for its user and its group alike."""
    if vm.state is VmState.DONE:
        return {}
    own = _own_figures(vm)
    found = {("VM", "", name): amount for name, amount in own.items()}
    if vm.history:
        cluster = str(vm.current.cluster_id)
        found |= {("VM", cluster, name): amount for name, amount in own.items()}
    for image_id in images_of(vm):
        found["IMAGE", str(image_id), "RVMS"] = 1
    for name in ("NIC", "NIC_ALIAS"):
        for nic in vm.template.vectors(name):
            if (network := nic.get("NETWORK_ID", "")).isdecimal():
                _add(found, ("NETWORK", network, "LEASES"), 1)
    for disk in vm.template.vectors("DISK"):
        if (grown := _grown_mib(disk)) > 0:
            _add(found, ("DATASTORE", disk.get("DATASTORE_ID", ""), "SIZE"), grown)
    for of in vm.disk_snapshots:
        if (datastore := _datastore_of_persistent(vm, of)) is not None:
            _add(
                found,
                ("DATASTORE", datastore, "SIZE"),
                sum(one.size_mib for one in of.snapshots if _is_new(vm, one.at)),
            )
    return {figure: amount for figure, amount in found.items() if amount}


def _own_figures(vm: VM) -> dict[str, int]:
    """Return what counts for VM quotas."""
    found = {
        "VMS": 1,
        "CPU": vm.needs.cpu_percent,
        "MEMORY": vm.needs.memory_mib,
        "PCI_DEV": 0,
        "PCI_NIC": 0,
    }
    for device in vm.template.vectors("PCI"):
        found["PCI_NIC" if device.get("TYPE", "").upper() == "NIC" else "PCI_DEV"] += 1
    if vm.state in RUNNING:
        found |= {f"RUNNING_{name}": amount for name, amount in found.items()}
    found["SYSTEM_DISK_SIZE"] = _system_disk_mib(vm)
    return found


def _system_disk_mib(vm: VM) -> int:
    """Return what a VM's disks take in a system datastore: all but persistent images, with their snapshots."""
    total_mib = 0
    for disk in vm.template.vectors("DISK"):
        is_volatile = disk.get("TYPE", "").upper() in _VOLATILE
        if (is_volatile or disk.get("CLONE", "").upper() != "NO") and (size := disk.get("SIZE", "")).isdecimal():
            total_mib += int(size)
    for of in vm.disk_snapshots:
        if _datastore_of_persistent(vm, of) is None:
            total_mib += sum(one.size_mib for one in of.snapshots)
    return total_mib


def _datastore_of_persistent(vm: VM, of: DiskSnapshots) -> str | None:
    """Return the id of the datastore of the persistent image that snapshots are of, None for any other disk."""
    for disk in vm.template.vectors("DISK"):
        if disk.get("DISK_ID") == str(of.disk_id) and disk.get("IMAGE_ID") and disk.get("CLONE", "").upper() == "NO":
            return disk.get("DATASTORE_ID", "")
    return None


def _grown_mib(disk: Mapping[str, str]) -> int:
    """Return by how much the disk of a persistent image is larger than the image is told to be while it is in use."""
    size, original = disk.get("SIZE", ""), disk.get("ORIGINAL_SIZE", "")
    is_persistent = disk.get("IMAGE_ID", "") and disk.get("CLONE", "").upper() == "NO"
    return int(size) - int(original) if is_persistent and size.isdecimal() and original.isdecimal() else 0


def _is_new(vm: VM, at: int) -> bool:
    """Tell whether a snapshot of a persistent image was made by this VM: those from before count with the image."""
    return at >= vm.stime


def takes_the_same(old: VM, new: VM) -> bool:
    """Tell, fast, that a VM takes what it took before and has the same owners; False when it may not."""
    return (
        old.template is new.template
        and old.needs == new.needs
        and (old.uid, old.gid) == (new.uid, new.gid)
        and old.disk_snapshots is new.disk_snapshots
        and old.files is new.files
        and (old.state in RUNNING) == (new.state in RUNNING)
        and new.state is not VmState.DONE
        and (old.history[-1].cluster_id if old.history else None)
        == (new.history[-1].cluster_id if new.history else None)
    )


def figures_of_image(image: Image) -> Figures:
    """Return what an image takes of its datastore, with its snapshots; one that is being made larger, what it will."""
    datastore = str(image.datastore_id)
    coming = image.template.single(RESIZE_TO)
    size_mib = max(image.size_mib, int(coming) if coming.isdecimal() else 0)
    size_mib += sum(one.size_mib for one in image.snapshots.snapshots)
    found = {("DATASTORE", datastore, "IMAGES"): 1}
    return found | ({("DATASTORE", datastore, "SIZE"): size_mib} if size_mib else {})


def figures_of_reservation(network: Network) -> Figures:
    """Return what a reservation takes of its parent's addresses; nothing for a network that is none."""
    size = sum(ar.size for ar in network.ranges) if network.is_reservation else 0
    return {("NETWORK", network.parent_id, "LEASES"): size} if size else {}


def figures_of_held(network_id: int, count: int) -> Figures:
    """Return what addresses put on hold take, which count for the network's owner."""
    return {("NETWORK", str(network_id), "LEASES"): count} if count else {}


def _add(figures: Figures, figure: Figure, amount: int) -> None:
    """Add to a figure; what becomes 0 has no entry."""
    total = figures.pop(figure, 0) + amount
    if total:
        figures[figure] = total


def charge(usage: Usage, uid: int, gid: int, figures: Figures, sign: int) -> None:
    """Charge (1) or credit (-1) a user and a group; who has nothing has no entry, who has no quotas has none ever."""
    if not figures:
        return
    for owner in ((USER, uid), (GROUP, gid)):
        if owner[1] == WITHOUT_QUOTAS:
            continue
        own = usage.setdefault(owner, {})
        for figure, amount in figures.items():
            _add(own, figure, sign * amount)
        if not own:
            del usage[owner]


def merge(into: Usage, change: Usage) -> None:
    """Add a change to another one."""
    for owner, figures in change.items():
        own = into.setdefault(owner, {})
        for figure, amount in figures.items():
            _add(own, figure, amount)
        if not own:
            del into[owner]


# -- all together ------------------------------------------------------------------------------------


def charge_vm(usage: Usage, old: VM | None, new: VM | None) -> None:
    """Bring usage up to date with a VM that changed, began or is gone."""
    if old is not None and new is not None and takes_the_same(old, new):
        return
    for vm, sign in ((old, -1), (new, 1)):
        if vm is not None:
            charge(usage, vm.uid, vm.gid, figures_of_vm(vm), sign)


def charge_image(usage: Usage, old: Image | None, new: Image | None) -> None:
    """Bring usage up to date with an image."""
    for image, sign in ((old, -1), (new, 1)):
        if image is not None:
            charge(usage, image.uid, image.gid, figures_of_image(image), sign)


def charge_addresses(
    usage: Usage,
    networks: Iterable[tuple[Network | None, Network | None]],
    leases: Iterable[tuple[LeaseKey, Lease | None, Lease | None]],
    owner: Callable[[int], Network | None],
    held: Callable[[int], int],
) -> None:
    """Bring usage up to date with networks that changed, and with leases.

    Args:
        networks: as they were and are.
        leases: key, as it was and is.
        owner: returns a network as it is now.
        held: returns how many addresses of a network were on hold before.
    """
    for old, new in networks:
        is_given_away = old is None or new is None or (old.uid, old.gid) != (new.uid, new.gid)
        for network, sign in ((old, -1), (new, 1)):
            if network is not None:
                charge(usage, network.uid, network.gid, figures_of_reservation(network), sign)
                if is_given_away:
                    charge(usage, network.uid, network.gid, figures_of_held(network.id, held(network.id)), sign)
    for key, before, after in leases:
        change = _is_held(after) - _is_held(before)
        network = owner(key[0])
        if change and network is not None:
            charge(usage, network.uid, network.gid, figures_of_held(network.id, 1), change)


def _is_held(lease: Lease | None) -> int:
    return int(lease is not None and lease.vm_id == HELD_BY_NOBODY)


def count_held(leases: Iterable[Lease | None]) -> int:
    """Return how many of these addresses are on hold."""
    return sum(map(_is_held, leases))


def recomputed(
    vms: Iterable[VM], images: Iterable[Image], networks: Mapping[int, Network], leases: Iterable[Lease]
) -> Usage:
    """Return what everybody has, from nothing but the records."""
    usage: Usage = {}
    for vm in vms:
        charge(usage, vm.uid, vm.gid, figures_of_vm(vm), 1)
    for image in images:
        charge(usage, image.uid, image.gid, figures_of_image(image), 1)
    for network in networks.values():
        charge(usage, network.uid, network.gid, figures_of_reservation(network), 1)
    for lease in leases:
        if _is_held(lease) and (network_of := networks.get(lease.network_id)) is not None:
            charge(usage, network_of.uid, network_of.gid, figures_of_held(network_of.id, 1), 1)
    return usage


def used(figures: Figures, kind: str, resource_id: str, name: str) -> int:
    """Return how much of a figure there is.

    Args:
        resource_id: of VM: the clusters that count, like "0,101"; "" = all.
    """
    if kind != "VM" or not resource_id:
        return figures.get((kind, resource_id, name), 0)
    return sum(figures.get((kind, cluster, name), 0) for cluster in resource_id.split(","))


def resources(figures: Figures) -> Iterator[tuple[str, str]]:
    """Yield what is used, by kind and id; the VMs of single clusters aside."""
    yield from sorted({(kind, of) for kind, of, _ in figures if kind != "VM" or not of}, key=_by_number)


def _by_number(resource: tuple[str, str]) -> tuple[str, int, str]:
    kind, of = resource
    return kind, int(of) if of.isdecimal() else -1, of
