"""`onevm show`, `history` and `log`: one VM, told to people."""

import json
from typing import Any

from trifid.cli import columns as c
from trifid.cli.command import Given
from trifid.cli.figures import full_moment, memory, permission
from trifid.cli.follow import how_far, printable, state_of, waits_for
from trifid.cli.image_columns import size
from trifid.cli.kinds import VM
from trifid.cli.listing import has_colours, pairs, print_template, section
from trifid.cli.locks import lock_word
from trifid.cli.monitoring_shown import sparks
from trifid.cli.shell import Shell
from trifid.cli.snapshot_tables import print_vm_snapshots
from trifid.cli.vm_columns import HISTORY_COLUMNS, last_record
from trifid.cli.vm_membership import group_of
from trifid.cli.vm_schedule import print_schedule
from trifid.core.samples import COUNTERS
from trifid.core.vm.states import VmState
from trifid.wire.elements import several

ENGINE_UID = -1
_FIGURES = ("CPU", "MEMORY", "NETRX", "NETTX")
_NOT_OWN = {*_FIGURES, *COUNTERS, "ID", "TIMESTAMP", "STATE"}
"""All else that was measured of a VM is of the administrator's own probes."""
_DELETE, _DELETE_DB = 13, 42
"""Ends of a stay after which no disk is kept (reference/lifecycle.md §3.2)."""


def print_vm(shell: Shell, vm: dict[str, Any]) -> None:
    """Print everything about a VM: where it stands, why, and what can be done."""
    state = state_of(vm)
    section(shell, f"VIRTUAL MACHINE {vm['ID']} INFORMATION")
    pairs(
        shell,
        {
            "ID": vm["ID"],
            "NAME": vm["NAME"],
            "USER": vm["UNAME"],
            "GROUP": vm["GNAME"],
            "STATE": VmState.ACTIVE.name if int(vm["STATE"]) == VmState.ACTIVE.state else state,
            "LCM_STATE": state if int(vm["STATE"]) == VmState.ACTIVE.state else "LCM_INIT",
            "HOST": last_record(vm).get("HOSTNAME"),
            **({"VM GROUP": group} if (group := group_of(shell, vm)) else {}),
            **({"LOCK": lock_word(vm["LOCK"])} if vm.get("LOCK") else {}),
            "RESCHED": "Yes" if vm.get("RESCHED") == "1" else "No",
            "START TIME": full_moment(vm["STIME"]),
            "END TIME": full_moment(vm["ETIME"]),
            "DEPLOY ID": vm.get("DEPLOY_ID"),
        },
    )
    _print_why(shell, vm, state)
    _print_monitoring(shell, vm)
    print_permissions(shell, vm)
    _print_disks(shell, vm)
    print_vm_snapshots(shell, vm)
    _print_networks(shell, vm)
    _print_saved_disks(shell, vm, state)
    print_schedule(shell, vm)
    if last_record(vm):
        section(shell, "VIRTUAL MACHINE HISTORY")
        _print_records(shell, [vm], HISTORY_COLUMNS.default.removeprefix("ID,"))
    users = {name: value for name, value in (vm.get("USER_TEMPLATE") or {}).items() if name != "LIVE_MIGRATION"}
    print_template(shell, "USER TEMPLATE", users)
    print_template(shell, "VIRTUAL MACHINE TEMPLATE", vm.get("TEMPLATE"))


def _print_why(shell: Shell, vm: dict[str, Any], state: str) -> None:
    told = vm.get("USER_TEMPLATE") or {}
    known = {"WHY": told.get("ERROR"), "SCHEDULER": waits_for(vm), "PLACED": told.get("SCHED_DECISION")}
    lines = {label: value for label, value in known.items() if value}
    next_step = _next_step(vm["ID"], state, bool(told.get("SCHED_MESSAGE")))
    if lines or next_step:
        section(shell, "WHY IT IS SO")
        pairs(shell, lines | ({"NEXT": next_step} if next_step else {}))


