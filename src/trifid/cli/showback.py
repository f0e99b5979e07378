"""`oneshowback`: what VMs cost, month by month.

Source: reference/api-modern.md §4 (vmpool.showback).
"""

import click

from trifid.cli.columns import Column, Columns, number, text
from trifid.cli.command import Command, CommandTable, Given
from trifid.cli.kinds import VM
from trifid.cli.records import (
    ONLY_GROUP,
    TABLE_OPTIONS,
    USERFILTER,
    Records,
    filter_flag,
    month,
    of_group,
)
from trifid.cli.shell import Shell

_FIRST = (1, 1970)
_LAST = (-1, -1)
START = click.Option(["-s", "--start"], metavar="MM/YYYY", help="The first month.")
END = click.Option(["-e", "--end"], metavar="MM/YYYY", help="The last month.")


def _cost(name: str) -> Column:
    return Column(name, 10, "what that cost", number(name), lambda value, view: f"{value:.2f}")


COLUMNS = Columns(
    "oneshowback list",
    "USER_NAME,GROUP_NAME,VM_ID,VM_NAME,MONTH,YEAR,HOURS,CPU_COST,MEMORY_COST,DISK_COST,TOTAL_COST",
    (
        Column("UID", 4, "id of the VM's user", number("UID")),
        Column("USER_NAME", 12, "the VM's user", text("UNAME"), left=True),
        Column("GID", 4, "id of the VM's group", number("GID")),
        Column("GROUP_NAME", 12, "the VM's group", text("GNAME"), left=True),
        Column("VM_ID", 6, "id of the VM", number("VMID")),
        Column("VM_NAME", 12, "name of the VM", text("VMNAME"), left=True),
        Column("MONTH", 5, "the month", number("MONTH")),
        Column("YEAR", 5, "its year", number("YEAR")),
        Column("HOURS", 8, "hours that it was on hosts", number("HOURS"), lambda value, view: f"{value:.2f}"),
        Column("RHOURS", 8, "hours that it ran", number("RHOURS"), lambda value, view: f"{value:.2f}"),
        _cost("CPU_COST"),
        _cost("MEMORY_COST"),
        _cost("DISK_COST"),
        _cost("TOTAL_COST"),
    ),
)
_RECORDS = Records("SHOWBACK_RECORDS", "SHOWBACK", COLUMNS)


def _months(given: Given) -> tuple[int, int, int, int]:
    return (*(month(given.start) if given.start else _FIRST), *(month(given.end) if given.end else _LAST))


def _list(shell: Shell, given: Given) -> None:
    call = ("one.vmpool.showback", filter_flag(shell, given), *_months(given))
    _RECORDS.print(shell, given, call, of_group(shell, given, lambda row: row["GID"]))


def _calculate(shell: Shell, given: Given) -> None:
    shell.call("one.vmpool.calculateshowback", *_months(given))
    shell.tell('What VMs cost is worked out whenever it is asked for: see "oneshowback list".')


ROWS = (
    Command(
        "list",
        "List what VMs cost in each month, of all that you may see, those that are gone as well.",
        run=_list,
        options=(START, END, USERFILTER, ONLY_GROUP, *TABLE_OPTIONS),
        examples=("list", "list -s 11/2026 -e 12/2026", "list --userfilter alice --csv"),
    ),
    Command(
        "calculate",
        "Nothing has to be calculated here: what VMs cost is always up to date.",
        run=_calculate,
        options=(START, END),
        examples=("calculate", "calculate -s 11/2026"),
    ),
)

main = CommandTable("oneshowback", "Tell what VMs cost, by prices in their templates or in trifid.toml.", ROWS, VM)

if __name__ == "__main__":
    main()
