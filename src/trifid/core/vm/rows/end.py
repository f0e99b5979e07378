"""The end: with an epilog that saves, or as a clean-up that does not."""

from trifid.core.vm import effects as do
from trifid.core.vm.events import (
    Delete,
    Done,
    Failed,
    Retry,
    SeenOff,
    SeenPaused,
    SeenRunning,
    Terminate,
    TerminateHard,
)
from trifid.core.vm.row import Row, cancel, delete_files, delete_files_on_both, epilog, look, row
from trifid.core.vm.states import VmState as S

# fmt: off
ROWS: tuple[Row, ...] = (
    # the end: disks go only after the driver itself has said that the domain is gone
    row(S.SHUTDOWN, Done,          S.EPILOG,         do.run_ended, do.epilog_begins, epilog),
    row(S.SHUTDOWN, SeenOff,       S.SHUTDOWN_HARD,  cancel),
    row(S.SHUTDOWN, Failed,        S.RUNNING_LOOK,   do.tell_owner, look),
    row(S.SHUTDOWN, TerminateHard, S.SHUTDOWN_HARD,  do.asked, cancel),
    row(S.SHUTDOWN, Delete,        S.CLEANUP_DELETE, do.asked, cancel),
    row(S.SHUTDOWN_HARD, Done,          S.EPILOG,         do.run_ended, do.epilog_begins, epilog),
    row(S.SHUTDOWN_HARD, Failed,        S.RUNNING_LOOK,   do.tell_owner, look),
    row(S.SHUTDOWN_HARD, TerminateHard, S.SHUTDOWN_HARD,  do.asked, cancel),
    row(S.SHUTDOWN_HARD, Delete,        S.CLEANUP_DELETE, do.asked, cancel),
    row(S.SHUTDOWN_OFF,  Done,          S.EPILOG,         do.epilog_begins, epilog),
    row(S.SHUTDOWN_OFF,  Failed,        S.POWEROFF,       do.tell_owner),
    row(S.SHUTDOWN_OFF,  TerminateHard, S.SHUTDOWN_OFF,   do.asked, cancel),
    row(S.SHUTDOWN_OFF,  Delete,        S.CLEANUP_DELETE, do.asked, cancel),
    row(S.EPILOG,   Done,          S.DONE,           do.epilog_ended, do.close_record, do.finish, do.release_leases),
    row(S.EPILOG,   Failed,        S.EPILOG_FAILURE, do.tell_owner),
    row(S.EPILOG,   Retry,         S.EPILOG,         epilog),
    row(S.EPILOG,   Delete,        S.CLEANUP_DELETE_FILES, do.asked, delete_files),
    row(S.EPILOG_FAILURE, Retry,         S.EPILOG,               do.epilog_begins, epilog),
    row(S.EPILOG_FAILURE, Terminate,     S.EPILOG,               do.asked, do.epilog_begins, epilog),
    row(S.EPILOG_FAILURE, TerminateHard, S.CLEANUP_DELETE_FILES, do.asked, delete_files),
    row(S.EPILOG_FAILURE, Delete,        S.CLEANUP_DELETE_FILES, do.asked, delete_files),

    # clean-up without epilog: first the domain, then its files
    row(S.CLEANUP_DELETE,       Done,          S.CLEANUP_DELETE_FILES, do.run_ended, delete_files_on_both),
    row(S.CLEANUP_DELETE,       Failed,        S.CLEANUP_DELETE_FAILURE, do.tell_owner, do.reopen_if_closed),
    row(S.CLEANUP_DELETE,       Delete,        S.CLEANUP_DELETE,       do.asked, cancel),
    row(S.CLEANUP_DELETE_FAILURE, Retry,         S.CLEANUP_DELETE, cancel),
    row(S.CLEANUP_DELETE_FAILURE, SeenRunning,   S.CLEANUP_DELETE, cancel),
    row(S.CLEANUP_DELETE_FAILURE, SeenPaused,    S.CLEANUP_DELETE, cancel),
    row(S.CLEANUP_DELETE_FAILURE, SeenOff,       S.CLEANUP_DELETE, cancel),
    row(S.CLEANUP_DELETE_FAILURE, Terminate,     S.CLEANUP_DELETE, do.asked, cancel),
    row(S.CLEANUP_DELETE_FAILURE, TerminateHard, S.CLEANUP_DELETE, do.asked, cancel),
    row(S.CLEANUP_DELETE_FAILURE, Delete,        S.CLEANUP_DELETE, do.asked, cancel),
    row(S.CLEANUP_DELETE_FILES, Done,          S.DONE,            do.close_record, do.finish, do.release_leases),
    row(S.CLEANUP_DELETE_FILES, Failed,        S.CLEANUP_FAILURE, do.tell_owner),
    row(S.CLEANUP_DELETE_FILES, Delete,        S.CLEANUP_DELETE_FILES, do.asked, delete_files_on_both),
    row(S.CLEANUP_FAILURE,      Retry,         S.CLEANUP_DELETE_FILES, delete_files_on_both),
    row(S.CLEANUP_FAILURE,      Terminate,     S.CLEANUP_DELETE_FILES, do.asked, delete_files_on_both),
    row(S.CLEANUP_FAILURE,      TerminateHard, S.CLEANUP_DELETE_FILES, do.asked, delete_files_on_both),
    row(S.CLEANUP_FAILURE,      Delete,        S.CLEANUP_DELETE_FILES, do.asked, delete_files_on_both),
)
# fmt: on
