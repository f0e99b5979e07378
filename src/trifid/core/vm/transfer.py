"""The lines of transfer scripts: what a transfer driver does to a VM's disks.

One command a line, operands apart by one blank, files as `machine:path`, the VM's and the datastore's
number last.  Nothing needs quoting: paths with blanks are refused with the template.

Source: reference/drivers.md §4.1 (which lines, in which order), §4.3 (their modern form).
"""

from collections.abc import Callable, Iterator

import msgspec

from trifid.core.vm.record import VM, HistoryRecord

_SWAP_MIB = "1"
_NO_FILE_SYSTEM = "raw"


class _Place(msgspec.Struct, frozen=True):
    """What the lines of one script have in common; see transfer_lines."""

    tm: str
    frontend: str
    datastores: str
    vm_files: str


def transfer_lines(vm: VM, operation: str, *, tm: str, frontend: str, datastores: str, vm_files: str) -> list[str]:
    """Return the lines of a transfer script for the VM's newest stay on a host.

    Args:
        vm: its template is prepared: every DISK has its DISK_ID, TYPE, CLONE and SAVE, CONTEXT its DISK_ID.
        operation: prolog, epilog, migrate (from the stay before to the newest) or delete.
        tm: name of the transfer driver.
        frontend: how scripts call the machine that the engine runs on.
        datastores: directory of the datastores, on every host.
        vm_files: directory of the VM's files on the front-end: context.sh, and saved disks.
    """
    return list(_OPERATIONS[operation](vm, _Place(tm, frontend, datastores, vm_files)))


def _prolog(vm: VM, place: _Place) -> Iterator[str]:
    for disk in vm.template.vectors("DISK"):
        yield _line(vm, *_disk_comes(disk, place), _at(vm, vm.current, place, disk))
    if context := vm.template.vector("CONTEXT"):
        files = context.get("FILES", "").split()
        context_sh = f"{place.vm_files}/context.sh"
        yield _line(vm, "CONTEXT", place.tm, context_sh, *files, _at(vm, vm.current, place, context))


def _disk_comes(disk: dict[str, str], place: _Place) -> tuple[str, ...]:
    """Return the command that makes a disk, up to where it is put."""
    kind = disk["TYPE"].upper()
    if kind == "SWAP":
        return ("MKSWAP", place.tm, disk.get("SIZE") or _SWAP_MIB)
    if kind == "FS":
        return ("MKIMAGE", place.tm, disk["SIZE"], _file_system(disk))
    source = disk["SOURCE"]
    command = "LN" if disk["CLONE"].upper() == "NO" else "CLONE"
    return (command, place.tm, source if ":" in source else f"{place.frontend}:{source}")


def _file_system(disk: dict[str, str]) -> str:
    """Return what a new disk holds: FORMAT (1.4), or FS where FORMAT only tells the image's format (modern)."""
    named = disk.get("FORMAT", "").lower()
    if named in ("", _NO_FILE_SYSTEM):
        return disk.get("FS", "").lower() or _NO_FILE_SYSTEM
    return named


def _epilog(vm: VM, place: _Place) -> Iterator[str]:
    for disk in vm.template.vectors("DISK"):
        if disk["SAVE"].upper() == "YES":
            saved = f"{place.frontend}:{place.vm_files}/disk.{disk['DISK_ID']}"
            yield _line(vm, "MV", place.tm, _at(vm, vm.current, place, disk), saved)
    yield from _delete(vm, place)


def _migrate(vm: VM, place: _Place) -> Iterator[str]:
    disks = vm.template.vectors("DISK") + [context for context in [vm.template.vector("CONTEXT")] if context]
    for disk in disks:
        yield _line(vm, "MV", place.tm, _at(vm, vm.previous, place, disk), _at(vm, vm.current, place, disk))
    yield _line(vm, "MV", place.tm, _at(vm, vm.previous, place), _at(vm, vm.current, place))


def _delete(vm: VM, place: _Place) -> Iterator[str]:
    yield _line(vm, "DELETE", place.tm, _at(vm, vm.current, place))


_OPERATIONS: dict[str, Callable[[VM, _Place], Iterator[str]]] = {
    "prolog": _prolog,
    "epilog": _epilog,
    "migrate": _migrate,
    "delete": _delete,
}


def _at(vm: VM, record: HistoryRecord, place: _Place, disk: dict[str, str] | None = None) -> str:
    """Return `host:path` of the VM's directory during a stay, or of a disk in it."""
    directory = f"{record.hostname}:{place.datastores}/{record.datastore_id}/{vm.id}"
    return f"{directory}/disk.{disk['DISK_ID']}" if disk else directory


def _line(vm: VM, *words: str) -> str:
    return " ".join([*words, str(vm.id), str(vm.current.datastore_id)])
