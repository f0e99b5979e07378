"""THE table: in which state, on which event, to which state, and what is done.

A new action of the life cycle is a few rows in rows/, by chapter; they are put together here.
Whatever is not a row is refused (requests) or changes nothing (answers and observations); nothing
else in the project moves a VM.  The table is checked when it is imported; docs/lifecycle.md and the
tests' list of rows are made from it.

Source: reference/lifecycle.md §2.2 (stamps), §5.2 (legality), §5.3 (results), §5.5 (monitoring).
Where we differ on purpose:

- A failed answer may be a time-out and the deed done.  So a failed live migration, save, shutdown or
  start in place is looked at before it is believed, and what was attached or resized is taken back.
  A save that did happen although it was reported failed is POWEROFF, not SUSPENDED: its memory is lost,
  its disks are not.
- That monitoring saw a VM off is believed for its state and its charge, never for its files: before the
  files of a VM at rest are moved, snapshotted, resized or deleted, its host is asked for the domain.
- A paused domain (PAUSED, SUSPENDED on the wire) was not saved: it stays charged, `resume` lets it go on,
  `stop` and `migrate` save it first, and its disks cannot be snapshotted.
- `terminate` never gives disks up that may be the only copy: after a failed boot or epilog it runs the
  epilog, and where files may lie in two places (the other failures) it is refused.  terminate-hard and
  recover --delete do delete; the API refuses the former where a disk that shall be kept would go.
  A VM away from its host gets its files back for its epilog.
- A NIC of a powered off VM comes at once, without HOTPLUG_NIC_POWEROFF; it goes, and its address with it,
  once the host has said that no domain uses it.
- recover --failure of a move of files that failed abandons the move, and the VM is off or suspended where it was.
- A live migration that takes disks along never removes one of the two sets of them before a host has said that the
  VM runs on the other; if it runs on neither, people choose.
- A disk of an undeployed VM grows when the VM is deployed again; it cannot be saved as an image until then.
"""

from trifid.core.vm import changes as change
from trifid.core.vm import effects as do
from trifid.core.vm.effects import Ask, Effect, release_leases
from trifid.core.vm.events import (
    Answer,
    Delete,
    DeleteDb,
    DeleteRecreate,
    Done,
    Event,
    Failed,
    Found,
    Request,
    Terminate,
    TerminateHard,
)
from trifid.core.vm.row import Row, cancel, cancel_at_source, row, starts
from trifid.core.vm.rows import devices, end, fenced, move, move_copy, rest, run
from trifid.core.vm.states import VmState as S

CHAPTERS: tuple[Row, ...] = (
    *run.ROWS,
    *rest.ROWS,
    *move.ROWS,
    *move_copy.ROWS,
    *devices.ROWS,
    *end.ROWS,
    *fenced.ROWS,
)
"""The rows that are written by hand; the others follow from them."""

_ON_TWO_HOSTS = (
    S.MIGRATE, S.MIGRATE_LOCATE, S.MIGRATE_LOCATE_SOURCE, S.MIGRATE_LOCATE_ONLY_SOURCE, S.SAVE_MIGRATE,
    S.SAVE_MIGRATE_OFF, S.SAVE_MIGRATE_LOOK,
)  # fmt: skip
"""Where a migration has not left its source yet."""

_WITH_TWO_COPIES = (
    S.MIGRATE_COPY_PREPARE, S.MIGRATE_COPY, S.MIGRATE_COPY_LOCATE, S.MIGRATE_COPY_LOCATE_SOURCE,
    S.MIGRATE_COPY_LOCATE_ONLY_SOURCE, S.MIGRATE_COPY_LOCATE_ONLY_TARGET, S.MIGRATE_COPY_CONFIRM,
    S.UNKNOWN_MIGRATE_COPY, S.MIGRATE_COPY_FAILURE,
)  # fmt: skip
"""The same, and both hosts have disks of it."""

_FROM_SOURCE = dict.fromkeys(_ON_TWO_HOSTS, S.CLEANUP_DELETE_SOURCE) | dict.fromkeys(
    _WITH_TWO_COPIES, S.CLEANUP_DELETE_SOURCE_COPY
)


