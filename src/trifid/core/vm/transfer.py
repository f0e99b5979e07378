"""The lines of transfer scripts: what a transfer driver does to a VM's disks.

One command a line, operands apart by one blank, files as `machine:path`, the VM's and the datastore's
number last.  Nothing needs quoting: paths with blanks are refused with the template.

Source: reference/drivers.md §4.1 (which lines, in which order), §4.3 (their modern form).  Where we differ
on purpose: a migration copies (CP), and what is on the source is removed (CLEAN) only once the VM was seen
to run on the target; both commands are told both places, since only the driver knows whether these are one.
"""

import string
from collections.abc import Callable, Iterable, Iterator

import msgspec

from trifid.core.template.types import IMAGE_FORMATS
from trifid.core.vm.record import VM, HistoryRecord
from trifid.core.vm.states import VmState

STOPPED_FILES = "images"
"""Directory among the VM's files on the front-end that its disks wait in while it is away from its host."""

COPY_SUFFIX = ".copy"
"""Of the copy of a running VM's disk that its hypervisor makes beside it (COPYDISK)."""

_SWAP_MIB = "1"
_MADE_EMPTY, _RAW = ("FS", "SWAP"), "raw"
"""Disks that are made as raw (core/template/prepare.py): what a guest writes to one does not make it another."""
_NO_FILE_SYSTEM = "raw"
_BOOTED = ("kernel", "initrd")
"""Roles of files that lie beside the VM's disks under these names."""

_PLAIN = frozenset(string.ascii_letters + string.digits + "._-")

Vector = dict[str, str]


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
            A disk that comes or goes is marked ATTACH=YES, one that grows RESIZE=YES (core/vm/changes.py).
        operation: the verb of a transfer action (core/vm/row.py): prolog, migrate, attach …
        tm: name of the transfer driver.
        frontend: how scripts call the machine that the engine runs on.
        datastores: directory of the datastores, on every host.
        vm_files: directory of the VM's files on the front-end: context.sh, and saved disks.
    """
    if vm.is_imported:
        return []  # whatever lies in a directory of its number is not its own
    return list(_OPERATIONS[operation](vm, _Place(tm, frontend, datastores, vm_files)))


def head_lines(vm: VM, user_paths: Iterable[str] = ()) -> list[str]:
    """Return the lines of a script's head that say what the source of each disk is, as far as that is known.

    Its format: transfer drivers must not find it out by themselves, since a guest writes what it likes to the first
    bytes of a raw disk.  Whether it is an image of the catalogue.  Then which directories no file that is named in
    one of them may lead out of: whoever may write there could let a symbolic link lead to what is others'.

    Args:
        user_paths: the engine's setting of that name: directories, and prefixes of URLs, which do not matter here.
    """
    disks = [f"# trifid disk {disk['DISK_ID']} {told}" for disk in vm.template.vectors("DISK") for told in _told(disk)]
    directories = [place.rstrip("/") for place in user_paths if place.startswith("/")]
    return [*disks, *(f"# trifid within {directory or '/'}" for directory in directories)]


def _told(disk: Vector) -> Iterator[str]:
    if stated := format_of(disk):
        yield stated
    if disk.get("IMAGE_ID"):
        yield "image"


def format_of(disk: Vector) -> str:
    """Return the format of a disk's source, raw or qcow2; empty when nobody told."""
    if disk.get("TYPE", "").upper() in _MADE_EMPTY:
        return _RAW
    for key in ("DRIVER", "FORMAT"):
        if disk.get(key, "").lower() in IMAGE_FORMATS:
            return disk[key].lower()
    return ""


# -- a stay begins and ends ----------------------------------------------------------------------------


def _prolog(vm: VM, place: _Place) -> Iterator[str]:
    for disk in vm.template.vectors("DISK"):
        yield from _disk_comes(vm, disk, place)
    for file in vm.files:
        if file.role in _BOOTED:
            source, target = f"{place.frontend}:{file.source}", f"{_at(vm, vm.current, place)}/{file.role}"
            yield _line(vm, "CLONE", place.tm, source, target)
    yield from _context(vm, place)