def _next_step(vm_id: str, state: str, is_refused: bool) -> str:
    """Return what a user may do about a state that does not end by itself; empty when nothing is amiss."""
    if state.endswith("_FAILURE"):
        return f"onevm recover {vm_id} --retry, or onevm recover {vm_id} --delete"
    if state == "UNKNOWN":
        return f"onehost list tells whether its host is up; onevm resume {vm_id} starts it again there"
    if state == "HOLD":
        return f"onevm release {vm_id} gives it to the scheduler"
    if state == "POWEROFF":
        return f"onevm resume {vm_id} starts it again"
    if state == "PENDING" and is_refused:
        return (
            f"onevm explain {vm_id} tells what is in the way on every host, and what would help; "
            f"onevm deploy --enforce {vm_id} HOST puts it where you say, if it fits there"
        )
    if state == "PENDING":
        return (
            f"the scheduler has said nothing yet: trifid status tells whether it runs, onevm explain {vm_id} what fits"
        )
    return ""


def _print_monitoring(shell: Shell, vm: dict[str, Any]) -> None:
    seen = vm.get("MONITORING") or {}
    if said := how_far(vm):
        section(shell, "LIVE MIGRATION")
        pairs(shell, {"DONE": said})
    figures = {name: seen[name] for name in _FIGURES if name in seen}
    if not figures:
        return
    section(shell, "VIRTUAL MACHINE MONITORING")
    shown = {
        "CPU": "{} % of a core",
        "NETRX": "{} bytes received",
        "NETTX": "{} bytes sent",
    }
    lines = {name: shown[name].format(value) for name, value in figures.items() if name in shown}
    if "MEMORY" in figures:
        lines["MEMORY"] = memory(figures["MEMORY"])
    for name, drawn in sparks(shell, VM, int(vm["ID"]), ("CPU", "MEMORY")).items():
        lines[name] = f"{lines.get(name, '-'):<20} {drawn} last hour"
    lines |= {name: value for name, value in seen.items() if isinstance(value, str) and name not in _NOT_OWN}
    pairs(shell, lines | {"LAST POLL": full_moment(vm.get("LAST_POLL"))})


def print_permissions(shell: Shell, one: dict[str, Any]) -> None:
    """Print who may do what with an object."""
    flags = one.get("PERMISSIONS") or {}
    section(shell, "PERMISSIONS")
    pairs(shell, {who: permission(flags, who) for who in ("OWNER", "GROUP", "OTHER")})


_NIC_COLUMNS = (
    c.Column("ID", 3, "", c.number("NIC_ID")),
    c.Column("NETWORK", 20, "", c.text("NETWORK"), left=True),
    c.Column("BRIDGE", 12, "", c.text("BRIDGE"), left=True),
    c.Column("IP", 15, "", lambda row, view: row.get("IP") or row.get("IP6") or "-", left=True),
    c.Column("MAC", 17, "", c.text("MAC"), left=True),
)


def _print_networks(shell: Shell, vm: dict[str, Any]) -> None:
    nics = [nic for nic in several((vm.get("TEMPLATE") or {}).get("NIC")) if isinstance(nic, dict)]
    if nics:
        section(shell, "VIRTUAL MACHINE NETWORKS")
        shell.say(c.table(nics, _NIC_COLUMNS, c.View(), header=True, colour=has_colours()))


_DISK_COLUMNS = (
    c.Column("ID", 3, "", c.number("DISK_ID")),
    c.Column("DATASTORE", 10, "", lambda row, view: row.get("DATASTORE") or "-", left=True),
    c.Column("TARGET", 6, "", lambda row, view: row.get("TARGET") or "-", left=True),
    c.Column("IMAGE", 25, "", lambda row, view: _made_of(row), left=True),
    c.Column("SIZE", 7, "", lambda row, view: size(row["SIZE"]) if row.get("SIZE", "").isdecimal() else "-"),
    c.Column("FORMAT", 6, "", lambda row, view: row.get("DRIVER") or row.get("FORMAT") or "-", left=True),
    c.Column("SAVE", 4, "", lambda row, view: "yes" if _is_saved(row) else "no", left=True),
)


