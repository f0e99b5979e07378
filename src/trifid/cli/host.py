"""`onehost`: the machines that run VMs.

Source: reference/xmlrpc.md §5 (the commands and columns), reference/api-modern.md §4 (the calls).
"""

from typing import Any

import click

from trifid.cli import cluster
from trifid.cli.columns import Column, Columns, Row, View, number, text
from trifid.cli.command import Argument, Command, CommandTable, Given
from trifid.cli.courses import HOST_COURSE
from trifid.cli.editing import rename_command, update_command
from trifid.cli.failure import Failure
from trifid.cli.figures import memory, share
from trifid.cli.host_failure import FAILURE_ROWS
from trifid.cli.host_flush import FLUSH_ROWS
from trifid.cli.host_keys import ACCEPT_KEY, KEY_ROWS, accept_unseen
from trifid.cli.host_resync import HOST_ROWS, wilds_of
from trifid.cli.host_roll import ROLL
from trifid.cli.kinds import HOST
from trifid.cli.listing import LIST_OPTIONS, SHOW_OPTIONS, TOP_OPTIONS, Listing, show
from trifid.cli.monitoring import monitoring_row
from trifid.cli.settle import WAIT_OPTIONS, wait_for, waited
from trifid.cli.shell import Shell

_ENABLED, _DISABLED, _OFFLINE = 0, 1, 2
_STATES = {"0": "init", "2": "on", "3": "err", "4": "dsbl", "8": "off"}
"""reference/lifecycle.md §1.3."""
_FENCED = {"YES": "fenced", "NO": "fence?"}
"""What is shown of a host that is fenced, or shall be."""
_COLOURS = {"on": "green", "err": "red", "fenced": "red", "fence?": "red"}

HOSTS = Argument("HOST", HOST, many=True)
IM = click.Option(["-i", "--im"], metavar="NAME", help="The information driver: what watches the host.")
VMM = click.Option(["-v", "--vm"], metavar="NAME", help="The virtual machine driver: what runs VMs there.")


def _create(shell: Shell, given: Given) -> None:
    im = given.im or (given.im_mad or "").removeprefix("im_")
    vmm = given.vm or (given.vm_mad or "").removeprefix("vmm_")
    if not im or not vmm:
        raise Failure(
            "a host needs its two drivers: --im watches it, --vm runs VMs on it",
            f'such as "onehost create {given.name} --im kvm --vm kvm"; "trifid status" lists those there are',
        )
    host_id = shell.call("one.host.allocate", given.name, im, vmm, cluster.chosen(shell, given))
    shell.made(HOST, host_id)
    if given.accept_key:
        accept_unseen(shell, host_id, given.name)
    wait_for(shell, HOST_COURSE, [host_id], given)


def short_state(row: Row, view: View) -> str:
    """Return a host's state as lists show it."""
    fenced = text("TEMPLATE/FENCED")(row, view)
    return _FENCED.get(fenced) or _STATES.get(row["STATE"], str(row["STATE"]))


def _memory(value: Any, view: View) -> str:
    return memory(value, view.kilobytes)


def _percent(value: Any, view: View) -> str:
    return f"{value:g}"


def _left(most: str, used: str) -> Any:
    most_of, used_of = number(most), number(used)
    return lambda row, view: most_of(row, view) - used_of(row, view)


_TOTAL_CPU, _USED_CPU = "HOST_SHARE/TOTAL_CPU", "MONITORING/CAPACITY/USED_CPU"
_MAX_CPU, _ASKED_CPU = "HOST_SHARE/MAX_CPU", "HOST_SHARE/CPU_USAGE"
_MAX_MEMORY, _ASKED_MEMORY = "HOST_SHARE/MAX_MEM", "HOST_SHARE/MEM_USAGE"


def _allocated_cpu(row: Row, view: View) -> tuple[float, float]:
    return number(_ASKED_CPU)(row, view), number(_MAX_CPU)(row, view)


def _allocated_memory(row: Row, view: View) -> tuple[float, float]:
    return number(_ASKED_MEMORY)(row, view), number(_MAX_MEMORY)(row, view)


def _share_of_cpu(value: Any, view: View) -> str:
    return share(*value, *(f"{figure:g}" for figure in value))


def _share_of_memory(value: Any, view: View) -> str:
    return share(*value, *(memory(figure, view.kilobytes) for figure in value))


def _why(row: Row, view: View) -> str:
    return text("TEMPLATE/ERROR")(row, view)


