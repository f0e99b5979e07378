"""What the engine relies on, on either database."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.store.conftest import Database
from tests.store.records import audit_entry, entry, execution, network, stay, turn, user, vm
from trifid.core.audit import AuditQuery
from trifid.core.hook import HookLogQuery
from trifid.core.network.record import Lease
from trifid.core.user import Group
from trifid.core.vm.record import Action
from trifid.core.vm.states import VmState
from trifid.store.interface import Batch, Snapshot, StoreFault
from trifid.store.sql import SqlStore


def test_a_new_database_is_empty(store: SqlStore) -> None:
    assert store.load() == Snapshot()


def test_an_empty_batch_is_no_change(store: SqlStore) -> None:
    store.commit(Batch())
    assert store.load() == Snapshot()


def test_everything_is_there_after_reopening(database: Database) -> None:
    store = database.open()
    store.commit(turn(0))
    store.commit(turn(1))
    before = store.load()
    store.close()
    after = database.open().load()
    assert after == before
    assert [v.id for v in after.vms] == [0, 1]
    assert after.counters == {"vm": 2}
    assert after.journal_id == 2


def test_writing_a_record_again_replaces_it(store: SqlStore) -> None:
    store.commit(Batch(users={2: user(2), 3: user(3)}))
    store.commit(Batch(users={2: user(2, name="alice", enabled=False)}))
    assert store.load().users == [user(2, name="alice", enabled=False), user(3)]


def test_deleting_what_is_not_there_is_no_error(store: SqlStore) -> None:
    store.commit(Batch(vms={7: None}, leases={(0, 0, 0): None}, actions={7: None}, users={2: None}))
    assert store.load() == Snapshot()


def test_one_batch_may_write_and_delete_in_the_same_table(store: SqlStore) -> None:
    store.commit(Batch(groups={1: Group(1, "users"), 2: Group(2, "staff")}))
    store.commit(Batch(groups={1: None, 3: Group(3, "guests")}))
    assert [g.id for g in store.load().groups] == [2, 3]


def test_a_lease_comes_and_goes_by_its_key(store: SqlStore) -> None:
    first, second = Lease(0, 0, -3, 7, 5), Lease(0, 1, -3, 7, 6, 10)
    store.commit(Batch(networks={0: network()}, leases={first.key: first, second.key: second}))
    store.commit(Batch(leases={first.key: None}))
    assert store.load().leases == [second]
    store.commit(Batch(networks={0: None}, leases={second.key: None}))
    assert store.load() == Snapshot()


def test_an_answered_action_leaves_the_outbox(store: SqlStore) -> None:
    store.commit(Batch(vms={7: vm()}, actions={7: Action(7, 1, "tm", "prolog")}))
    store.commit(Batch(actions={7: Action(7, 2, "vmm", "DEPLOY", previous=True)}))
    assert store.load().actions == [Action(7, 2, "vmm", "DEPLOY", previous=True)]
    store.commit(Batch(actions={7: None}))
    assert store.load().actions == []


def test_a_deleted_vm_takes_its_history_and_action_along(store: SqlStore, database: Database) -> None:
    store.commit(turn(7))
    store.commit(Batch(vms={7: None}))
    assert store.load().vms == []
    assert store.load().actions == []
    assert database.sql("SELECT * FROM history") == []


def test_counters_keep_their_newest_value(store: SqlStore) -> None:
    store.commit(Batch(counters={"vm": 5, "host": 1}))
    store.commit(Batch(counters={"vm": 6}))
    assert store.load().counters == {"vm": 6, "host": 1}


# -- history ---------------------------------------------------------------------------------------


def test_history_is_written_once_and_only_changes_follow(store: SqlStore, database: Database) -> None:
    first, second = stay(0, etime=5), stay(1)
    store.commit(Batch(vms={7: vm(history=(first, second))}))
    database.sql("UPDATE history SET hostname = 'marked'")
    closed, third = stay(1, etime=9), stay(2)
    store.commit(Batch(vms={7: vm(history=(first, closed, third))}))
    assert database.sql("SELECT seq, hostname FROM history ORDER BY seq") == [(0, "marked"), (1, "host3"), (2, "host3")]
    assert store.load().vms[0].history == (first, closed, third)


def test_history_loaded_at_start_is_not_written_again(database: Database) -> None:
    store = database.open()
    store.commit(Batch(vms={7: vm(history=(stay(0),))}))
    store.close()
    store = database.open()
    loaded = store.load().vms[0]
    database.sql("UPDATE history SET hostname = 'marked'")
    store.commit(Batch(vms={7: vm(name="renamed", history=loaded.history)}))
    assert database.sql("SELECT hostname FROM history") == [("marked",)]


def test_a_history_that_failed_to_be_written_is_written_the_next_time(store: SqlStore) -> None:
    store.commit(Batch(journal=[entry(1)]))
    with pytest.raises(StoreFault):
        store.commit(Batch(vms={7: vm(history=(stay(0),))}, journal=[entry(1)]))
    store.commit(Batch(vms={7: vm(history=(stay(0),))}, journal=[entry(2)]))
    assert store.load().vms[0].history == (stay(0),)


@pytest.mark.parametrize("known", [True, False], ids=["known", "not yet loaded"])
def test_a_shorter_history_replaces_a_longer_one(database: Database, known: bool) -> None:
    store = database.open()
    store.commit(Batch(vms={7: vm(history=(stay(0), stay(1))), 8: vm(8, history=(stay(0), stay(1)))}))
    if not known:
        store.close()
        store = database.open()
    store.commit(Batch(vms={7: vm(history=(stay(0, etime=3),)), 8: vm(8)}))
    assert [v.history for v in store.load().vms] == [(stay(0, etime=3),), ()]


# -- VMs in DONE -----------------------------------------------------------------------------------


def test_a_vm_that_is_done_is_not_loaded_but_can_be_asked_for(store: SqlStore) -> None:
    done = vm(7, state=VmState.DONE, history=(stay(0), stay(1)))
    store.commit(Batch(vms={7: vm(7, history=(stay(0),)), 8: vm(8)}))
    assert store.done_vm(7) is None
    store.commit(Batch(vms={7: done}))
    assert [v.id for v in store.load().vms] == [8]
    assert store.done_vm(7) == done
    assert store.done_vm(8) is None
    assert store.done_vm(9) is None


def test_done_vms_come_newest_first_of_the_asked_user_range_and_number(store: SqlStore) -> None:
    owners = {9: 2, 3: 4, 5: 2, 6: 5}
    store.commit(
        Batch(vms={i: vm(i, uid=uid, state=VmState.DONE, history=(stay(0, host_id=i),)) for i, uid in owners.items()})
    )
    store.commit(Batch(vms={7: vm(7, history=(stay(0, host_id=7),))}))

    def found(limit: int = 10, **asked: int) -> list[int]:
        vms = store.done_vms(limit=limit, **asked)
        assert [v.history[0].host_id for v in vms] == [v.id for v in vms]
        return [v.id for v in vms]

    assert found() == [9, 6, 5, 3]
    assert found(2) == [9, 6]
    assert found(2, last_id=8) == [6, 5]
    assert found(first_id=5, last_id=6) == [6, 5]
    assert found(uid=2) == [9, 5]
    assert found(1, uid=2, last_id=8) == [5]
    assert found(uid=77) == []


def test_done_vms_may_be_those_that_ended_since_a_time(store: SqlStore) -> None:
    store.commit(Batch(vms={i: vm(i, state=VmState.DONE, etime=10 * i) for i in (1, 2, 3)}))
    assert [v.id for v in store.done_vms(limit=10, ended_since=20)] == [3, 2]


# -- the journal -----------------------------------------------------------------------------------


def test_the_journal_is_read_in_pages_oldest_first(store: SqlStore) -> None:
    store.commit(Batch(journal=[entry(n) for n in range(1, 6)]))
    store.commit(Batch(journal=[entry(n) for n in range(6, 8)]))
    assert [e.id for e in store.journal_after(0, 3)] == [1, 2, 3]
    assert [e.id for e in store.journal_after(3, 3)] == [4, 5, 6]
    assert [e.id for e in store.journal_after(6, 3)] == [7]
    assert store.journal_after(7, 3) == []


def test_the_story_of_one_object_is_its_newest_entries_oldest_first(store: SqlStore) -> None:
    about = [("VM", 7), ("VM", 8), ("HOST", 7), ("VM", 7), ("VM", 7)]
    store.commit(Batch(journal=[entry(n, kind=k, object_id=i) for n, (k, i) in enumerate(about, start=1)]))
    assert [e.id for e in store.journal_of("VM", 7, 10)] == [1, 4, 5]
    assert [e.id for e in store.journal_of("VM", 7, 2)] == [4, 5]
    assert [e.id for e in store.journal_of("HOST", 7, 2)] == [3]
    assert store.journal_of("USER", 7, 2) == []


def test_other_threads_read_while_one_writes(store: SqlStore) -> None:
    with ThreadPoolExecutor() as pool:
        for number in range(50):
            read = pool.submit(store.journal_after, 0, 1000)
            done = pool.submit(store.done_vms, limit=10)
            store.commit(turn(number))
            assert [e.id for e in read.result()] in ([*range(1, number + 1)], [*range(1, number + 2)])
            assert done.result() == []


# -- refusals --------------------------------------------------------------------------------------


def test_a_commit_that_fails_leaves_nothing(store: SqlStore) -> None:
    store.commit(turn(0))
    before = store.load()
    broken = turn(1)
    broken.journal = [entry(2), entry(1)]
    broken.users = {2: user(2)}
    broken.vms[0] = None
    with pytest.raises(StoreFault, match="journal"):
        store.commit(broken)
    assert store.load() == before


def test_a_store_goes_on_after_a_commit_that_failed(store: SqlStore) -> None:
    store.commit(turn(0))
    with pytest.raises(StoreFault):
        store.commit(turn(0))
    store.commit(turn(1))
    assert [v.id for v in store.load().vms] == [0, 1]


def test_a_number_beyond_64_bits_is_a_fault_and_leaves_nothing(store: SqlStore) -> None:
    with pytest.raises(StoreFault):
        store.commit(Batch(users={2: user(2)}, counters={"vm": 1 << 64}))
    assert store.load() == Snapshot()


def test_text_that_is_not_unicode_is_a_fault_and_leaves_nothing(store: SqlStore) -> None:
    with pytest.raises(StoreFault):
        store.commit(Batch(users={2: user(2), 3: user(3, name="\ud800")}))
    assert store.load() == Snapshot()


def test_a_body_changed_by_hand_into_nonsense_is_named(store: SqlStore, database: Database) -> None:
    store.commit(Batch(vms={7: vm(7), 8: vm(8)}))
    database.sql("UPDATE vms SET body = '{}' WHERE id = 8")
    with pytest.raises(StoreFault, match="row 8 of table vms cannot be read"):
        store.load()


def test_closing_twice_is_no_error(store: SqlStore) -> None:
    store.close()
    store.close()


AUDIT = [
    audit_entry(1),
    audit_entry(2, at=1_700_000_100, method="one.vm_group.x", object_id=9),
    audit_entry(3, uid=-1, code=256),
    audit_entry(4, method="one.host.status"),
]


@pytest.mark.parametrize(
    "query",
    [
        AuditQuery(),
        AuditQuery(before_id=3),
        AuditQuery(since=1_700_000_100),
        AuditQuery(until=1_700_000_099),
        AuditQuery(uid=-1),
        AuditQuery(method="one.vm."),
        AuditQuery(method="one.vm_"),
        AuditQuery(method="%"),
        AuditQuery(object_id=9),
        AuditQuery(is_refused=True),
        AuditQuery(is_refused=False, object_id=7),
    ],
)
def test_the_audit_is_asked_newest_first(store: SqlStore, query: AuditQuery) -> None:
    store.commit(Batch(audit=AUDIT))
    assert store.audit(query, 10) == [one for one in reversed(AUDIT) if query.matches(one)]
    assert store.audit(query, 1) == [one for one in reversed(AUDIT) if query.matches(one)][:1]


def test_the_audit_goes_on_where_it_was_after_reopening(database: Database) -> None:
    store = database.open()
    store.commit(Batch(audit=AUDIT))
    store.close()
    assert database.open().load().audit_id == 4


EXECUTIONS = [
    execution(0, 0),
    execution(1, 0, timestamp=1_700_000_100, code=1),
    execution(0, 1, timestamp=1_700_000_200),
]


@pytest.mark.parametrize(
    "query",
    [
        HookLogQuery(),
        HookLogQuery(hook_id=0),
        HookLogQuery(hook_id=0, execution_id=1),
        HookLogQuery(since=1_700_000_100),
        HookLogQuery(until=1_700_000_100),
        HookLogQuery(has_succeeded=True),
        HookLogQuery(has_succeeded=False),
    ],
)
def test_what_hooks_did_is_asked_oldest_first_and_the_newest_are_told(store: SqlStore, query: HookLogQuery) -> None:
    store.commit(Batch(hook_log={(e.hook_id, e.execution_id): e for e in reversed(EXECUTIONS)}))
    found = [one for one in EXECUTIONS if query.matches(one)]
    assert store.hook_log(query, 10) == found
    assert store.hook_log(query, 1) == found[-1:]
