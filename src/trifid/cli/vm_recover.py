"""`onevm` commands that help a VM out of a failure, or end it whatever its state."""

import click

from trifid.cli.command import Argument, Command, Given, wait_goal
from trifid.cli.failure import Failure, explain
from trifid.cli.follow import Follower
from trifid.cli.kinds import VM
from trifid.cli.shell import Shell

_REFUSED = 0x0800
_OPERATIONS = {"failure": 0, "success": 1, "retry": 2, "delete": 3, "recreate": 4, "delete-db": 5}

_VMS = Argument("VM", VM, many=True)
_RECOVERIES = tuple(
    click.Option([f"--{word}"], is_flag=True, help=about)
    for word, about in (
        ("retry", "Do again what failed."),
        ("delete", "Remove the VM and what it left on its host; disks are not saved."),
        ("recreate", "Remove what it left on its host, and begin again with the same addresses."),
        ("delete-db", "Only forget it, asking no driver: for a host that never comes back."),
        ("success", "Take what it waits for as done."),
        ("failure", "Take what it waits for as failed."),
    )
)


def _delete(shell: Shell, given: Given) -> None:
    """End VMs whatever their state: destroy what runs, else remove what a failure left."""
    from trifid.client import ApiError

    goal = wait_goal(given, "DONE", "delete")
    follower = Follower(shell) if goal else None
    done = []
    for vm_id in given.vm:
        try:
            shell.call("one.vm.action", "terminate-hard", vm_id)
        except ApiError as refused:
            if refused.code != _REFUSED or not _removed(shell, vm_id):
                shell.complain(explain(refused, VM.command, vm_id))
                continue
        shell.done(VM, vm_id)
        shell.mention(f"VM {vm_id}: delete")
        done.append(vm_id)
    if follower and goal and done:
        follower.until(done, goal, given.timeout)


def _removed(shell: Shell, vm_id: int) -> bool:
    from trifid.client import ApiError

    try:
        shell.call("one.vm.recover", vm_id, _OPERATIONS["delete"])
    except ApiError:
        return False
    return True


def _recovery(vm_id: int, given: Given) -> tuple[int, int]:
    asked = [word for word in _OPERATIONS if getattr(given, word.replace("-", "_"))]
    if len(asked) != 1:
        raise Failure(
            "recover needs one of --retry, --delete, --recreate, --delete-db, --success, --failure",
            f'"onevm show {vm_id}" tells what went wrong; --retry does it again, --delete gives up',
        )
    return vm_id, _OPERATIONS[asked[0]]


DELETE = Command(
    "delete",
    "End a VM whatever its state, at once; after a failure what is left of it is removed.",
    (_VMS,),
    run=_delete,
    goal="DONE",
    aliases=("finalize",),
    examples=("delete 3", "delete 3,5..7 --wait"),
)

RECOVERY_ROWS = (
    Command(
        "recover",
        "Help a VM out of a failure, or out of waiting for an answer that does not come.",
        (_VMS,),
        "one.vm.recover",
        _recovery,
        options=_RECOVERIES,
        goal="RUNNING",
        goal_of=lambda given: "DONE" if given.delete or given.delete_db else "RUNNING",
        examples=("recover 3 --retry --wait", "recover 3 --delete"),
    ),
    Command(
        "resubmit",
        "Remove what a VM left on its host and begin again, as recover --recreate does.",
        (_VMS,),
        "one.vm.recover",
        lambda vm_id, given: (vm_id, _OPERATIONS["recreate"]),
        goal="RUNNING",
        examples=("resubmit 3 --wait",),
    ),
)
