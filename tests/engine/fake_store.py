"""A store in memory that keeps what it promises: what was committed is loaded again, nothing else.

Tests can hold commits back and make them fail.
"""

import threading
from collections.abc import Sequence

from trifid.core.audit import AuditEntry, AuditQuery
from trifid.core.hook import HookExecution, HookLogQuery
from trifid.core.journal import Entry
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState
from trifid.store.interface import Batch, Snapshot, StoreFault

POOLS = tuple(name for name in Batch.__struct_fields__ if name not in ("counters", "journal", "audit"))


class FakeStore:
    """The Store protocol over dictionaries.

    Attributes:
        commits: every batch that became durable.
        trouble: raised by the next commits when set.
        may_write: cleared to hold commits back.
    """

    def __init__(self) -> None:
        self.commits: list[Batch] = []
        self.trouble: Exception | None = None
        self.may_write = threading.Event()
        self.may_write.set()
        self.writing = threading.Event()
        self.is_closed = False
        self._pools: dict[str, dict] = {name: {} for name in POOLS}
        self._counters: dict[str, int] = {}
        self._journal: list[Entry] = []
        self._audit: list[AuditEntry] = []

    def load(self) -> Snapshot:
        """Read everything but VMs that are done."""
        pools = {name: list(pool.values()) for name, pool in self._pools.items() if name != "hook_log"}
        pools["vms"] = [vm for vm in pools["vms"] if vm.state is not VmState.DONE]
        last = self._journal[-1].id if self._journal else 0
        return Snapshot(counters=dict(self._counters), journal_id=last, audit_id=len(self._audit), **pools)

    def commit(self, batch: Batch) -> None:
        """Take a batch whole or not at all."""
        self.writing.set()
        assert self.may_write.wait(10)
        if self.trouble is not None:
            raise self.trouble
        expected = self._journal[-1].id + 1 if self._journal else 1
        if [e.id for e in batch.journal] != list(range(expected, expected + len(batch.journal))):
            raise StoreFault(f"journal entries must follow {expected - 1}")
        if [e.id for e in batch.audit] != [len(self._audit) + n + 1 for n in range(len(batch.audit))]:
            raise StoreFault(f"audit entries must follow {len(self._audit)}")
        for name, pool in self._pools.items():
            for key, record in getattr(batch, name).items():
                if record is None:
                    pool.pop(key, None)
                else:
                    pool[key] = record
        self._counters.update(batch.counters)
        self._journal.extend(batch.journal)
        self._audit.extend(batch.audit)
        self.commits.append(batch)

    def journal_after(self, entry_id: int, limit: int) -> Sequence[Entry]:
        """Return later entries, oldest first."""
        return [e for e in self._journal if e.id > entry_id][:limit]

    def journal_of(self, kind: str, object_id: int, limit: int) -> Sequence[Entry]:
        """Return one object's newest entries, oldest first."""
        return [e for e in self._journal if (e.kind, e.object_id) == (kind, object_id)][-limit:]

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
            for vm in self._pools["vms"].values()
            if vm.state is VmState.DONE and vm.id >= first_id and vm.etime >= ended_since
        ]
        asked = [vm for vm in done if uid in (None, vm.uid) and (last_id is None or vm.id <= last_id)]
        return sorted(asked, key=lambda vm: vm.id, reverse=True)[:limit]

    def done_vm(self, vm_id: int) -> VM | None:
        """Return one VM that is done."""
        return next(iter(self.done_vms(first_id=vm_id, last_id=vm_id, limit=1)), None)

    def audit(self, query: AuditQuery, limit: int) -> Sequence[AuditEntry]:
        """Return entries of the audit, newest first."""
        return [entry for entry in reversed(self._audit) if query.matches(entry)][:limit]

    def hook_log(self, query: HookLogQuery, limit: int) -> Sequence[HookExecution]:
        """Return the newest executions, oldest first."""
        found = [execution for execution in self._pools["hook_log"].values() if query.matches(execution)]
        return sorted(found, key=HookExecution.order)[-limit:]

    def close(self) -> None:
        """Remember that it was closed."""
        self.is_closed = True
