"""From waiting for a host to running, off and on again: the straight path, its failures and their exits."""

from trifid.core.vm import changes as change
from trifid.core.vm import effects as do
from trifid.core.vm.events import (
    Absent,
    Delete,
    Deploy,
    Done,
    Failed,
    Found,
    Hold,
    ImagesGone,
    ImagesThere,
    ImportRunning,
    MigrateLive,
    MigrateSave,
    Poweroff,
    PoweroffHard,
    Reboot,
    RebootHard,
    Release,
    Resched,
    Resume,
    Retry,
    SeenLost,
    SeenOff,
    SeenPaused,
    SeenRunning,
    Terminate,
    TerminateHard,
    Unresched,
)
from trifid.core.vm.row import (
    Row,
    cancel,
    delete_files,
    deploy,
    live_migrate,
    look,
    prolog,
    reboot,
    reset,
    row,
    save_source,
    shutdown,
)
from trifid.core.vm.states import VmState as S

# fmt: off
ROWS: tuple[Row, ...] = (
    # waiting for images that are being made
    *(
        made
        for waiting, then in ((S.CLONING, S.PENDING), (S.CLONING_HELD, S.HOLD))
        for made in (
            row(waiting, ImagesThere,   then, change.take_images, do.forget_error),
            row(waiting, ImagesGone,    S.CLONING_FAILURE, do.tell_owner),
        )
    ),
    row(S.CLONING,      Hold,    S.CLONING_HELD),
    row(S.CLONING_HELD, Release, S.CLONING),
    *(
        row(waiting, ends, S.DONE, do.finish, do.release_leases)
        for waiting in (S.CLONING, S.CLONING_HELD, S.CLONING_FAILURE)
        for ends in (Terminate, TerminateHard, Delete)
    ),

    # waiting for a host
    row(S.PENDING, Deploy,        S.PROLOG,  do.open_record, do.prolog_begins, prolog),
    row(S.PENDING, Hold,          S.HOLD),
    row(S.PENDING, ImportRunning, S.RUNNING, do.open_record, do.run_begins, do.take_deploy_id),
    row(S.PENDING, Terminate,     S.DONE,    do.finish, do.release_leases),
    row(S.PENDING, TerminateHard, S.DONE,    do.finish, do.release_leases),
    row(S.PENDING, Delete,        S.DONE,    do.finish, do.release_leases),
    row(S.HOLD,    Deploy,        S.PROLOG,  do.open_record, do.prolog_begins, prolog),
    row(S.HOLD,    Release,       S.PENDING),
    row(S.HOLD,    ImportRunning, S.RUNNING, do.open_record, do.run_begins, do.take_deploy_id),
    row(S.HOLD,    Terminate,     S.DONE,    do.finish, do.release_leases),
    row(S.HOLD,    TerminateHard, S.DONE,    do.finish, do.release_leases),
    row(S.HOLD,    Delete,        S.DONE,    do.finish, do.release_leases),

    # disks to the host
    row(S.PROLOG,         Done,          S.BOOT,                 do.prolog_ended, deploy),
    row(S.PROLOG,         Failed,        S.PROLOG_FAILURE,       do.tell_owner),
    row(S.PROLOG,         Retry,         S.PROLOG,               prolog),
    row(S.PROLOG,         Delete,        S.CLEANUP_DELETE_FILES, do.asked, delete_files),
    row(S.PROLOG_FAILURE, Retry,         S.PROLOG,               do.prolog_begins, prolog),
    row(S.PROLOG_FAILURE, Terminate,     S.CLEANUP_DELETE_FILES, do.asked, delete_files),
    row(S.PROLOG_FAILURE, TerminateHard, S.CLEANUP_DELETE_FILES, do.asked, delete_files),
    row(S.PROLOG_FAILURE, Delete,        S.CLEANUP_DELETE_FILES, do.asked, delete_files),

    # the hypervisor starts it
    row(S.BOOT,         Done,          S.RUNNING,        do.take_deploy_id, do.forget_error),
    row(S.BOOT,         SeenRunning,   S.RUNNING,        do.take_deploy_id, do.forget_error),
    row(S.BOOT,         Failed,        S.BOOT_FAILURE,   do.tell_owner),
    row(S.BOOT,         Retry,         S.BOOT,           deploy),
    row(S.BOOT,         Delete,        S.CLEANUP_DELETE, do.asked, cancel),
    row(S.BOOT_FAILURE, Retry,         S.BOOT,           do.run_begins, deploy),
    row(S.BOOT_FAILURE, SeenRunning,   S.RUNNING,        do.take_deploy_id, do.forget_error),
    row(S.BOOT_FAILURE, Terminate,     S.SHUTDOWN_HARD,  do.asked, cancel),
    row(S.BOOT_FAILURE, TerminateHard, S.CLEANUP_DELETE, do.asked, cancel),
    row(S.BOOT_FAILURE, Delete,        S.CLEANUP_DELETE, do.asked, cancel),

    # it runs
    row(S.RUNNING, Terminate,     S.SHUTDOWN,          do.asked, shutdown),
    row(S.RUNNING, TerminateHard, S.SHUTDOWN_HARD,     do.asked, cancel),
    row(S.RUNNING, Poweroff,      S.SHUTDOWN_POWEROFF, do.asked, shutdown),
    row(S.RUNNING, PoweroffHard,  S.SHUTDOWN_POWEROFF, do.asked, cancel),
    row(S.RUNNING, Reboot,        S.RUNNING,           reboot),
    row(S.RUNNING, RebootHard,    S.RUNNING,           reset),
    row(S.RUNNING, Done,          S.RUNNING,           do.forget_error),
    row(S.RUNNING, Failed,        S.RUNNING,           do.tell_owner),
    row(S.RUNNING, Resched,       S.RUNNING,           do.mark_resched),
    row(S.RUNNING, Unresched,     S.RUNNING,           do.unmark_resched),
    row(S.RUNNING, Delete,        S.CLEANUP_DELETE,    do.asked, cancel),
    row(S.RUNNING, SeenOff,       S.POWEROFF,          do.run_ended, do.close_record),
    row(S.RUNNING, SeenLost,      S.UNKNOWN),
    row(S.RUNNING, SeenPaused,    S.PAUSED,            do.tell_owner),
    row(S.RUNNING, MigrateLive,   S.MIGRATE,           do.open_target_record, live_migrate),
    row(S.RUNNING, MigrateSave,   S.SAVE_MIGRATE,      do.open_target_record, save_source),

    # a shutdown failed: what is true?
    row(S.RUNNING_LOOK, Found,         S.RUNNING,        do.take_deploy_id),
    row(S.RUNNING_LOOK, SeenRunning,   S.RUNNING,        do.take_deploy_id),
    row(S.RUNNING_LOOK, Absent,        S.POWEROFF,       do.run_ended, do.close_record),
    row(S.RUNNING_LOOK, SeenOff,       S.POWEROFF,       do.run_ended, do.close_record),
    row(S.RUNNING_LOOK, Failed,        S.UNKNOWN),
    row(S.RUNNING_LOOK, SeenLost,      S.UNKNOWN),
    row(S.RUNNING_LOOK, SeenPaused,    S.PAUSED,         do.tell_owner),
    row(S.RUNNING_LOOK, Terminate,     S.SHUTDOWN,       do.asked, shutdown),
    row(S.RUNNING_LOOK, TerminateHard, S.SHUTDOWN_HARD,  do.asked, cancel),
    row(S.RUNNING_LOOK, Delete,        S.CLEANUP_DELETE, do.asked, cancel),

    # nobody knows
    row(S.UNKNOWN, SeenRunning,   S.RUNNING,           do.take_deploy_id),
    row(S.UNKNOWN, SeenOff,       S.POWEROFF,          do.run_ended, do.close_record),
    row(S.UNKNOWN, SeenPaused,    S.PAUSED,            do.tell_owner),
    row(S.UNKNOWN, Terminate,     S.SHUTDOWN,          do.asked, shutdown),
    row(S.UNKNOWN, TerminateHard, S.SHUTDOWN_HARD,     do.asked, cancel),
    row(S.UNKNOWN, Poweroff,      S.SHUTDOWN_POWEROFF, do.asked, shutdown),
    row(S.UNKNOWN, PoweroffHard,  S.SHUTDOWN_POWEROFF, do.asked, cancel),
    row(S.UNKNOWN, Resume,        S.BOOT_UNKNOWN,      do.run_begins, deploy),
    row(S.UNKNOWN, Resched,       S.UNKNOWN,           do.mark_resched),
    row(S.UNKNOWN, Unresched,     S.UNKNOWN,           do.unmark_resched),
    row(S.UNKNOWN, Delete,        S.CLEANUP_DELETE,    do.asked, cancel),
    row(S.BOOT_UNKNOWN, Done,        S.RUNNING,        do.take_deploy_id, do.forget_error),
    row(S.BOOT_UNKNOWN, SeenRunning, S.RUNNING,        do.take_deploy_id, do.forget_error),
    row(S.BOOT_UNKNOWN, Failed,      S.UNKNOWN,        do.tell_owner),
    row(S.BOOT_UNKNOWN, Retry,       S.BOOT_UNKNOWN,   deploy),
    row(S.BOOT_UNKNOWN, Delete,      S.CLEANUP_DELETE, do.asked, cancel),

    # off, in its place
    row(S.SHUTDOWN_POWEROFF, Done,         S.POWEROFF,          do.run_ended, do.close_record),
    row(S.SHUTDOWN_POWEROFF, SeenOff,      S.POWEROFF,          do.run_ended, do.close_record),
    row(S.SHUTDOWN_POWEROFF, Failed,       S.RUNNING_LOOK,      do.tell_owner, look),
    row(S.SHUTDOWN_POWEROFF, PoweroffHard, S.SHUTDOWN_POWEROFF, do.asked, cancel),
    row(S.SHUTDOWN_POWEROFF, Delete,       S.CLEANUP_DELETE,    do.asked, cancel),
    row(S.POWEROFF, Resume,        S.BOOT_POWEROFF,  do.reopen_record, deploy),
    row(S.POWEROFF, SeenRunning,   S.RUNNING,        do.reopen_record, do.take_deploy_id),
    row(S.POWEROFF, SeenPaused,    S.PAUSED,         do.reopen_record, do.take_deploy_id, do.tell_owner),
    row(S.POWEROFF, Terminate,     S.SHUTDOWN_OFF,   do.asked, cancel),
    row(S.POWEROFF, TerminateHard, S.SHUTDOWN_OFF,   do.asked, cancel),
    row(S.POWEROFF, Resched,       S.POWEROFF,       do.mark_resched),
    row(S.POWEROFF, Unresched,     S.POWEROFF,       do.unmark_resched),
    row(S.POWEROFF, Delete,        S.CLEANUP_DELETE, do.asked, cancel),
    row(S.BOOT_POWEROFF, Done,        S.RUNNING,        do.take_deploy_id, do.forget_error),
    row(S.BOOT_POWEROFF, SeenRunning, S.RUNNING,        do.take_deploy_id, do.forget_error),
    row(S.BOOT_POWEROFF, Failed,      S.BOOT_POWEROFF_LOOK, do.tell_owner, look),
    row(S.BOOT_POWEROFF, Retry,       S.BOOT_POWEROFF, deploy),
    row(S.BOOT_POWEROFF, Delete,      S.CLEANUP_DELETE, do.asked, cancel),
    row(S.BOOT_POWEROFF_LOOK, Found,       S.RUNNING,        do.take_deploy_id, do.forget_error),
    row(S.BOOT_POWEROFF_LOOK, SeenRunning, S.RUNNING,        do.take_deploy_id, do.forget_error),
    row(S.BOOT_POWEROFF_LOOK, Absent,      S.POWEROFF,       do.run_ended, do.close_record),
    row(S.BOOT_POWEROFF_LOOK, Failed,      S.UNKNOWN),
    row(S.BOOT_POWEROFF_LOOK, Delete,      S.CLEANUP_DELETE, do.asked, cancel),
)
# fmt: on
