"""In which system datastore a VM's files lie on its host, and whether there is room for them."""

from collections.abc import Callable

from trifid.core.access import Caller, Right, check
from trifid.core.host import Host
from trifid.core.image.datastore import Datastore, DatastoreType, Space
from trifid.core.vm.files import UNSHARED, Files, files_of, needed_mib, place_of, why_unfit
from trifid.core.vm.record import VM
from trifid.engine.monitoring import Monitoring
from trifid.engine.transaction import Draft
from trifid.errors import Refused

ANY = -1
SpaceOn = Callable[[Datastore, Host], Space]
"""Tells the room of a system datastore as it is seen on a host."""


def space_on(monitoring: Monitoring, space_of: Callable[[int], Space]) -> SpaceOn:
    """Return what tells the room of a system datastore on a host: an unshared one's is told by the host's probes.

    Args:
        space_of: tells the room of a datastore that all hosts share, by its id.
    """

    def tell(datastore: Datastore, host: Host) -> Space:
        if datastore.tm_mad not in UNSHARED:
            return space_of(datastore.id)
        seen = monitoring.hosts.get(host.id)
        return seen.disk if seen is not None else Space()

    return tell


def system_datastore(
    draft: Draft, caller: Caller, vm: VM, host: Host, wanted: int, space_on: SpaceOn | None = None
) -> Datastore:
    """Return the system datastore for a VM on a host.

    Args:
        wanted: its id; ANY = where the VM's files are already, else the first that fits.
        space_on: tells the room that there must be enough of; None = whatever there is.

    Raises:
        NotFound: there is no such datastore.
        NotAllowed: the caller may not use it.
        Refused: it does not fit, or none does; says why.
    """
    files = files_of(vm)

    def why_not(datastore: Datastore) -> str:
        find = draft.find_datastore
        why = why_unfit(datastore, files, cluster_id=host.cluster_id, hostname=host.name, find=find)
        if why or space_on is None:
            return why
        return _lacks_room(draft, files, datastore, host, space_on(datastore, host))

    if wanted != ANY:
        datastore = draft.datastore(wanted)
        check(caller, Right.USE, "DATASTORE", datastore)
        if why := why_not(datastore):
            raise Refused(f"datastore {datastore.name} [{datastore.id}] {why}", vm.id)
        return datastore
    here = draft.find_datastore(files.datastore_id)
    if here is not None and not why_not(here):
        return here
    unfit = []
    datastores: list[Datastore] = sorted(draft.each("datastores"), key=lambda one: one.id)
    for datastore in datastores:
        if datastore.type is DatastoreType.SYSTEM:
            why = why_not(datastore)
            if not why:
                return datastore
            unfit.append(f"{datastore.name} [{datastore.id}] {why}")
    raise Refused(f"no system datastore fits: {'; '.join(unfit) or 'there is none, make one with onedatastore'}", vm.id)


def _lacks_room(draft: Draft, files: Files, datastore: Datastore, host: Host, space: Space) -> str:
    """Return what is lacking when a datastore is too full, beside what it is promised to; empty when it is not.

    Room that was never told is not in the way.
    """
    needed = needed_mib(files, datastore.id, datastore.tm_mad)
    free = space.free_mib - draft.promised(place_of(datastore.id, datastore.tm_mad, host.id))
    if not space.at or needed <= max(free, 0):
        return ""
    where = f" on host {host.name}" if datastore.tm_mad in UNSHARED else ""
    return f"has no room{where}: the VM's files need {needed} MiB, {max(free, 0)} MiB are free"
