"""Which system datastore takes a VM's files on a host: those that fit, that have room, the best ranked one.

Asked for every VM and the hosts that are looked at for it, so what does not change within a plan is found out
once for all VMs alike.  Datastores are few; hosts and VMs are many.

Source: reference/templates.md §2.2, §5.1, §6.2.
"""

from collections.abc import Collection, Iterable
from functools import partial

import msgspec

from trifid.core.image.datastore import Datastore, DatastoreType
from trifid.core.template.rank import Rank
from trifid.core.template.requirements import Requirement
from trifid.core.template.validate import shown
from trifid.core.vm.files import UNSHARED, Files, Place, needed_mib, place_of, why_unfit
from trifid.placement.view import DatastoreView, Expression, HostView

POLICIES = {"packing": "- FREE_MB", "striping": "FREE_MB", "fixed": "PRIORITY"}
"""The rank of datastores for a VM without its own, by name of the policy (reference/templates.md §6.2)."""

_CHANGING = frozenset(("FREE_MB", "USED_MB"))
"""Attributes that a placement changes at once, so that the next VM sees it."""
_NAMED_MAX = 5
"""Datastores that a reason names one by one."""


class StorageWish(msgspec.Struct, frozen=True, gc=False):
    """All that decides about a VM's datastore: VMs with the same wish get the same, as long as there is room."""

    files: Files
    requirement: Expression
    rank: Expression