def _made_of(disk: dict[str, Any]) -> str:
    """Return the image that a disk is made of, else the file, else what it is."""
    if disk.get("IMAGE_ID"):
        return f"{disk.get('IMAGE') or 'image'} ({disk['IMAGE_ID']})"
    return str(disk.get("SOURCE") or disk.get("TYPE") or "-")


def _is_saved(disk: dict[str, Any]) -> bool:
    return bool(disk.get("SAVE", "").upper() == "YES")


def _disks(vm: dict[str, Any]) -> list[dict[str, Any]]:
    return [disk for disk in several((vm.get("TEMPLATE") or {}).get("DISK")) if isinstance(disk, dict)]


def _print_disks(shell: Shell, vm: dict[str, Any]) -> None:
    if _disks(vm):
        section(shell, "VIRTUAL MACHINE DISKS")
        shell.say(c.table(_disks(vm), _DISK_COLUMNS, c.View(), header=True, colour=has_colours()))


def _print_saved_disks(shell: Shell, vm: dict[str, Any], state: str) -> None:
    """Print where the disks with SAVE=YES are, or will be (docs/operations.md)."""
    # What is written to a persistent image stays there, and is no file of the home.
    saved = [disk for disk in _disks(vm) if _is_saved(disk) and not disk.get("IMAGE_ID")]
    if not saved or (state == "DONE" and int(last_record(vm).get("ACTION") or _DELETE) in (_DELETE, _DELETE_DB)):
        return
    section(shell, "SAVED DISKS" if state == "DONE" else "DISKS TO BE SAVED WHEN IT ENDS")
    place = f"vms/{vm['ID']} of the engine's home"
    pairs(shell, {f"DISK {disk['DISK_ID']}": f"disk.{disk['DISK_ID']} in {place}" for disk in saved})


def _print_records(shell: Shell, vms: list[dict[str, Any]], names: str, header: bool = True) -> None:
    records = [one for vm in vms for one in several((vm.get("HISTORY_RECORDS") or {}).get("HISTORY"))]
    shown = HISTORY_COLUMNS.named(names)
    shell.say(c.table(records, shown, c.View(now=shell.now()), header=header, colour=has_colours()))


def history(shell: Shell, given: Given) -> None:
    """Print where VMs were: those named, else all that are not finished."""
    ids = given.vm or sorted(int(vm["ID"]) for vm in shell.all(VM))
    _print_records(shell, [shell.one(VM, vm_id) for vm_id in ids], given.list or HISTORY_COLUMNS.default)


def log(shell: Shell, given: Given) -> None:
    """Print what happened to VMs, from the engine's journal."""
    for vm_id in given.vm:
        told = json.loads(shell.call("trifid.event.story", VM.element, vm_id, given.limit))
        if given.json:
            shell.say(json.dumps(told["events"], indent=2, ensure_ascii=False))
        elif told["events"]:
            for event in told["events"]:
                if not _is_unseen(event):
                    shell.say(_line(event, shell))
        else:
            # An id that never was has no story either: asking for the VM tells which.
            shell.one(VM, vm_id)
            shell.say(f"VM {vm_id}: the journal has nothing about it")


def _is_unseen(event: dict[str, Any]) -> bool:
    """Tell whether it is a step of the engine between states that users know as one, with nothing to tell of it."""
    old, new = printable(event["old"]), printable(event["new"])
    is_step = event["what"] == "state" and event["uid"] == ENGINE_UID
    return is_step and old == new and not event["text"]


def _line(event: dict[str, Any], shell: Shell) -> str:
    who = "engine" if event["uid"] == ENGINE_UID else _user_name(shell, event["uid"])
    old, new = printable(event["old"]), printable(event["new"])
    if old and old != new:
        what = f"{old} -> {new}"
    elif new:
        what = f"{event['what']} {new}"
    else:
        what = event["what"]
    text = f": {event['text']}" if event["text"] else ""
    return f"{full_moment(event['at'])}  {who:<10}  {what}{text}"


def _user_name(shell: Shell, uid: int) -> str:
    """Return the name of a user, `user N` of one that is gone."""
    from trifid.cli.kinds import USER

    return shell.name(USER, uid) or f"user {uid}"
