"""The database: what was committed survives the daemon, nothing else does.

`Durable` is what is on disk; `SimulatedStore` is one daemon's connection to it, and goes wrong at times.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from trifid.core.audit import AuditEntry, AuditQuery
from trifid.core.hook import HookExecution, HookLogQuery
from trifid.core.image.record import Image
from trifid.core.image.uses import images_of
from trifid.core.journal import Entry
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState
from trifid.simulator.broken import Broken, Killed
from trifid.simulator.faults import Dice
from trifid.store.interface import Batch, Snapshot, Store, StoreFault

POOLS = tuple(name for name in Batch.__struct_fields__ if name not in ("counters", "journal", "audit", "hook_log"))


class Durable:
    """What is on disk.

    Attributes:
        vms: those DONE as well.
        journal, audit: all of them; entry N has the id N + 1.
        hook_log: what hooks did.
    """

    def __init__(self) -> None:
        self.pools: dict[str, dict[object, object]] = {name: {} for name in POOLS}
        self.vms: dict[int, VM] = self.pools["vms"]  # type: ignore[assignment]
        self.images: dict[int, Image] = self.pools["images"]  # type: ignore[assignment]
        self.counters: dict[str, int] = {}
        self.journal: list[Entry] = []
        self.audit: list[AuditEntry] = []
        self.hook_log: dict[tuple[int, int], HookExecution] = {}

    @property
    def journal_id(self) -> int:
        """Return the id of the newest entry."""
        return len(self.journal)

    def has_step(self, vm_id: int, step: int) -> bool:
        """Tell whether a VM's step is on disk."""
        vm = self.vms.get(vm_id)
        return vm is not None and vm.step >= step

    def has_image_step(self, image_id: int, step: int) -> bool:
        """Tell whether an image's step is on disk."""
        image = self.images.get(image_id)
        return image is not None and image.step >= step

    def image_at(self, source: str) -> Image | None:
        """Return the image that lies at a path."""
        return next((image for image in self.images.values() if image.source == source), None)

    def users_of(self, image_id: int) -> set[int]:
        """Return the ids of the VMs whose records name an image."""
        return {vm.id for vm in self.vms.values() if image_id in images_of(vm)}

    def load(self) -> Snapshot:
        """Return everything but VMs that are DONE."""
        pools = {name: list(pool.values()) for name, pool in self.pools.items()}
        pools["vms"] = [vm for vm in self.vms.values() if vm.state is not VmState.DONE]
        ids = {"journal_id": self.journal_id, "audit_id": len(self.audit)}
        return Snapshot(counters=dict(self.counters), **ids, **pools)  # type: ignore[arg-type]

    def apply(self, batch: Batch) -> None:
        """Take a batch."""
        expected = list(range(self.journal_id + 1, self.journal_id + 1 + len(batch.journal)))
        if [entry.id for entry in batch.journal] != expected:
            raise Broken(f"journal entries {[e.id for e in batch.journal][:3]}… do not follow {self.journal_id}")
        if [entry.id for entry in batch.audit] != list(
            range(len(self.audit) + 1, len(self.audit) + 1 + len(batch.audit))
        ):
            raise Broken(f"audit entries {[e.id for e in batch.audit][:3]}… do not follow {len(self.audit)}")
        for name, pool in self.pools.items():
            _put(pool, getattr(batch, name))
        _put(self.hook_log, batch.hook_log)
        self.counters.update(batch.counters)
        self.journal.extend(batch.journal)
        self.audit.extend(batch.audit)


class SimulatedStore:
    """The Store protocol for one life of the daemon.

    Args:
        inner: a real store that is written as well, and read instead.
    """

    def __init__(self, durable: Durable, dice: Dice, inner: Store | None = None) -> None:
        self._durable = durable
        self._dice = dice
        self._inner = inner

    def load(self) -> Snapshot:
        """Read everything."""
        remembered = self._durable.load()
        if self._inner is None:
            return remembered
        read = self._inner.load()
        if _sorted(read) != _sorted(remembered):
            raise Broken("the database reads something else than what was committed to it")
        return read

    def commit(self, batch: Batch) -> None:
        """Write a batch, or not, or be killed over it."""
        if self._dice.strikes("kill-at-write", 0.004):
            raise Killed("before a write")
        if self._dice.strikes("store-refuses", 0.001):
            raise StoreFault("simulated database: the disk is full")
        if self._inner is not None:
            self._inner.commit(batch)
        self._durable.apply(batch)
        if self._dice.strikes("store-lies", 0.001):
            raise StoreFault("simulated database: connection lost")
        if self._dice.strikes("kill-at-write", 0.004):
            raise Killed("after a write")

    def journal_after(self, entry_id: int, limit: int) -> Sequence[Entry]:
        """Return later entries, oldest first."""
        return self._durable.journal[entry_id : entry_id + limit]

    def journal_of(self, kind: str, object_id: int, limit: int) -> Sequence[Entry]:
        """Return one object's newest entries, oldest first."""
        return [e for e in self._durable.journal if (e.kind, e.object_id) == (kind, object_id)][-limit:]

    def done_vms(
        self,
        *,
        uid: int | None = None,
        first_id: int = 0,
        last_id: int | None = None,
        ended_since: int = 0,
        limit: int,
    ) -> Sequence[VM]:
        """Return VMs that are done, newest first."""
        done = [
            vm
            for vm in self._durable.vms.values()
            if vm.state is VmState.DONE and vm.id >= first_id and vm.etime >= ended_since
        ]
        asked = [vm for vm in done if uid in (None, vm.uid) and (last_id is None or vm.id <= last_id)]
        return sorted(asked, key=lambda vm: vm.id, reverse=True)[:limit]

    def done_vm(self, vm_id: int) -> VM | None:
        """Return one VM that is done."""
        vm = self._durable.vms.get(vm_id)
        return vm if vm is not None and vm.state is VmState.DONE else None

    def audit(self, query: AuditQuery, limit: int) -> Sequence[AuditEntry]:
        """Return entries of the audit, newest first."""
        return [entry for entry in reversed(self._durable.audit) if query.matches(entry)][:limit]

    def hook_log(self, query: HookLogQuery, limit: int) -> Sequence[HookExecution]:
        """Return the newest executions, oldest first."""
        found = [execution for execution in self._durable.hook_log.values() if query.matches(execution)]
        return sorted(found, key=HookExecution.order)[-limit:]

    def close(self) -> None:
        """Close a real store."""
        if self._inner is not None:
            self._inner.close()


def _put(pool: dict[Any, Any], changes: Mapping[Any, Any]) -> None:
    for key, record in changes.items():
        if record is None:
            pool.pop(key, None)
        else:
            pool[key] = record


def _sorted(snapshot: Snapshot) -> Snapshot:
    pools = {name: sorted(getattr(snapshot, name), key=repr) for name in POOLS}
    return replace(snapshot, **pools)