class Storage:
    """The system datastores, and what this plan has put into them so far.

    Args:
        datastores: all that there are; those of images tell which system ones can bring these.
    """

    def __init__(self, datastores: Collection[DatastoreView]) -> None:
        self._records: dict[int, Datastore] = {one.record.id: one.record for one in datastores}
        self._systems = sorted(
            (one for one in datastores if one.record.type is DatastoreType.SYSTEM), key=lambda one: one.record.id
        )
        self._taken: dict[Place, int] = {}
        self._fitting: dict[tuple[object, ...], list[DatastoreView]] = {}

    def fitting(self, wish: StorageWish, requirement: Requirement, cluster_id: int) -> list[DatastoreView]:
        """Return the datastores of a cluster that can hold the VM's files, whatever room they have, lowest id first.

        Of a requirement that looks at that room nothing is asked yet.
        """
        files = wish.files
        key = (wish.requirement, files.images_in, files.datastore_id, files.tm, cluster_id)
        found = self._fitting.get(key)
        if found is None:
            found = self._fitting[key] = [
                one
                for one in self._systems
                if not self._why_unfit(one, files, cluster_id)
                and (requirement.names & _CHANGING or requirement.matches(one.all_of))
            ]
        return found

    def choice(self, wish: StorageWish, requirement: Requirement, rank: Rank, host: HostView) -> DatastoreView | None:
        """Return the best datastore with room for a VM on a host: where its files are already, else by rank."""
        asks_room = bool(requirement.names & _CHANGING)
        best, best_rank = None, 0
        fitting = self.fitting(wish, requirement, host.cluster_id)
        for one in fitting:
            free = self._free_mib(one, host)
            if free is not None and self._needed_mib(wish.files, one.record) > free:
                continue
            if asks_room and not requirement.matches(partial(_now, one, free)):
                continue
            if one.record.id == wish.files.datastore_id or len(fitting) == 1:
                return one
            value = rank.value(partial(_first_now, one, free))
            if best is None or value > best_rank:
                best, best_rank = one, value
        return best

    def put(self, files: Files, datastore: DatastoreView, host: HostView) -> None:
        """Take the room that a VM's files need from a datastore."""
        record = datastore.record
        place = place_of(record.id, record.tm_mad, host.id)
        self._taken[place] = self._taken.get(place, 0) + self._needed_mib(files, record)

    def is_full(self, wish: StorageWish, requirement: Requirement, cluster_ids: Iterable[int]) -> bool:
        """Tell whether no datastore has room for the files, on whatever host: so that none need be looked at."""
        for cluster_id in cluster_ids:
            for one in self.fitting(wish, requirement, cluster_id):
                free = None if one.record.tm_mad in UNSHARED else self._shared_free_mib(one)
                if free is None or self._needed_mib(wish.files, one.record) <= free:
                    return False
        return True

    # -- reasons -----------------------------------------------------------------------------------

    def why_none_fits(self, wish: StorageWish, requirement: Requirement, hosts: Iterable[HostView]) -> str:
        """Return why no datastore fits, whatever room it has; each is named with what is in its way."""
        begin = f"No system datastore meets {wish.requirement.attribute}"
        if not self._systems:
            return f'{begin}: there is none, add one with "onedatastore create"'
        by_cluster = {host.cluster_id: host for host in hosts}
        parts = [
            f"{one.record.name} [{one.record.id}] {self._obstacle(one, wish, requirement, by_cluster.values())}"
            for one in self._systems[:_NAMED_MAX]
        ]
        if len(self._systems) > _NAMED_MAX:
            parts.append(f"and {len(self._systems) - _NAMED_MAX} more")
        return f"{begin}: {'; '.join(parts)}"

    def why_no_room(self, wish: StorageWish, requirement: Requirement, hosts: Collection[HostView]) -> str:
        """Return how much is needed and how much the roomiest has, of all datastores that would do on these hosts."""
        by_cluster = {host.cluster_id: host for host in hosts}
        found: dict[int, tuple[int, int, str]] = {}
        for cluster_id, any_host in by_cluster.items():
            for one in self.fitting(wish, requirement, cluster_id):
                is_shared = one.record.tm_mad not in UNSHARED
                for host in [any_host] if is_shared else [host for host in hosts if host.cluster_id == cluster_id]:
                    free = self._free_mib(one, host)
                    if free is not None and (one.record.id not in found or free > found[one.record.id][1]):
                        where = "" if is_shared else f" on host {host.name}"
                        found[one.record.id] = (self._needed_mib(wish.files, one.record), free, where)
        lacking = [(needed - free, datastore_id) for datastore_id, (needed, free, _) in found.items() if needed > free]
        if not lacking:
            return f"No system datastore has the room that {wish.requirement.attribute} asks: {_said(wish.requirement)}"
        datastore_id = min(lacking)[1]
        needed, free, where = found[datastore_id]
        which = f"{self._records[datastore_id].name} [{datastore_id}]{where}"
        return f"No system datastore with enough room: needs {needed} MiB, {which} has {max(free, 0)} free"

    def _obstacle(
        self, one: DatastoreView, wish: StorageWish, requirement: Requirement, hosts: Iterable[HostView]
    ) -> str:
        why = ""
        for host in hosts:
            why = why_unfit(
                one.record,
                wish.files,
                cluster_id=host.cluster_id,
                hostname=host.name,
                find=self._records.get,
            )
            if not why:
                break
        return why or f"does not match the expression {_said(wish.requirement)}"

    # -- figures -----------------------------------------------------------------------------------

    def _why_unfit(self, one: DatastoreView, files: Files, cluster_id: int) -> str:
        return why_unfit(one.record, files, cluster_id=cluster_id, hostname="", find=self._records.get)

    def _needed_mib(self, files: Files, record: Datastore) -> int:
        return needed_mib(files, record.id, record.tm_mad)

    def _shared_free_mib(self, one: DatastoreView) -> int | None:
        if one.free_mib is None:
            return None
        return one.free_mib - self._taken.get(("datastore", one.record.id), 0)

    def _free_mib(self, one: DatastoreView, host: HostView) -> int | None:
        """Return what may still be promised in a datastore on a host, below 0 when too much is; None = not known."""
        if one.record.tm_mad not in UNSHARED:
            return self._shared_free_mib(one)
        if host.free_disk_mib is None:
            return None
        return host.free_disk_mib - self._taken.get(("host", host.id), 0)


def _now(one: DatastoreView, free: int | None, name: str) -> list[str]:
    """Return every occurrence of an attribute, as changed by the plan; of an unshared datastore, as on the host."""
    if free is None or name not in _CHANGING:
        return one.all_of(name)
    if name == "FREE_MB":
        return [str(max(free, 0))]
    if one.free_mib is None or one.record.tm_mad in UNSHARED:
        return one.all_of(name)
    return [str(one.used_mib + one.free_mib - free)]


def _first_now(one: DatastoreView, free: int | None, name: str) -> str | None:
    return next(iter(_now(one, free, name)), None)


def _said(expression: Expression) -> str:
    return shown(expression.text.strip())
