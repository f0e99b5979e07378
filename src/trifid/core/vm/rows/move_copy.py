"""To another host, running, its disks with it: a live migration between hosts that do not share them.

While it is under way there are two sets of disks, and which of them is the newer one is known only where the
domain runs.  So one of them is removed only after a host has said that the domain runs on the other: the source's
once it runs on the target and the source was told to have none, the target's once it runs on the source.  When it
runs on neither, both are kept, and people say which is right.
"""

from trifid.core.vm import effects as do
from trifid.core.vm.events import (
    Abandon,
    Absent,
    Accept,
    Delete,
    Done,
    Failed,
    Found,
    MigrateCancel,
    MigrateCopy,
    Retry,
    SeenAtSource,
    SeenRunning,
    TerminateHard,
)
from trifid.core.vm.row import (
    Row,
    cancel,
    cancel_at_source,
    copy_live,
    fail_migrate,
    look,
    look_at_source,
    post_migrate,
    pre_migrate,
    row,
)
from trifid.core.vm.states import VmState as S

# fmt: off
ROWS: tuple[Row, ...] = (
    # the target gets empty disks, then what is in them, with the guest at the same time
    row(S.RUNNING, MigrateCopy, S.MIGRATE_COPY_PREPARE, do.open_target_record, do.prolog_begins, pre_migrate),
    row(S.MIGRATE_COPY_PREPARE, Done,   S.MIGRATE_COPY, copy_live),
    row(S.MIGRATE_COPY_PREPARE, Failed, S.MIGRATE_COPY_DROP, do.tell_owner, do.return_to_previous, fail_migrate),
    row(S.MIGRATE_COPY, Done,   S.RUNNING, do.source_left, do.prolog_ended, do.forget_error, post_migrate),
    row(S.MIGRATE_COPY, Absent, S.PROLOG_MIGRATE_ABANDON_POWEROFF, do.off_at_previous, fail_migrate),
    row(S.MIGRATE_COPY, Failed, S.MIGRATE_COPY_LOCATE, do.tell_owner, look),

    # it failed, which proves nothing: both hosts are asked
    row(S.MIGRATE_COPY_LOCATE,             Found,  S.MIGRATE_COPY_CONFIRM, cancel_at_source),
    row(S.MIGRATE_COPY_LOCATE,             Absent, S.MIGRATE_COPY_LOCATE_SOURCE, look_at_source),
    row(S.MIGRATE_COPY_LOCATE,             Failed, S.MIGRATE_COPY_LOCATE_ONLY_SOURCE, look_at_source),
    row(S.MIGRATE_COPY_LOCATE_SOURCE,      Found,  S.MIGRATE_COPY_DROP, do.return_to_previous, fail_migrate),
    row(S.MIGRATE_COPY_LOCATE_SOURCE,      Absent, S.MIGRATE_COPY_FAILURE, do.tell_two_copies),
    row(S.MIGRATE_COPY_LOCATE_SOURCE,      Failed, S.UNKNOWN_MIGRATE_COPY),
    row(S.MIGRATE_COPY_LOCATE_ONLY_SOURCE, Found,  S.MIGRATE_COPY_DROP, do.return_to_previous, fail_migrate),
    row(S.MIGRATE_COPY_LOCATE_ONLY_SOURCE, Absent, S.UNKNOWN_MIGRATE_COPY),
    row(S.MIGRATE_COPY_LOCATE_ONLY_SOURCE, Failed, S.UNKNOWN_MIGRATE_COPY),

    # the source was fenced: it is on the target, or people choose; a host that is dead is not asked
    row(S.MIGRATE_COPY_LOCATE_ONLY_TARGET, Found,  S.MIGRATE_COPY_CONFIRM, cancel_at_source),
    row(S.MIGRATE_COPY_LOCATE_ONLY_TARGET, Absent, S.MIGRATE_COPY_FAILURE, do.tell_two_copies),
    row(S.MIGRATE_COPY_LOCATE_ONLY_TARGET, Failed, S.UNKNOWN_MIGRATE_COPY),

    # it runs on the target: what a killed driver may have left of it on the source goes, then the files there
    row(S.MIGRATE_COPY_CONFIRM, Done,   S.RUNNING, do.source_left, do.prolog_ended, do.forget_error, post_migrate),
    row(S.MIGRATE_COPY_CONFIRM, Failed, S.RUNNING, do.source_left, do.prolog_ended, do.tell_owner),

    # it runs on the source: the target's files go; why it did not move stays told
    row(S.MIGRATE_COPY_DROP, Done,   S.RUNNING),
    row(S.MIGRATE_COPY_DROP, Failed, S.RUNNING),

    # somebody does not want it any more: what the driver was doing is ended before the hosts are asked
    row(S.MIGRATE_COPY_PREPARE, MigrateCancel, S.MIGRATE_COPY_DROP, do.return_to_previous, fail_migrate),
    row(S.MIGRATE_COPY,         MigrateCancel, S.MIGRATE_COPY_LOCATE, look),
    row(S.MIGRATE,              MigrateCancel, S.MIGRATE_LOCATE, look),

    # on which of the two hosts?
    row(S.UNKNOWN_MIGRATE_COPY, SeenRunning,   S.MIGRATE_COPY_CONFIRM, do.take_deploy_id, cancel_at_source),
    row(S.UNKNOWN_MIGRATE_COPY, SeenAtSource,  S.MIGRATE_COPY_DROP, do.return_to_previous, fail_migrate),
    row(S.UNKNOWN_MIGRATE_COPY, Retry,         S.MIGRATE_COPY_LOCATE, look),
    row(S.UNKNOWN_MIGRATE_COPY, TerminateHard, S.CLEANUP_DELETE_SOURCE_COPY, do.asked, cancel_at_source),

    # it is off, and nobody saw where it ran last
    row(S.MIGRATE_COPY_FAILURE, Abandon,       S.PROLOG_MIGRATE_ABANDON_POWEROFF, do.off_at_previous, fail_migrate),
    row(S.MIGRATE_COPY_FAILURE, Accept,        S.PROLOG_MIGRATE_POWEROFF_CLEAN,
        do.source_left, do.prolog_ended, do.run_ended, post_migrate),
    row(S.MIGRATE_COPY_FAILURE, Retry,         S.MIGRATE_COPY_LOCATE, look),
    row(S.MIGRATE_COPY_FAILURE, TerminateHard, S.CLEANUP_DELETE_SOURCE_COPY, do.asked, cancel_at_source),

    # nobody wants it any more; while its source does not let it go there are still two sets of disks
    row(S.CLEANUP_DELETE_SOURCE_COPY, Done,   S.CLEANUP_DELETE,             do.source_left, cancel),
    row(S.CLEANUP_DELETE_SOURCE_COPY, Failed, S.UNKNOWN_MIGRATE_COPY,       do.tell_owner),
    row(S.CLEANUP_DELETE_SOURCE_COPY, Delete, S.CLEANUP_DELETE_SOURCE_COPY, do.asked, cancel_at_source),
)
# fmt: on