def _disk_comes(vm: VM, disk: Vector, place: _Place) -> Iterator[str]:
    """Yield the commands that make a disk."""
    kind, target = disk["TYPE"].upper(), _at(vm, vm.current, place, disk)
    if kind == "SWAP":
        yield _line(vm, "MKSWAP", place.tm, disk.get("SIZE") or _SWAP_MIB, target)
        return
    if kind == "FS":
        yield _line(vm, "MKIMAGE", place.tm, disk["SIZE"], _file_system(disk), target)
        return
    source = disk["SOURCE"]
    command = "LN" if disk["CLONE"].upper() == "NO" else "CLONE"
    yield _line(vm, command, place.tm, source if ":" in source else f"{place.frontend}:{source}", target)
    size = disk.get("SIZE", "")
    if disk.get("ORIGINAL_SIZE") and size != disk["ORIGINAL_SIZE"]:
        yield _line(vm, "RESIZE", place.tm, target, size)


def _file_system(disk: Vector) -> str:
    """Return what a new disk holds: FORMAT (1.4), or FS where FORMAT only tells the image's format (modern)."""
    named = disk.get("FORMAT", "").lower()
    if named in ("", _NO_FILE_SYSTEM, "qcow2"):
        return disk.get("FS", "").lower() or _NO_FILE_SYSTEM
    return named


def _context(vm: VM, place: _Place) -> Iterator[str]:
    if context := vm.template.vector("CONTEXT"):
        files = context.get("FILES", "").split()
        files += [f"{place.frontend}:{file.source}#{_quoted(file.name)}" for file in vm.files if file.role == "context"]
        context_sh = f"{place.vm_files}/context.sh"
        yield _line(vm, "CONTEXT", place.tm, context_sh, *files, _at(vm, vm.current, place, context))


def _quoted(name: str) -> str:
    """Return a name as one word: everything but letters, digits and ._- as %XX of its UTF-8 bytes (RFC 3986 §2.1)."""
    return "".join(chr(byte) if chr(byte) in _PLAIN else f"%{byte:02X}" for byte in name.encode())


def _epilog(vm: VM, place: _Place) -> Iterator[str]:
    for disk in vm.template.vectors("DISK"):
        yield from _saved(vm, disk, place)
    yield from _delete(vm, place)


def _saved(vm: VM, disk: Vector, place: _Place) -> Iterator[str]:
    if disk.get("PERSISTENT") == "YES":
        image = f"{place.frontend}:{disk['SOURCE']}"
        yield _line(vm, "MVDS", place.tm, _at(vm, vm.current, place, disk), image)
    elif disk["SAVE"].upper() == "YES":
        saved = f"{place.frontend}:{place.vm_files}/disk.{disk['DISK_ID']}"
        yield _line(vm, "MV", place.tm, _at(vm, vm.current, place, disk), saved)


def _delete(vm: VM, place: _Place) -> Iterator[str]:
    return _deleted(vm, place, vm.history[-1:])


def _delete_both(vm: VM, place: _Place) -> Iterator[str]:
    return _deleted(vm, place, vm.history[-2:])


def _deleted(vm: VM, place: _Place, stays: tuple[HistoryRecord, ...]) -> Iterator[str]:
    """Yield what removes the directories of these stays, newest first; and what moves may have left in older ones.

    The latter, TIDY, is not waited for: a host of long ago may never answer again.
    """
    gone = dict.fromkeys((stay.hostname, stay.datastore_id) for stay in reversed(stays))
    older = dict.fromkeys((stay.hostname, stay.datastore_id) for stay in reversed(vm.history))
    for word, places in (("DELETE", gone), ("TIDY", [of for of in older if of not in gone])):
        for hostname, datastore_id in places:
            directory = f"{hostname}:{place.datastores}/{datastore_id}/{vm.id}"
            yield f"{word} {place.tm} {directory} {vm.id} {datastore_id}"


