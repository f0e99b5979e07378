"""`onevm`: virtual machines.

Source: reference/xmlrpc.md §5 (the commands), reference/api-modern.md §4 (the calls).
"""

from typing import Any

import click

from trifid.cli import growth
from trifid.cli.command import Argument, Command, CommandTable, Given, WholeNumber
from trifid.cli.courses import IMAGE_COURSE, MOVE_COURSE
from trifid.cli.dry_run import DRY_RUN, dry_run
from trifid.cli.editing import access_commands, rename_command, update_command
from trifid.cli.host_resync import VM_ROWS as RESYNC_ROWS
from trifid.cli.kinds import DATASTORE, GROUP, HOST, IMAGE, USER, VM
from trifid.cli.listing import LIST_OPTIONS, SHOW_OPTIONS, TOP_OPTIONS, WHOSE_HELP, Listing, show, whose
from trifid.cli.monitoring import monitoring_row
from trifid.cli.settle import WAIT_OPTIONS, wait_for, waited
from trifid.cli.shell import Shell
from trifid.cli.vm_columns import TOP_DEFAULT, VM_COLUMNS
from trifid.cli.vm_create import CREATE
from trifid.cli.vm_devices import DEVICE_ROWS
from trifid.cli.vm_explain import ALL as ALL_HOSTS
from trifid.cli.vm_explain import JSON as AS_ONE_JSON
from trifid.cli.vm_explain import explain as explain_vms
from trifid.cli.vm_membership import MEMBERSHIP_ROWS
from trifid.cli.vm_moves import (
    CANCEL,
    LIVE,
    POFF,
    POFF_HARD,
    deploy_arguments,
    instead_of_migrate,
    migrate_arguments,
)
from trifid.cli.vm_nics import NIC_ROWS
from trifid.cli.vm_recover import DELETE, RECOVERY_ROWS
from trifid.cli.vm_schedule import SCHEDULE_ROWS, number_of, schedulable

_ALL_IDS = (-1, -1)
_STATE_ANY, _STATE_NOT_DONE = -2, -1

_PRESENT_STATE = -1

VMS = Argument("VM", VM, many=True)

HARD = click.Option(["--hard"], is_flag=True, help="At once, without asking the guest.")
ENFORCE = click.Option(
    ["-e", "--enforce"], is_flag=True, help="Only if the host has room for it, and the rules of its VM group allow it."
)
TYPE = click.Option(["-t", "--type"], metavar="TYPE", default="", help="What it is; what its source is by default.")
SNAPSHOT = click.Option(
    ["-s", "--snapshot"], metavar="ID", help="As it was in this snapshot of the disk; as it is by default."
)
DONE = click.Option(["--done"], is_flag=True, help="Finished VMs as well.")
COLUMNS = click.Option(["-l", "--list"], metavar="X,Y", help="The columns to show.")
LIMIT = click.Option(
    ["-n", "--limit"], type=WholeNumber(1, 1000), default=200, metavar="N", help="Only the newest N entries (200)."
)
AS_JSON = click.Option(["-j", "--json"], is_flag=True, help="The entries as JSON.")
PERSISTENT = click.Option(["--persistent"], is_flag=True, help="What a VM of the template writes stays in its images.")
CMD = click.Option(["--cmd"], metavar="COMMAND", help="Run this there instead of logging in.")
NIC = click.Option(["--nic"], metavar="NIC", help="At the address of this NIC, by its id; the first one by default.")


def _dry_deploy(shell: Shell, given: Given) -> bool:
    """Try a deployment when that is all that was asked; tell whether it was."""
    if given.dry_run:
        dry_run(
            shell,
            [{"vm": vm_id, "action": "deploy", "host": given.host, "enforce": given.enforce} for vm_id in given.vm],
        )
    return bool(given.dry_run)


def _save_disk(shell: Shell, given: Given) -> None:
    snapshot = _PRESENT_STATE if given.snapshot is None else number_of(given.snapshot, "a snapshot")
    arguments = (given.vm, number_of(given.disk, "a disk"), given.name, given.type.upper(), snapshot)
    image_id = shell.call("one.vm.disksaveas", *arguments)
    shell.made(IMAGE, image_id, "Image ID")
    wait_for(shell, IMAGE_COURSE, [image_id], given)


def _listed(shell: Shell, given: Given) -> tuple[Any, ...]:
    state = _STATE_ANY if given.done else _STATE_NOT_DONE
    return "one.vmpool.info", whose(shell, given.whose), *_ALL_IDS, state


_LISTING = Listing(VM, VM_COLUMNS, _listed, growth.more)
_TOP = Listing(VM, VM_COLUMNS._replace(default=TOP_DEFAULT), _listed, growth.more, order="UCPU")


def _show(shell: Shell, given: Given) -> None:
    from trifid.cli.vm_show import print_vm

    show(VM, "vm", print_vm)(shell, given)


