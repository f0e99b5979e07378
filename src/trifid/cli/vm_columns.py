"""The columns of `onevm list` and `onevm history`.

Source: reference/xmlrpc.md §5.1 and §5.2 (names and widths), reference/lifecycle.md §3.2 (actions).
"""

from typing import Any

from trifid.cli.columns import Column, Columns, Row, View, named_or_id, number, text
from trifid.cli.figures import duration, memory, moment
from trifid.cli.follow import why
from trifid.cli.growth import bytes_each_second, growth

_STATE_COLOURS = {"runn": "green", "fail": "red", "unkn": "red"}
_WITHOUT_HOST = {"0", "1", "2", "4", "6", "9", "10", "11"}
"""INIT PENDING HOLD STOPPED DONE UNDEPLOYED CLONING CLONING_FAILURE: such a VM is on no host."""

_ACTIONS = {
    0: "none",
    1: "migrate",
    2: "live-migrate",
    5: "undeploy",
    6: "undeploy-hard",
    9: "stop",
    10: "suspend",
    11: "resume",
    13: "delete",
    14: "delete-recreate",
    19: "poweroff",
    20: "poweroff-hard",
    21: "disk-attach",
    22: "disk-detach",
    23: "nic-attach",
    24: "nic-detach",
    25: "disk-snapshot-create",
    26: "disk-snapshot-delete",
    27: "terminate",
    28: "terminate-hard",
    29: "disk-resize",
    30: "deploy",
    35: "resize",
    37: "snapshot-create",
    38: "snapshot-delete",
    39: "snapshot-revert",
    42: "recover",
    43: "retry",
    48: "poweroff-migrate",
    49: "poweroff-hard-migrate",
}
"""What can end a stay on a host."""


def short_state(row: Row, view: View) -> str:
    """Return the four letters of a VM's state."""
    from trifid.core.vm.states import VmState

    state, lcm_state = int(row["STATE"]), int(row["LCM_STATE"])
    try:
        return VmState(state if state != VmState.ACTIVE.state else VmState.ACTIVE + lcm_state).short
    except ValueError:
        return f"{state}/{lcm_state}"


def last_record(row: Row) -> Row:
    """Return the newest history record of a VM, empty when it never was on a host."""
    from trifid.wire.elements import several

    records = several((row.get("HISTORY_RECORDS") or {}).get("HISTORY"))
    return records[-1] if records else {}


def addresses(row: Row) -> list[str]:
    """Return the addresses of a VM's network interfaces."""
    from trifid.wire.elements import several

    nics = several((row.get("TEMPLATE") or {}).get("NIC"))
    return [nic.get("IP") or nic.get("IP6") or nic.get("MAC") or "" for nic in nics if isinstance(nic, dict)]


def _host(row: Row, view: View) -> str:
    return "" if row["STATE"] in _WITHOUT_HOST else str(last_record(row).get("HOSTNAME", ""))


def _why(row: Row, view: View) -> str:
    return why(row)


def _asked_memory_kib(row: Row, view: View) -> float:
    return number("TEMPLATE/MEMORY")(row, view) * 1024


def _age_s(row: Row, view: View) -> int:
    return (int(row["ETIME"]) or view.now) - int(row["STIME"])


def _memory(value: Any, view: View) -> str:
    return memory(value, view.kilobytes)


def _duration(value: Any, view: View) -> str:
    return duration(value)


def _moment(value: Any, view: View) -> str:
    return moment(value)


def _percent(value: Any, view: View) -> str:
    return f"{value:g}"


def _moved(row: Row, view: View) -> float:
    """Return how far it is, less than nothing when it does not move."""
    path = "USER_TEMPLATE/LIVE_MIGRATION/PERCENT"
    return number(path)(row, view) if text(path)(row, view) else -1


def _how_far(value: Any, view: View) -> str:
    return "-" if value < 0 else f"{value:g}"


VM_COLUMNS = Columns(
    "onevm list",
    "ID,USER,GROUP,NAME,STAT,CPU,MEM,HOST,TIME",
    (
        Column("ID", 4, "number", number("ID")),
        Column("USER", 8, "owner", named_or_id("UNAME", "UID"), left=True),
        Column("GROUP", 8, "group", named_or_id("GNAME", "GID"), left=True),
        Column("NAME", 12, "name", text("NAME"), left=True),
        Column("STAT", 4, "state", short_state, left=True, colours=_STATE_COLOURS),
        Column("CPU", 3, "cores asked for", number("TEMPLATE/CPU"), _percent),
        Column("MEM", 7, "memory asked for", _asked_memory_kib, _memory),
        Column("UCPU", 4, "CPU used, percent of a core", number("MONITORING/CPU"), _percent),
        Column("UMEM", 7, "memory used", number("MONITORING/MEMORY"), _memory),
        Column("RX", 7, "received each second", growth("NETRX"), bytes_each_second),
        Column("TX", 7, "sent each second", growth("NETTX"), bytes_each_second),
        Column("RD", 7, "read from its disks each second", growth("DISKRDBYTES"), bytes_each_second),
        Column("WR", 7, "written to its disks each second", growth("DISKWRBYTES"), bytes_each_second),
        Column("HOST", 15, "where it runs", _host, left=True),
        Column("HOSTNAME", 15, "the same, by its name of 2009", _host, left=True),
        Column("TIME", 11, "since it was submitted, days hh:mm:ss", _age_s, _duration),
        Column("IP", 15, "addresses", lambda row, view: ",".join(addresses(row)), left=True),
        Column("MOVED", 12, "how far a live migration is, percent", _moved, _how_far),
        Column("WHY", 20, "the last error, or what it waits for", _why, left=True),
    ),
)

TOP_DEFAULT = "ID,USER,GROUP,NAME,STAT,UCPU,UMEM,HOST,TIME"


def _stay_s(row: Row, view: View) -> int:
    return (int(row["ETIME"]) or view.now) - int(row["STIME"]) if int(row["STIME"]) else 0


def _reason(row: Row, view: View) -> str:
    code = int(row.get("ACTION") or 0)
    return _ACTIONS.get(code, str(code))


HISTORY_COLUMNS = Columns(
    "onevm history",
    "ID,SEQ,HOSTNAME,STIME,ETIME,TIME,REASON",
    (
        Column("ID", 4, "number of the VM", number("OID")),
        Column("SEQ", 3, "place in its history", number("SEQ")),
        Column("HOSTNAME", 15, "where it was", text("HOSTNAME"), left=True),
        Column("STIME", 14, "from, mm/dd hh:mm:ss", number("STIME"), _moment),
        Column("ETIME", 14, "until", number("ETIME"), _moment),
        Column("TIME", 11, "for how long, days hh:mm:ss", _stay_s, _duration),
        Column("REASON", 12, "what ended it", _reason, left=True),
    ),
)