# -- from place to place -------------------------------------------------------------------------------


def _migrate(vm: VM, place: _Place) -> Iterator[str]:
    if not _has_files(vm):
        return
    yield _line(vm, "CP", place.tm, _at(vm, vm.previous, place), _at(vm, vm.current, place))


def _clean_source(vm: VM, place: _Place) -> Iterator[str]:
    yield _line(vm, "CLEAN", place.tm, _at(vm, vm.previous, place), _at(vm, vm.current, place))


def _premigrate(vm: VM, place: _Place) -> Iterator[str]:
    """Yield what prepares the target for disks that come while their VM runs.

    Those that it writes to are named with their formats, `0:raw,2:qcow2`, or `-`: they are made empty, as large as
    they are, and everything else is copied.
    """
    disks = filter(is_written, vm.template.vectors("DISK"))
    written = [f"{disk['DISK_ID']}:{format_of(disk) or _RAW}" for disk in disks]
    places = (_at(vm, vm.previous, place), _at(vm, vm.current, place))
    yield _line(vm, "PREMIGRATE", place.tm, *places, ",".join(written) or "-")


def is_written(disk: Vector) -> bool:
    """Tell whether a guest may write to a disk."""
    return disk.get("TYPE", "").upper() != "CDROM" and disk.get("READONLY", "").upper() != "YES"


def _postmigrate(vm: VM, place: _Place) -> Iterator[str]:
    yield _line(vm, "POSTMIGRATE", place.tm, _at(vm, vm.previous, place), _at(vm, vm.current, place))


def _failmigrate(vm: VM, place: _Place) -> Iterator[str]:
    """Yield what removes the target's files: those of the stay before the present one."""
    yield _line(vm, "FAILMIGRATE", place.tm, _at(vm, vm.current, place), _at(vm, vm.previous, place))


def _has_files(vm: VM) -> bool:
    """Tell whether a VM has anything that could be brought away: some have neither disks nor memory that was saved."""
    return bool(vm.template.vectors("DISK") or vm.template.vector("CONTEXT") or vm.files or vm.saved_seq >= 0)


def _stop(vm: VM, place: _Place) -> Iterator[str]:
    if not _has_files(vm):
        return
    yield _line(vm, "MV", place.tm, _at(vm, vm.current, place), _stopped_files(place))


def _resume(vm: VM, place: _Place) -> Iterator[str]:
    """Yield the way back; where MV left everything in its datastore, it comes from that."""
    if not _has_files(vm):
        return
    here = _at(vm, vm.current, place)
    yield _line(vm, "MV", place.tm, _stopped_files(place), here)
    if vm.previous.datastore_id != vm.current.datastore_id:
        yield _line(vm, "MV", place.tm, _at(vm, vm.previous, place), here)
    if vm.state is VmState.PROLOG_UNDEPLOY:  # it boots, so it reads its context, which may have changed
        yield from _grown(vm, place, "GROW")
        yield from _context(vm, place)


def _delete_stopped(vm: VM, place: _Place) -> Iterator[str]:
    yield from _delete(vm, place)
    yield _line(vm, "DELETE", place.tm, _stopped_files(place))


def _stopped_files(place: _Place) -> str:
    return f"{place.frontend}:{place.vm_files}/{STOPPED_FILES}"


# -- one disk ------------------------------------------------------------------------------------------


def _attach(vm: VM, place: _Place) -> Iterator[str]:
    """Yield what makes the marked disk, in the place of what an earlier one of its number may have left."""
    for disk in _marked(vm, "ATTACH"):
        numbers = [other.get("DISK_ID") for _, other in vm.template if isinstance(other, dict)]
        assert numbers.count(disk["DISK_ID"]) == 1, f"vm {vm.id} has two disks {disk['DISK_ID']}"
        yield _disk_goes(vm, disk, place)
        yield from _disk_comes(vm, disk, place)


