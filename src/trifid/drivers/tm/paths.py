"""Which paths a transfer may read, write and remove.

A VM's disks are in DATASTORES/<datastore>/<vm>, what is kept of it in HOME/vms/<vm>, images of the catalogue
in the directory of their datastore; a transfer writes and removes nothing elsewhere, and does not read what
belongs to the engine or to another VM.
"""

import os
import re
from pathlib import Path

from trifid.core.vm.outside import is_image_name
from trifid.core.vm.transfer import COPY_SUFFIX, STOPPED_FILES
from trifid.drivers.kit import Failure

DIRECTORY_MODE = 0o751
"""Of a VM's directory: a hypervisor that runs as another user passes through, and sees no names."""
ENGINES_OWN = ("vms", "log", "drivers", "dummy")
"""Directories of the engine's home that hold no images; nor do its top, and what begins with a dot."""
PART_SUFFIX = ".part"
"""Of a file that is not complete yet."""
_KEPT = "vms"
"""Directory of what is kept of VMs on the front-end."""
_DISK_NAME = re.compile(r"disk\.[0-9]{1,9}", re.ASCII)


def path_of(operand: str) -> Path:
    """Return the path in `machine:path` or `path`; all machines see it under one name.

    Raises:
        Failure: not absolute, or with `..` in it.
    """
    text = operand if operand.startswith("/") else operand.partition(":")[2]
    path = Path(text)
    if not text.startswith("/") or ".." in path.parts or "\0" in text:
        raise Failure("expected machine:/path without ..")
    return path


def vm_directory(path: Path, vm_id: int) -> Path:
    """Return the VM's directory that a path is, or is directly in.

    Raises:
        Failure: it is neither …/<datastore number>/<vm> nor …/vms/<vm>, nor a file in one of these.
    """
    for directory in (path, path.parent):
        above = directory.parent.name
        if directory.name == str(vm_id) and (above == _KEPT or _is_number(above)) and len(directory.parts) > 3:
            return directory
    raise Failure(f"it is not in a directory of vm {vm_id}, expected …/DATASTORE/{vm_id}")


def vm_directory_itself(path: Path, vm_id: int, datastore_id: int) -> Path:
    """Return a path that is the VM's directory in a datastore.

    Raises:
        Failure: it is anything else.
    """
    if path.parts[-2:] != (str(datastore_id), str(vm_id)) or len(path.parts) < 4:
        raise Failure(f"it is not the directory of vm {vm_id} in datastore {datastore_id}, nothing is removed")
    return path


def vm_disk(path: Path, vm_id: int, datastore_id: int) -> Path:
    """Return a path that is one disk in the VM's directory in a datastore.

    Raises:
        Failure: it is anything else, or the directory is a link.
    """
    directory = vm_directory_itself(path.parent, vm_id, datastore_id)
    if not is_disk_name(path.name):
        raise Failure("it is not a disk, expected …/disk.NUMBER")
    if directory.is_symlink():
        raise Failure(f"{directory} is a symbolic link, expected a directory")
    return path


def vm_disk_or_copy(path: Path, vm_id: int, datastore_id: int) -> Path:
    """Return a path that is one disk, or a copy of one, in the VM's directory in a datastore.

    Raises:
        Failure: as vm_disk.
    """
    vm_disk(path.with_suffix("") if is_copy_name(path.name) else path, vm_id, datastore_id)
    return path


def is_disk_name(name: str) -> bool:
    """Tell whether a file is called as a disk is."""
    return _DISK_NAME.fullmatch(name) is not None


def image(operand: str) -> Path:
    """Return the path of an image of the catalogue, which may be written: a name that only the engine gives.

    Raises:
        Failure: it is anything else, a link, or the directory of its datastore is not there.
    """
    path = path_of(operand)
    if not is_image_name(path.name):
        raise Failure(f"{path} is not an image of the catalogue, expected …/DATASTORE/NAME of 32 hexadecimal digits")
    if path.is_symlink():
        raise Failure(f"{path} is a symbolic link, expected an image")
    if not path.parent.is_dir():
        raise Failure(f"{path.parent} is not there: is the image datastore mounted?")
    return path


def snapshots_of(disk: Path) -> Path:
    """Return the directory of what is kept of a raw disk, or of a raw image of the catalogue."""
    return disk.with_name(disk.name + ".snap")


def base_of(disk: Path) -> Path:
    """Return the link beside a layer that leads to the image it stands on; a disk in one piece has none.

    A guest can write whatever it likes to a raw disk, the head of a qcow2 image over somebody's file, too.  It
    cannot make this link, so what has it is a layer that a transfer made.
    """
    return disk.with_name(disk.name + ".base")


def copy_of(disk: Path) -> Path:
    """Return where the hypervisor leaves a copy of a disk that it made while the VM ran."""
    return disk.with_name(disk.name + COPY_SUFFIX)


def is_copy_name(name: str) -> bool:
    """Tell whether a file is called as such a copy is."""
    return name.endswith(COPY_SUFFIX) and is_disk_name(name.removesuffix(COPY_SUFFIX))


def part_of(path: Path) -> Path:
    """Return what a file is called while it is not complete."""
    return path.with_name(path.name + PART_SUFFIX)


def is_kept(directory: Path) -> bool:
    """Tell whether a VM's directory is the one of what is kept of it on the front-end, and in no datastore."""
    return directory.parent.name == _KEPT


def is_stopped_files(path: Path, vm_id: int) -> bool:
    """Tell whether a path is where the files of a VM wait on the front-end while it is away from its host."""
    return path.parts[-3:] == (_KEPT, str(vm_id), STOPPED_FILES)


def make_directory(directory: Path) -> None:
    """Make a VM's directory if there is none.

    Raises:
        Failure: something else has its name.
        OSError: it cannot be made.
    """
    if directory.is_symlink():
        raise Failure(f"{directory} is a symbolic link, expected a directory")
    if directory.is_dir():
        return
    directory.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    part = part_of(directory)  # so that there is none with another mode, whatever the umask
    part.mkdir(exist_ok=True)
    part.chmod(DIRECTORY_MODE)
    part.rename(directory)


def check_readable(source: Path, directory: Path) -> None:
    """Refuse to hand out the engine's own files and the disks of other VMs; links are followed first.

    Args:
        directory: the VM's, in its datastore.

    Raises:
        Failure: the source belongs to the engine or to another VM.
    """
    real = Path(os.path.realpath(source))
    vm_id = directory.name
    inside = _parts_inside(real, directory.parent)
    others = _parts_inside(real, directory.parent.parent)[1:2] if _is_number(directory.parent.name) else ()
    for above in (inside[:1], others):
        if above and _is_number(above[0]) and above[0] != vm_id and not is_image_name(above[0]):
            raise Failure(f"{source} belongs to vm {above[0]}, it is not given to another")
    if home := os.environ.get("TRIFID_HOME"):
        inside = _parts_inside(real, Path(home))
        is_own = inside[:2] == ("vms", vm_id)
        if inside and not is_own and (len(inside) == 1 or inside[0].startswith(".") or inside[0] in ENGINES_OWN):
            raise Failure(f"{source} belongs to the engine, it is not given to a vm: keep images in a directory apart")


def _parts_inside(real: Path, directory: Path) -> tuple[str, ...]:
    """Return the parts of a path below a directory, none when it is elsewhere."""
    above = Path(os.path.realpath(directory))
    return real.relative_to(above).parts if real.is_relative_to(above) else ()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