def _save(shell: Shell, given: Given) -> None:
    from trifid.cli.vm_save import save

    save(shell, given)


def _ssh(shell: Shell, given: Given) -> None:
    from trifid.cli.vm_ssh import ssh

    ssh(shell, given)


def _history(shell: Shell, given: Given) -> None:
    from trifid.cli.vm_show import history

    history(shell, given)


def _log(shell: Shell, given: Given) -> None:
    from trifid.cli.vm_show import log

    log(shell, given)


def _action(
    word: str, about: str, goal: str = "", *, action: str = "", can_be_hard: bool = False, **more: Any
) -> Command:
    """Return the row of a command that is one call of one.vm.action."""
    action = action or word

    def send(vm_id: int, given: Given) -> tuple[str, int]:
        return (f"{action}-hard" if can_be_hard and given.hard else action), vm_id

    examples = more.pop("examples", (f"{word} 3", f"{word} web,5..7"))
    options = (HARD,) if can_be_hard else ()
    row = Command(word, about, (VMS,), "one.vm.action", send, goal=goal, options=options, examples=examples, **more)
    return schedulable(row, lambda given: (str(send(0, given)[0]), ()))


ROWS = (
    CREATE,
    Command(
        "deploy",
        "Run a waiting VM on a host.",
        (VMS, Argument("HOST", HOST), Argument("DATASTORE", DATASTORE, optional=True)),
        "one.vm.deploy",
        deploy_arguments,
        instead=_dry_deploy,
        options=(ENFORCE, DRY_RUN),
        goal="RUNNING",
        examples=("deploy 3 host1", "deploy 3,5..7 host1 --wait", "deploy 3 host1 --dry-run"),
    ),
    _action("hold", "Keep a waiting VM from the scheduler.", "HOLD"),
    _action("release", "Give a VM on hold to the scheduler.", "PENDING"),
    _action(
        "terminate",
        "Shut a VM down, save the disks that are to be saved, and end it.",
        "DONE",
        can_be_hard=True,
        aliases=("shutdown",),
        examples=("terminate 3 --wait", "terminate --hard web,5..7"),
    ),
    _action("cancel", "End a VM at once, as terminate --hard does.", "DONE", action="terminate-hard"),
    DELETE,
    _action(
        "poweroff",
        "Shut a VM down; it keeps its disks and its place.",
        "POWEROFF",
        can_be_hard=True,
        examples=("poweroff 3 --wait", "poweroff --hard 3"),
    ),
    _action("suspend", "Save a running VM in its place; it keeps its disks and its memory.", "SUSPENDED"),
    _action("stop", "Save a VM and take it away from its host; it goes on wherever there is room.", "STOPPED"),
    _action(
        "undeploy",
        "Shut a VM down and take it away from its host; it boots wherever there is room.",
        "UNDEPLOYED",
        can_be_hard=True,
        examples=("undeploy 3 --wait", "undeploy --hard 3"),
    ),
    _action(
        "resume",
        "Run a VM again that is off, suspended, stopped or undeployed, or whose host lost it.",
        "RUNNING",
        aliases=("restart", "boot"),
    ),
    _action("reboot", "Reboot a VM.", can_be_hard=True, examples=("reboot 3", "reboot --hard 3")),
    _action("reset", "Reset a VM, as reboot --hard does.", action="reboot-hard"),
    Command(
        "migrate",
        "Move a VM to another host: saved and restored there, --live, or switched off and on; as it is if it is off.",
        (VMS, Argument("HOST", HOST, optional=True), Argument("DATASTORE", DATASTORE, optional=True)),
        "one.vm.migrate",
        migrate_arguments,
        instead=instead_of_migrate,
        options=(LIVE, POFF, POFF_HARD, CANCEL, ENFORCE, DRY_RUN),
        goal="RUNNING",
        more="Of a VM that is UNKNOWN, with --live or without, what is left on its host is ended, and it boots on the "
        "other; it stays UNKNOWN if its host does not answer.",
        examples=(
            "migrate 3 host2 --wait",
            "migrate --live 3 host2",
            "migrate --cancel 3",
            "migrate 3,5..7 host2 --dry-run",
        ),
    ),
    Command(
        "livemigrate",
        "Move a running VM to another host without stopping it, as migrate --live does.",
        (VMS, Argument("HOST", HOST)),
        "one.vm.migrate",
        lambda vm_id, given: (vm_id, given.host, True, given.enforce),
        options=(ENFORCE,),
        goal="RUNNING",
        examples=("livemigrate 3 host2 --wait",),
    ),
    *RECOVERY_ROWS,
    schedulable(
        waited(
            Command(
                "resched",
                "Have the scheduler move a running VM to a better host.",
                (VMS,),
                "one.vm.action",
                lambda vm_id, given: ("resched", vm_id),
                examples=("resched 3", "resched web,5..7 --wait"),
            ),
            MOVE_COURSE,
        ),
        lambda given: ("resched", ()),
    ),
    _action("unresched", "Take the mark of resched away.", examples=("unresched 3",)),
    *DEVICE_ROWS,
    *NIC_ROWS,
    *MEMBERSHIP_ROWS,
    Command(
        "disk-saveas",
        "Make an image of a disk of a VM, running or not.",
        (Argument("VM", VM), Argument("DISK"), Argument("NAME")),
        run=_save_disk,
        options=(TYPE, SNAPSHOT, *WAIT_OPTIONS),
        aliases=("saveas",),
        examples=("disk-saveas 3 0 my-debian --wait", "disk-saveas web 1 data --type DATABLOCK --snapshot 0"),
    ),
    Command(
        "save",
        "Make a VM template of a VM that is powered off: the one it was made of, with images of its disks as they are.",
        (Argument("VM", VM), Argument("NAME")),
        run=_save,
        options=(PERSISTENT, *WAIT_OPTIONS),
        more="Capacity and networks are those of the VM; the images are called NAME-disk-0 and so on.",
        examples=("save web my-web", "save 3 my-web --persistent --wait"),
    ),
    Command(
        "ssh",
        "Log in to a running VM by ssh, at the address that the engine gave it; as root unless LOGIN says otherwise.",
        (Argument("VM", VM), Argument("LOGIN", optional=True)),
        run=_ssh,
        options=(CMD, NIC),
        examples=("ssh web", "ssh 3 debian --cmd uptime"),
    ),
    *SCHEDULE_ROWS,
    *RESYNC_ROWS,
    rename_command(VM, "VM"),
    update_command(VM, "VM", "USER_TEMPLATE"),
    *access_commands(VM, "VM", USER, GROUP),
    Command(
        "list",
        "List the VMs that are not finished, the newest first.",
        (Argument("WHOSE", optional=True),),
        run=_LISTING.run,
        options=(DONE, *LIST_OPTIONS),
        more=WHOSE_HELP,
        examples=("list", "list m -f STAT=runn -l ID,NAME,HOST,IP", "list -l ID,STAT,WHY -f STAT=fail", "list -j"),
    ),
    Command(
        "show",
        "Tell everything about a VM: where it is, why, its addresses and its history.",
        (VMS,),
        run=_show,
        options=SHOW_OPTIONS,
        examples=("show 3", "show web -j"),
    ),
    Command(
        "explain",
        "Tell why a VM waits, or where it could go: what every rule says of every host, and what would help.",
        (VMS,),
        run=explain_vms,
        options=(ALL_HOSTS, AS_ONE_JSON),
        more="Of hosts that you may not see only numbers are told.",
        examples=("explain 3", "explain web --all", "explain 3 --json"),
    ),
    Command(
        "top",
        "List the VMs with what they use, the busiest first; on a terminal again and again.",
        (Argument("WHOSE", optional=True),),
        run=_TOP.top,
        options=(DONE, *TOP_OPTIONS),
        more=WHOSE_HELP,
        examples=("top", "top -d 5 -o UMEM", "top -l ID,NAME,UCPU,RX,TX,RD,WR -o RX"),
    ),
    monitoring_row(VM, "web"),
    Command(
        "history",
        "Tell where VMs were, and what ended each stay.",
        (Argument("VM", VM, many=True, optional=True),),
        run=_history,
        options=(COLUMNS,),
        examples=("history", "history 3,5"),
    ),
    Command(
        "log",
        "Tell what happened to a VM, and when: every state, every request, every error.",
        (VMS,),
        run=_log,
        options=(LIMIT, AS_JSON),
        aliases=("story",),
        examples=("log 3", "log 3 -n 20"),
    ),
)

main = CommandTable(
    "onevm",
    "Manage virtual machines.  VM stands for ids, names, and lists of them such as 1,3..5,web.",
    ROWS,
    VM,
    {
        "backup": 'not supported: "onevm save" and "onevm disk-saveas" keep what is on disks',
        "backup-cancel": "not supported: there are no backups",
        "create-chart": 'called --schedule today: "onevm terminate VM --schedule +3600"',
        "delete-chart": "called sched-delete",
        "exec": 'not supported: "onevm ssh VM --cmd COMMAND" runs something in a guest',
        "exec-cancel": "not supported: nothing is run inside guests from here",
        "exec-retry": "not supported: nothing is run inside guests from here",
        "pci-attach": "not supported: devices are given in the template (PCI), and when the VM boots",
        "pci-detach": "not supported: devices are given in the template (PCI), and when the VM boots",
        "port-forward": 'not supported: "ssh -L" to the VM does it, see "onevm ssh"',
        "restore": "not supported: there are no backups",
        "update-chart": "called sched-update",
        "vnc": 'not supported: "onevm show VM" tells GRAPHICS, for a viewer of yours',
    },
)

if __name__ == "__main__":
    main()