def _deletes(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Return the rows of Delete for the states that have none of their own: it is legal everywhere."""
    lacking = [state for state in starts(rows) if not any(r.start is state and r.event is Delete for r in rows)]
    return tuple(
        row(state, Delete, _FROM_SOURCE[state], do.asked, cancel_at_source)
        if state in _FROM_SOURCE
        else row(state, Delete, S.CLEANUP_DELETE, do.asked, change.settle_all, cancel)
        for state in lacking
    )


_RECREATED = {
    S.DONE: S.PENDING,
    S.CLEANUP_DELETE: S.CLEANUP_RESUBMIT,
    S.CLEANUP_DELETE_SOURCE: S.CLEANUP_RESUBMIT_SOURCE,
    S.CLEANUP_DELETE_SOURCE_COPY: S.CLEANUP_RESUBMIT_SOURCE_COPY,
    S.CLEANUP_DELETE_FILES: S.CLEANUP_RESUBMIT_FILES,
    S.CLEANUP_DELETE_STOPPED: S.CLEANUP_RESUBMIT_STOPPED,
    S.CLEANUP_DELETE_FAILURE: S.CLEANUP_RESUBMIT_FAILURE,
    S.CLEANUP_FAILURE: S.CLEANUP_RESUBMIT_FILES_FAILURE,
    S.CLEANUP_STOPPED_FAILURE: S.CLEANUP_RESUBMIT_STOPPED_FAILURE,
}
"""Where a delete-recreate is when a delete would be there."""


_WITHOUT_IMAGES = (S.CLONING, S.CLONING_HELD, S.CLONING_FAILURE)
"""Where there is nothing yet to begin again with."""


def _recreated(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Return the rows of delete-recreate: a delete that ends in PENDING and keeps the addresses.

    It begins wherever Delete is legal, goes through states of its own, and who deletes or terminates it in
    them gives it up.
    """
    begins = [r for r in rows if r.event is Delete and r.start not in _WITHOUT_IMAGES]
    ends = [r for r in rows if r.start in _RECREATED and r.event in (Delete, Terminate, TerminateHard)]
    goes_on = [r for r in rows if r.start in _RECREATED and r not in ends]
    changed: dict[Effect, Effect] = {do.finish: do.start_over}
    made = [row(r.start, DeleteRecreate, _RECREATED[r.end], *_changed(r, changed)) for r in begins]
    made += [row(_RECREATED[r.start], r.event, _RECREATED.get(r.end, r.end), *_changed(r, changed)) for r in goes_on]
    made += [row(_RECREATED[r.start], r.event, r.end, *r.effects) for r in ends]
    return tuple(made)


def _changed(of: Row, changed: dict[Effect, Effect]) -> tuple[Effect, ...]:
    return tuple(changed.get(effect, effect) for effect in of.effects if effect is not release_leases)


_BASE = (*CHAPTERS, *_deletes(CHAPTERS))
_WITH_RECREATED = (*_BASE, *_recreated(_BASE))

ROWS: tuple[Row, ...] = (
    *_WITH_RECREATED,
    # forgotten by an administrator, whatever it is doing: for hosts that never come back
    *(
        row(state, DeleteDb, S.DONE, change.settle_all, do.close_record, do.finish, release_leases)
        for state in starts(_WITH_RECREATED)
    ),
)

TABLE: dict[tuple[S, type[Event]], Row] = {(r.start, r.event): r for r in ROWS}

TRANSIENT: frozenset[S] = frozenset(r.end for r in ROWS if r.ask) - {S.RUNNING}
"""States that wait for a driver's answer."""


_SAVED_SIZE = "it waits to go on from its saved memory, which does not change any more"
HINTS: dict[S, str] = {
    S.UNKNOWN_MIGRATE: 'nobody knows on which of two hosts it runs: "recover --retry" looks again',
    S.UNKNOWN_MIGRATE_COPY: 'nobody knows on which of two hosts it runs: "recover --retry" looks again',
    S.MIGRATE_COPY_FAILURE: "two hosts have disks of it: its ERROR says how to choose",
    S.PAUSED: 'it was not saved but paused, by somebody or something else: "resume" lets it go on',
    S.PENDING_STOPPED: _SAVED_SIZE,
    S.HOLD_STOPPED: _SAVED_SIZE,
}
"""What a refusal says of a phase that the wire does not tell apart from a state that would do."""


def needed_states(event: type[Request]) -> list[S]:
    """Return the states in which a request is legal, in the table's order."""
    return list(dict.fromkeys(r.start for r in ROWS if r.event is event))


def _check() -> None:
    """Raise AssertionError when the table contradicts itself."""
    assert len(TABLE) == len(ROWS), "two rows with the same state and event"
    for state in TRANSIENT:
        answers = {r.event for r in ROWS if r.start is state and issubclass(r.event, Answer)}
        assert Failed in answers, f"{state.name} has no row for a failed answer"
        assert answers & {Done, Found}, f"{state.name} has no row for a successful answer"
    for r in ROWS:
        assert sum(isinstance(effect, Ask) for effect in r.effects) <= 1, f"{r.start.name} asks two drivers at once"
        assert r.end is S.DONE or any(other.start is r.end for other in ROWS), f"{r.end.name} has no way out"


_check()
