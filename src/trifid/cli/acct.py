"""`oneacct`: on which hosts VMs were, and for how long.

Source: reference/api-modern.md §4 (vmpool.accounting).
"""

from typing import Any

import click

from trifid.cli.columns import Column, Columns, Row, View, number, text
from trifid.cli.command import Command, Given
from trifid.cli.figures import full_moment, memory
from trifid.cli.kinds import HOST, VM
from trifid.cli.records import (
    ONLY_GROUP,
    TABLE_OPTIONS,
    USERFILTER,
    DefaultTable,
    Records,
    filter_flag,
    moment,
    of_group,
)
from trifid.cli.shell import Shell

_FROM_THE_BEGINNING, _NO_END = 0, -1
START = click.Option(["-s", "--start"], metavar="TIME", help="Stays that were not over then: 2026/11/26, 11/26.")
END = click.Option(
    ["-e", "--end"], metavar="TIME", help="Stays that had begun then: a day is meant to its first second."
)
ONLY_HOST = click.Option(["-H", "--host"], metavar="HOST", help="Stays on this host only.")
SPLIT = click.Option(["--split"], is_flag=True, help="A table for each VM.")

ACTIONS = {
    0: "none", 1: "migrate", 2: "live-migrate", 5: "undeploy", 6: "undeploy-hard", 7: "hold", 8: "release", 9: "stop",
    10: "suspend", 11: "resume", 13: "delete", 14: "delete-recreate", 15: "reboot", 16: "reboot-hard", 17: "resched",
    18: "unresched", 19: "poweroff", 20: "poweroff-hard", 21: "disk-attach", 22: "disk-detach", 23: "nic-attach",
    24: "nic-detach", 25: "disk-snapshot-create", 26: "disk-snapshot-delete", 27: "terminate", 28: "terminate-hard",
    29: "disk-resize", 30: "deploy", 31: "chown", 32: "chmod", 33: "updateconf", 34: "rename", 35: "resize",
    36: "update", 37: "snapshot-create", 38: "snapshot-delete", 39: "snapshot-revert", 40: "disk-saveas",
    41: "disk-snapshot-revert", 42: "recover", 43: "retry", 44: "monitor", 48: "poweroff-migrate",
    49: "poweroff-hard-migrate",
}  # fmt: skip
"""What ended a stay, by the numbers of histories (reference/api-modern.md §5.6)."""


def _action(row: Row, view: View) -> str:
    word = str(row.get("ACTION", "0"))
    return ACTIONS.get(int(word), word) if word.isdecimal() else word


def _disk_mib(row: Row, view: View) -> int:
    from trifid.wire.elements import several

    template = row["VM"].get("TEMPLATE")
    disks = several(template.get("DISK")) if isinstance(template, dict) else []
    sizes = [disk.get("SIZE", "") for disk in disks if isinstance(disk, dict)]
    return sum(int(size) for size in sizes if size.isdecimal())


def _hours(row: Row, view: View) -> float:
    begin, end = int(row["STIME"]), int(row["ETIME"]) or view.now
    return max(0, end - begin) / 3600


def _size(value: Any, view: View) -> str:
    return memory(value, view.kilobytes)


COLUMNS = Columns(
    "oneacct",
    "VID,HOSTNAME,ACTION,START_TIME,END_TIME,MEMORY,CPU,NETRX,NETTX,DISK",
    (
        Column("UID", 4, "id of the VM's user", number("VM/UID")),
        Column("USER", 10, "the VM's user", text("VM/UNAME"), left=True),
        Column("GID", 4, "id of the VM's group", number("VM/GID")),
        Column("GROUP", 10, "the VM's group", text("VM/GNAME"), left=True),
        Column("VID", 4, "id of the VM", number("OID")),
        Column("NAME", 15, "name of the VM", text("VM/NAME"), left=True),
        Column("SEQ", 3, "number of the stay", number("SEQ")),
        Column("HOSTNAME", 15, "where it was", text("HOSTNAME"), left=True),
        Column("ACTION", 16, "what ended the stay", _action, left=True),
        Column("START_TIME", 19, "when the stay began", number("STIME"), lambda value, view: full_moment(value)),
        Column("END_TIME", 19, "when it ended", number("ETIME"), lambda value, view: full_moment(value)),
        Column("HOURS", 8, "how long it was", _hours, lambda value, view: f"{value:.2f}"),
        Column(
            "MEMORY", 7, "memory of the VM", lambda row, view: number("VM/TEMPLATE/MEMORY")(row, view) * 1024, _size
        ),
        Column("CPU", 5, "cores of the VM", number("VM/TEMPLATE/CPU"), lambda value, view: f"{value:g}"),
        Column("NETRX", 7, "received", lambda row, view: number("VM/MONITORING/NETRX")(row, view) / 1024, _size),
        Column("NETTX", 7, "sent", lambda row, view: number("VM/MONITORING/NETTX")(row, view) / 1024, _size),
        Column("DISK", 7, "its disks together", lambda row, view: _disk_mib(row, view) * 1024, _size),
    ),
)
_RECORDS = Records("HISTORY_RECORDS", "HISTORY", COLUMNS)


def _run(shell: Shell, given: Given) -> None:
    # -1 and -1 would be taken for all pages of a pool
    start = moment(shell, given.start) if given.start else _FROM_THE_BEGINNING
    end = moment(shell, given.end) if given.end else _NO_END
    in_group = of_group(shell, given, lambda row: row["VM"]["GID"])
    host = str(shell.id(HOST, given.host)) if given.host else None

    def is_wanted(row: Row) -> bool:
        return in_group(row) and host in (None, row["HID"])

    call = ("one.vmpool.accounting", filter_flag(shell, given), start, end)
    _RECORDS.print(shell, given, call, is_wanted, _vm if given.split else None)


def _vm(row: Row) -> str:
    return f"VM {row['OID']} {row['VM']['NAME']} of {row['VM']['UNAME']}"


ROWS = (
    Command(
        "list",
        "List the stays of VMs on hosts: of all VMs that you may see, those that are gone as well.",
        run=_run,
        options=(START, END, USERFILTER, ONLY_GROUP, ONLY_HOST, SPLIT, *TABLE_OPTIONS),
        examples=("list", "list -s 2026/11/01 -e 2026/12/01", "list --userfilter alice --split", "list --csv"),
    ),
)

main = DefaultTable("oneacct", "Tell where VMs were.  `oneacct -s TIME` is short for `oneacct list -s TIME`.", ROWS, VM)

if __name__ == "__main__":
    main()
