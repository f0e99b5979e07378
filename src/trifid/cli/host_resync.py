"""What hosts really run: `onehost resync`, `onevm resync` and `onehost importvm`."""

import json
from typing import Any

import click

from trifid.cli import columns as c
from trifid.cli.command import Argument, Command, Given
from trifid.cli.failure import Failure
from trifid.cli.figures import memory
from trifid.cli.kinds import HOST, VM
from trifid.cli.listing import has_colours
from trifid.cli.shell import Shell

_DRY_RUN = click.Option(["--dry-run"], is_flag=True, help="Only tell what differs, as without any of these.")
_APPLY = click.Option(["--apply"], is_flag=True, help="Let the VMs be what they were seen to be.")
_YES = click.Option(["-y", "--yes"], is_flag=True, help="The same as --apply.")
_JSON = click.Option(["-j", "--json"], is_flag=True, help="What was found, as JSON.")
_OPTIONS = (_DRY_RUN, _APPLY, _YES, _JSON)
_MORE = (
    "Every host's driver is asked anew.  What runs is adopted, what is off is powered off in the books; no domain is "
    "touched.  Monitoring mends the same by itself with its next report; what it cannot mend is told with the reason."
)
_NO_VM = -1
_OFFLINE = "8"

_DIFFERENCES = c.Columns(
    "onehost resync",
    "HOST,VM,NAME,BELIEVED,SEEN,MENDED,WHY",
    (
        c.Column("HOST", 12, "host", c.text("HOST"), left=True),
        c.Column("VM", 4, "VM", lambda row, view: int(row["vm_id"])),
        c.Column("NAME", 15, "its name", c.text("name"), left=True),
        c.Column("BELIEVED", 12, "state that the engine believes", c.text("believed"), left=True),
        c.Column("SEEN", 8, "what its domain does", c.text("seen"), left=True),
        c.Column("MENDED", 12, "state that follows", c.text("becomes"), left=True),
        c.Column("WHY", 10, "why it is not mended", c.text("why"), left=True),
    ),
)
WILD_COLUMNS = c.Columns(
    "wild domains",
    "NAME,STATE,VCPU,MEM,OURS",
    (
        c.Column("HOST", 12, "host", c.text("HOST"), left=True),
        c.Column("NAME", 25, "the hypervisor's name", c.text("name"), left=True),
        c.Column("STATE", 10, "what it does", c.text("state"), left=True),
        c.Column("VCPU", 4, "processors", lambda row, view: int(row["vcpus"])),
        c.Column(
            "MEM",
            7,
            "memory",
            lambda row, view: int(row["memory_kib"]),
            lambda value, view: memory(value, view.kilobytes),
        ),
        c.Column("OURS", 12, "of which VM it says to be", lambda row, view: _ours(row), left=True),
    ),
)


def _ours(row: c.Row) -> str:
    return f"VM {row['vm_id']}" if int(row.get("vm_id", _NO_VM)) != _NO_VM else ""


def wilds_of(host: c.Row) -> list[dict[str, Any]]:
    """Return the wild domains in a host's document, as rows of WILD_COLUMNS."""
    found = (host.get("TEMPLATE") or {}).get("VM") or []
    zombies = str((host.get("TEMPLATE") or {}).get("ZOMBIES") or "").split(",")
    rows = []
    for one in found if isinstance(found, list) else [found]:
        if isinstance(one, dict):
            name = str(one.get("VM_NAME", ""))
            vm_id = name.removeprefix("one-") if name in zombies else _NO_VM
            size = {"vcpus": one.get("VCPU", 0), "memory_kib": one.get("MEMORY", 0)}
            rows.append({"name": name, "state": one.get("STATE", ""), "vm_id": vm_id, **size})
    return rows


def _resync_hosts(shell: Shell, given: Given) -> None:
    _resync(shell, given, [(host_id, _NO_VM) for host_id in given.host])


