"""Whatever can be in a record comes back as it was, from either database."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.store import records
from tests.store.conftest import Database
from trifid.core.acl import Rule
from trifid.core.audit import AuditEntry, AuditQuery
from trifid.core.document import Document
from trifid.core.hook import Hook, HookExecution, HookLogQuery
from trifid.core.host import Host
from trifid.core.journal import Entry
from trifid.core.network.record import Lease, Network
from trifid.core.quota import DefaultQuotas
from trifid.core.user import Group, User
from trifid.core.vdc import Vdc
from trifid.core.vm.record import VM, Action
from trifid.core.vm.states import VmState
from trifid.core.vm_group.record import VmGroup
from trifid.store.interface import Batch
from trifid.store.sql import SqlStore

anything = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
"""One database serves all examples of a test: each leaves it empty."""


def there_and_back(store: SqlStore, pool: str, key: Any, record: Any) -> list[Any]:
    """Write a record, load, delete it again; return what was loaded of its kind."""
    change = Batch()
    setattr(change, pool, {key: record})
    store.commit(change)
    loaded = store.load()
    setattr(change, pool, {key: None})
    store.commit(change)
    found: list[Any] = getattr(loaded, pool)
    return found


@anything
@given(vm=records.vms)
def test_a_vm_with_its_history(store: SqlStore, vm: VM) -> None:
    store.commit(Batch(vms={7: vm}))
    living, done = store.load().vms, store.done_vms(limit=2)
    assert (done if vm.state is VmState.DONE else living) == [vm]
    assert len(living) + len(done) == 1
    store.commit(Batch(vms={7: None}))


@anything
@given(host=records.hosts)
def test_a_host(store: SqlStore, host: Host) -> None:
    assert there_and_back(store, "hosts", host.id, host) == [host]


@anything
@given(network=records.networks)
def test_a_network(store: SqlStore, network: Network) -> None:
    assert there_and_back(store, "networks", network.id, network) == [network]


@anything
@given(group=records.vm_groups)
def test_a_vm_group(store: SqlStore, group: VmGroup) -> None:
    assert there_and_back(store, "vm_groups", group.id, group) == [group]


@anything
@given(lease=records.leases)
def test_a_lease(store: SqlStore, lease: Lease) -> None:
    store.commit(Batch(networks={0: records.network(0)}))
    assert there_and_back(store, "leases", lease.key, lease) == [lease]


@anything
@given(user=records.users)
def test_a_user(store: SqlStore, user: User) -> None:
    assert there_and_back(store, "users", user.id, user) == [user]


@anything
@given(group=records.groups)
def test_a_group(store: SqlStore, group: Group) -> None:
    assert there_and_back(store, "groups", group.id, group) == [group]


@anything
@given(rule=records.rules)
def test_an_access_rule(store: SqlStore, rule: Rule) -> None:
    assert there_and_back(store, "acls", rule.id, rule) == [rule]


@anything
@given(vdc=records.vdcs)
def test_a_virtual_data_centre(store: SqlStore, vdc: Vdc) -> None:
    assert there_and_back(store, "vdcs", vdc.id, vdc) == [vdc]


@anything
@given(hook=records.hooks)
def test_a_hook(store: SqlStore, hook: Hook) -> None:
    assert there_and_back(store, "hooks", hook.id, hook) == [hook]


@anything
@given(execution=records.executions)
def test_what_a_hook_did(store: SqlStore, execution: HookExecution) -> None:
    key = (execution.hook_id, execution.execution_id)
    store.commit(Batch(hook_log={key: execution}))
    assert store.hook_log(HookLogQuery(), 10) == [execution]
    store.commit(Batch(hook_log={key: None}))
    assert store.hook_log(HookLogQuery(), 10) == []


@anything
@given(document=records.documents)
def test_a_document(store: SqlStore, document: Document) -> None:
    assert there_and_back(store, "documents", document.id, document) == [document]


@anything
@given(quotas=records.default_quotas)
def test_default_quotas(store: SqlStore, quotas: DefaultQuotas) -> None:
    assert there_and_back(store, "default_quotas", quotas.id, quotas) == [quotas]


@anything
@given(entry=records.audit_entries)
def test_an_audit_entry(store: SqlStore, database: Database, entry: AuditEntry) -> None:
    store.commit(Batch(audit=[entry]))
    assert store.audit(AuditQuery(), 10) == [entry]
    database.sql("DELETE FROM audit")


@anything
@given(action=records.actions)
def test_an_action(store: SqlStore, action: Action) -> None:
    store.commit(Batch(vms={7: records.vm(7)}))
    assert there_and_back(store, "actions", 7, action) == [action]


@anything
@given(entry=records.entries)
def test_a_journal_entry(store: SqlStore, database: Database, entry: Entry) -> None:
    store.commit(Batch(journal=[entry]))
    assert store.journal_after(0, 10) == [entry]
    database.sql("DELETE FROM journal")


def test_the_largest_lease(store: SqlStore) -> None:
    lease = Lease(0, 0, -(2**40), -1, 2**48 - 1, 2**32 - 1)
    store.commit(Batch(networks={0: records.network(0)}))
    assert there_and_back(store, "leases", lease.key, lease) == [lease]


def test_a_nul_character_in_the_journal_is_replaced_since_not_every_database_takes_it(store: SqlStore) -> None:
    store.commit(Batch(journal=[records.entry(1, text="a\0b")]))
    assert [e.text for e in store.journal_after(0, 1)] == ["a\ufffdb"]


@pytest.mark.parametrize(
    ("column", "value"),
    [("name", "vm-7"), ("uid", 2), ("gid", 1), ("state", 301), ("cpu_percent", 100), ("memory_mib", 512)],
)
def test_the_facts_of_a_vm_are_columns(store: SqlStore, database: Database, column: str, value: object) -> None:
    store.commit(Batch(vms={7: records.vm(7, state=VmState.PROLOG)}))
    assert database.sql(f"SELECT {column} FROM vms") == [(value,)]


def test_the_facts_of_a_stay_are_columns(store: SqlStore, database: Database) -> None:
    store.commit(Batch(vms={7: records.vm(7, history=(records.stay(0, etime=5, action=27, uid=9),))}))
    found = database.sql("SELECT vm_id, seq, host_id, hostname, stime, etime, action, uid FROM history")
    assert found == [(7, 0, 3, "host3", 1_700_000_100, 5, 27, 9)]