def _detach(vm: VM, place: _Place) -> Iterator[str]:
    for disk in _marked(vm, "ATTACH"):
        yield from _saved(vm, disk, place)
        yield _disk_goes(vm, disk, place)


def _drop(vm: VM, place: _Place) -> Iterator[str]:
    for disk in _marked(vm, "ATTACH"):
        yield _disk_goes(vm, disk, place)


def _disk_goes(vm: VM, disk: Vector, place: _Place) -> str:
    return _line(vm, "DELETE", place.tm, _at(vm, vm.current, place, disk))


def _resize(vm: VM, place: _Place) -> Iterator[str]:
    return _grown(vm, place, "RESIZE")


def _grown(vm: VM, place: _Place, mark: str) -> Iterator[str]:
    for disk in _marked(vm, mark):
        yield _line(vm, "RESIZE", place.tm, _at(vm, vm.current, place, disk), disk["SIZE"])


def _marked(vm: VM, mark: str) -> Iterator[Vector]:
    return (disk for disk in vm.template.vectors("DISK") if disk.get(mark) == "YES")


def _saveas(vm: VM, place: _Place) -> Iterator[str]:
    """Yield what makes an image of a disk: of a running VM's, of the copy that its hypervisor has just made.

    At any other time such a copy is of an earlier attempt, and not what was asked for.
    """
    suffix = COPY_SUFFIX if vm.state is VmState.HOTPLUG_SAVEAS_FILES else ""
    for disk in _marked(vm, "SAVEAS"):
        image = f"{place.frontend}:{disk['SAVEAS_SOURCE']}"
        of = f"{_at(vm, vm.current, place, disk)}{suffix}"
        yield _line(vm, "CPDS", place.tm, of, image, disk["SAVEAS_SNAPSHOT"])


def _drop_target(vm: VM, place: _Place) -> Iterator[str]:
    """Yield what removes what a move that was given up has left on its target: the stay before the present one."""
    target, here = vm.previous, vm.current
    if (target.hostname, target.datastore_id) != (here.hostname, here.datastore_id):
        yield _line(vm, "CLEAN", place.tm, _at(vm, target, place), _at(vm, here, place))


def _snapshot(command: str) -> Callable[[VM, _Place], Iterator[str]]:
    """Return the operation that does a command to the snapshot that is pending."""

    def operation(vm: VM, place: _Place) -> Iterator[str]:
        for of in vm.disk_snapshots:
            for one in of.snapshots:
                if one.pending:
                    disk = _at(vm, vm.current, place, {"DISK_ID": str(of.disk_id)})
                    yield _line(vm, command, place.tm, disk, str(one.id))

    return operation


_OPERATIONS: dict[str, Callable[[VM, _Place], Iterator[str]]] = {
    "prolog": _prolog,
    "epilog": _epilog,
    "delete": _delete,
    "delete_both": _delete_both,
    "migrate": _migrate,
    "clean_source": _clean_source,
    "premigrate": _premigrate,
    "postmigrate": _postmigrate,
    "failmigrate": _failmigrate,
    "stop": _stop,
    "resume": _resume,
    "delete_stopped": _delete_stopped,
    "attach": _attach,
    "detach": _detach,
    "drop": _drop,
    "resize": _resize,
    "saveas": _saveas,
    "context": _context,
    "drop_target": _drop_target,
    "snap_create": _snapshot("SNAP_CREATE"),
    "snap_revert": _snapshot("SNAP_REVERT"),
    "snap_delete": _snapshot("SNAP_DELETE"),
}


def _at(vm: VM, record: HistoryRecord, place: _Place, disk: Vector | None = None) -> str:
    """Return `host:path` of the VM's directory during a stay, or of a disk in it."""
    directory = f"{record.hostname}:{place.datastores}/{record.datastore_id}/{vm.id}"
    return f"{directory}/disk.{disk['DISK_ID']}" if disk else directory


def _line(vm: VM, *words: str) -> str:
    return " ".join([*words, str(vm.id), str(vm.current.datastore_id)])
