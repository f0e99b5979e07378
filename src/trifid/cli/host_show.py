"""`onehost show`: one host, told to people."""

from typing import Any

from trifid.cli import columns as c
from trifid.cli.figures import full_moment, memory, share
from trifid.cli.host_failure import print_signs
from trifid.cli.host_resync import WILD_COLUMNS, wilds_of
from trifid.cli.kinds import VM
from trifid.cli.listing import has_colours, pairs, print_template, section
from trifid.cli.shell import Shell
from trifid.cli.vm_columns import VM_COLUMNS
from trifid.core import wild
from trifid.core.host import HostState
from trifid.wire.elements import numbers, several

_TRIED_AGAIN = "mend what it names; the host is tried again by itself"
_TROUBLES, _TROUBLE = "PROBE_TROUBLES", "; probe "
_OWN_COLUMNS = "ID,USER,GROUP,NAME,STAT,CPU,MEM,TIME"
_NOT_SHOWN = {"ERROR", "PCI", "FENCED", *wild.NAMES}
_DEVICE_COLUMNS = c.Columns(
    "PCI devices",
    "VM,ADDR,TYPE,NAME",
    (
        c.Column("VM", 6, "the VM that has it", lambda row, view: "" if int(row["VMID"]) < 0 else row["VMID"]),
        c.Column("ADDR", 12, "where on the host it is", c.text("ADDRESS"), left=True),
        c.Column("TYPE", 14, "vendor, device and class", c.text("TYPE"), left=True),
        c.Column("NAME", 40, "what it is called", c.text("DEVICE_NAME"), left=True),
    ),
)


def print_host(shell: Shell, host: dict[str, Any]) -> None:
    """Print everything about a host: how it is, what room it has, which VMs are on it."""
    section(shell, f"HOST {host['ID']} INFORMATION")
    attributes = host.get("TEMPLATE") or {}
    error = attributes.get("ERROR")
    pairs(
        shell,
        {
            "ID": host["ID"],
            "NAME": host["NAME"],
            "CLUSTER": host.get("CLUSTER"),
            "STATE": _state(int(host["STATE"])),
            "IM_MAD": host.get("IM_MAD"),
            "VM_MAD": host.get("VM_MAD"),
            "LAST SEEN": full_moment((host.get("MONITORING") or {}).get("TIMESTAMP")),
        },
    )
    if error and int(host["STATE"]) == HostState.ERROR:
        is_fenced = attributes.get("FENCED") == "YES"
        after = f"onehost enable {host['ID']}, once it is well" if is_fenced else _TRIED_AGAIN
        pairs(shell, {"WHY": error, "NEXT": after})
    print_signs(shell, int(host["ID"]))
    _print_room(shell, host)
    _print_measures(shell, (host.get("MONITORING") or {}).get("SYSTEM"))
    _print_vms(shell, numbers(host.get("VMS")))
    _print_devices(shell, host)
    _print_wilds(shell, wilds_of(host))
    shown = {name: value for name, value in attributes.items() if name not in _NOT_SHOWN}
    print_template(shell, "HOST ATTRIBUTES", shown)


def _state(number: int) -> str:
    try:
        return HostState(number).name
    except ValueError:
        return str(number)


def _print_room(shell: Shell, host: dict[str, Any]) -> None:
    def figure(path: str) -> float:
        return c.number(path)(host, c.View())

    section(shell, "HOST SHARES")
    asked_cpu, max_cpu = figure("HOST_SHARE/CPU_USAGE"), figure("HOST_SHARE/MAX_CPU")
    asked_kib, max_kib = figure("HOST_SHARE/MEM_USAGE"), figure("HOST_SHARE/MAX_MEM")
    pairs(
        shell,
        {
            "RUNNING VMS": f"{figure('HOST_SHARE/RUNNING_VMS'):g}",
            "CPU KEPT FOR VMS": share(asked_cpu, max_cpu, f"{asked_cpu:g}", f"{max_cpu:g}"),
            "MEMORY KEPT FOR VMS": share(asked_kib, max_kib, memory(asked_kib), memory(max_kib)),
            "CPU USED": f"{figure('MONITORING/CAPACITY/USED_CPU'):g} of {figure('HOST_SHARE/TOTAL_CPU'):g}",
            "MEMORY USED": f"{memory(figure('MONITORING/CAPACITY/USED_MEMORY'))} of "
            f"{memory(figure('HOST_SHARE/TOTAL_MEM'))}",
        },
    )


def _print_measures(shell: Shell, told: Any) -> None:
    """Print what the probes measured beside CPU and memory, and each that had trouble on a line of its own."""
    measures = dict(told) if isinstance(told, dict) else {}
    troubles = measures.pop(_TROUBLES, "")
    print_template(shell, "HOST MONITORING", measures)
    if troubles:
        section(shell, "PROBES IN TROUBLE")
        shell.say(str(troubles).replace(_TROUBLE, "\nprobe "))


def _print_vms(shell: Shell, ids: list[int]) -> None:
    if not ids:
        return
    section(shell, "VIRTUAL MACHINES")
    vms = [vm for vm in shell.all(VM) if int(vm["ID"]) in set(ids)]
    shell.say(c.table(vms, VM_COLUMNS.named(_OWN_COLUMNS), c.View(now=shell.now()), header=True, colour=has_colours()))


def _print_devices(shell: Shell, host: dict[str, Any]) -> None:
    found = ((host.get("HOST_SHARE") or {}).get("PCI_DEVICES") or {}).get("PCI")
    if devices := several(found):
        section(shell, "PCI DEVICES")
        shown = _DEVICE_COLUMNS.named(_DEVICE_COLUMNS.default)
        shell.say(c.table(devices, shown, c.View(now=shell.now()), header=True, colour=has_colours()))


def _print_wilds(shell: Shell, wilds: list[dict[str, Any]]) -> None:
    if wilds:
        section(shell, "WILD VMS")
        chosen = WILD_COLUMNS.named(WILD_COLUMNS.default)
        shell.say(c.table(wilds, chosen, c.View(now=shell.now()), header=True, colour=has_colours()))