HOST_COLUMNS = Columns(
    "onehost list",
    "ID,NAME,CLUSTER,TVM,ALLOCATED_CPU,ALLOCATED_MEM,STAT",
    (
        Column("ID", 4, "number", number("ID")),
        Column("HID", 4, "the same, by its name of 2009", number("ID")),
        Column("NAME", 15, "name", text("NAME"), left=True),
        Column("CLUSTER", 8, "cluster", text("CLUSTER"), left=True),
        Column("TVM", 3, "VMs that have room kept for them", number("HOST_SHARE/RUNNING_VMS")),
        Column("RVM", 3, "the same, by its name of 2009", number("HOST_SHARE/RUNNING_VMS")),
        Column("ALLOCATED_CPU", 17, "CPU kept for VMs, of what they may have", _allocated_cpu, _share_of_cpu),
        Column("ALLOCATED_MEM", 18, "memory kept for VMs, of what they may have", _allocated_memory, _share_of_memory),
        Column("TCPU", 6, "CPU there is, 100 = one core", number(_TOTAL_CPU), _percent),
        Column("FCPU", 6, "CPU that is not used", _left(_TOTAL_CPU, _USED_CPU), _percent),
        Column("ACPU", 6, "CPU that VMs may still ask for", _left(_MAX_CPU, _ASKED_CPU), _percent),
        Column("TMEM", 7, "memory there is", number("HOST_SHARE/TOTAL_MEM"), _memory),
        Column("FMEM", 7, "memory that is free", number("MONITORING/CAPACITY/FREE_MEMORY"), _memory),
        Column("AMEM", 7, "memory that VMs may still ask for", _left(_MAX_MEMORY, _ASKED_MEMORY), _memory),
        Column(
            "STAT",
            6,
            "state",
            short_state,
            left=True,
            colours={"on": "green", "err": "red", "fenced": "red", "fence?": "red"},
        ),
        Column("IM", 8, "information driver", text("IM_MAD"), left=True),
        Column("VMM", 8, "virtual machine driver", text("VM_MAD"), left=True),
        Column(
            "WILDS", 5, "domains that the engine does not know", lambda row, view: float(len(wilds_of(row))), _percent
        ),
        Column("WHY", 20, "why it is in error", _why, left=True),
    ),
)

TOP_DEFAULT = "ID,NAME,RVM,TCPU,FCPU,ACPU,TMEM,FMEM,AMEM,STAT"


def _listed(shell: Shell, given: Given) -> tuple[str]:
    return ("one.hostpool.info",)


_LISTING = Listing(HOST, HOST_COLUMNS, _listed)
_TOP = Listing(HOST, HOST_COLUMNS._replace(default=TOP_DEFAULT), _listed)


def _show(shell: Shell, given: Given) -> None:
    from trifid.cli.host_show import print_host

    show(HOST, "host", print_host)(shell, given)


def _status(word: str, about: str, status: int) -> Command:
    return Command(
        word,
        about,
        (HOSTS,),
        "one.host.status",
        lambda host_id, given: (host_id, status),
        examples=(f"{word} host1", f"{word} 0,2..4"),
    )


ROWS = (
    Command(
        "create",
        "Add a host.",
        (
            Argument("NAME"),
            Argument("IM_MAD", optional=True),
            Argument("VM_MAD", optional=True),
            Argument("TM_MAD", optional=True),
        ),
        run=_create,
        options=(IM, VMM, cluster.OPTION, ACCEPT_KEY, *WAIT_OPTIONS),
        aliases=("add",),
        more="The form of 2009, NAME IM VMM TM, is understood; TM is ignored: datastores have it today.",
        examples=("create host1 --im kvm --vm kvm --wait", "create host1 im_kvm vmm_kvm tm_shared"),
    ),
    Command("delete", "Remove a host that carries no VM.", (HOSTS,), "one.host.delete", examples=("delete host1",)),
    waited(_status("enable", "Let the scheduler use a host.", _ENABLED), HOST_COURSE),
    _status("disable", "Keep new VMs from a host; those that are there stay, and are watched.", _DISABLED),
    _status("offline", "Take a host out of use altogether: it is not even watched.", _OFFLINE),
    rename_command(HOST, "HOST"),
    update_command(HOST, "HOST", "TEMPLATE"),
    *FLUSH_ROWS,
    ROLL,
    *HOST_ROWS,
    *FAILURE_ROWS,
    *KEY_ROWS,
    Command(
        "list",
        "List the hosts, the newest first.",
        run=_LISTING.run,
        options=LIST_OPTIONS,
        examples=("list", "list -l HID,NAME,RVM,TCPU,FCPU,ACPU,TMEM,FMEM,STAT", "list -f STAT=err -l NAME,WHY"),
    ),
    Command(
        "show",
        "Tell everything about a host: what room it has, what is on it, why it is in error.",
        (HOSTS,),
        run=_show,
        options=SHOW_OPTIONS,
        examples=("show host1", "show 0 -x"),
    ),
    Command(
        "top",
        "List the hosts with what is used; on a terminal again and again.",
        run=_TOP.top,
        options=TOP_OPTIONS,
        examples=("top", "top -d 5 -o -FCPU", "top -n 1 -j"),
    ),
    monitoring_row(HOST, "host1"),
)

main = CommandTable(
    "onehost",
    "Manage the hosts that run VMs.  HOST stands for ids, names, and lists of them such as 0,2..4.",
    ROWS,
    HOST,
    {
        "forceupdate": 'not needed: a host is looked at all the time; "onehost enable HOST --wait" looks at once',
        "sync": "not needed: drivers bring their probes along",
    },
)

if __name__ == "__main__":
    main()