def _resync_vms(shell: Shell, given: Given) -> None:
    if not given.vm:
        _resync(shell, given, [(int(host["ID"]), _NO_VM) for host in shell.all(HOST) if host["STATE"] != _OFFLINE])
        return
    wanted = []
    for vm_id in given.vm:
        host_id = _host_of(shell.one(VM, vm_id))
        if host_id is None:
            shell.complain(
                Failure(f"VM {vm_id} was never on a host", 'there is nothing to compare it with: "onevm show"')
            )
        else:
            wanted.append((host_id, vm_id))
    _resync(shell, given, wanted)


def _host_of(vm: dict[str, Any]) -> int | None:
    history = vm.get("HISTORY_RECORDS")
    records = history.get("HISTORY") if isinstance(history, dict) else None
    newest = records[-1] if isinstance(records, list) else records
    return int(newest["HID"]) if newest else None


def _resync(shell: Shell, given: Given, wanted: list[tuple[int, int]]) -> None:
    """Compare hosts, or one VM of each; one that cannot be looked at does not keep the others from it."""
    from trifid.cli.failure import explain
    from trifid.client import ApiError

    applies = given.apply or given.yes
    if applies and given.dry_run:
        raise Failure("--dry-run and --apply do not go together", "without either, nothing is changed")
    found = []
    for host_id, vm_id in wanted:
        try:
            found.append(json.loads(shell.call("trifid.host.resync", host_id, applies, vm_id)))
        except ApiError as refused:
            shell.complain(explain(refused, HOST.command, host_id))
    if given.json:
        shell.say(json.dumps(found, indent=2))
        return
    _tell(shell, found, is_mended=applies, with_wilds=all(vm_id == _NO_VM for _, vm_id in wanted))


def _tell(shell: Shell, found: list[dict[str, Any]], *, is_mended: bool, with_wilds: bool) -> None:
    rows = [{**one, "HOST": host["name"]} for host in found for one in host["differences"]]
    if rows:
        _table(shell, rows, _DIFFERENCES, _DIFFERENCES.default)
        if not is_mended and any(row["becomes"] for row in rows):
            shell.say("\nNothing was changed: --apply lets the VMs be what they were seen to be.")
    elif found:
        shell.say("Nothing differs.")
    wilds = [{**one, "HOST": host["name"]} for host in found for one in host["wilds"]] if with_wilds else []
    if wilds:
        shell.say('\nWild domains, which the engine does not know; "onehost importvm HOST NAME" makes one a VM:')
        _table(shell, wilds, WILD_COLUMNS, f"HOST,{WILD_COLUMNS.default}")


def _table(shell: Shell, rows: list[dict[str, Any]], columns: c.Columns, names: str) -> None:
    shell.say(c.table(rows, columns.named(names), c.View(now=shell.now()), header=True, colour=has_colours()))


def _import(shell: Shell, given: Given) -> None:
    shell.made(VM, shell.call("trifid.host.import_vm", given.host, given.name))


HOST_ROWS = (
    Command(
        "resync",
        "Compare what hosts really run with what the engine believes; with --apply mend it.",
        (Argument("HOST", HOST, many=True),),
        run=_resync_hosts,
        options=_OPTIONS,
        more=_MORE,
        examples=("resync host1", "resync 0,2..4 --apply"),
    ),
    Command(
        "importvm",
        "Make a running VM of a wild domain, by the name that its hypervisor gives it.",
        (Argument("HOST", HOST), Argument("NAME")),
        run=_import,
        more=(
            'Wild domains are in "onehost show HOST".  The domain goes on as it is; its VM can be rebooted, powered '
            "off, resumed and terminated.  Its disks are not the engine's, and are never deleted."
        ),
        examples=("importvm host1 database",),
    ),
)
VM_ROWS = (
    Command(
        "resync",
        "Compare VMs, or all hosts, with what hypervisors really run; with --apply mend it.",
        (Argument("VM", VM, many=True, optional=True),),
        run=_resync_vms,
        options=_OPTIONS,
        more=_MORE,
        examples=("resync", "resync 3,5 --apply"),
    ),
)
