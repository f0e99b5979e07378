"""What qemu-img says and does about qcow2 images.  The format is always told; it is never asked to guess.

Of an image that somebody brought it reads under limits of time, memory and files, since its numbers are not ours.
"""

import os
from pathlib import Path

import msgspec

from trifid.drivers.kit import Failure, Request
from trifid.drivers.tm.images import name_in_image

WALL_TIME_S = 60.0
CPU_TIME_S = 30
MEMORY_BYTES = 1 << 30
_LIMITED = (
    *("env", "-i", f"PATH={os.environ.get('PATH', os.defpath)}", "LC_ALL=C"),
    *("prlimit", f"--cpu={CPU_TIME_S}", f"--as={MEMORY_BYTES}", "--fsize=0", "--core=0", "--nofile=64", "--"),
)


class _Kept(msgspec.Struct):
    name: str


class _Details(msgspec.Struct):
    data_file: str = msgspec.field(default="", name="data-file")
    corrupt: bool = False


class _OfFormat(msgspec.Struct):
    data: _Details = msgspec.field(default_factory=_Details)


class Info(msgspec.Struct):
    """What qemu-img tells about an image."""

    size: int = msgspec.field(name="virtual-size")
    snapshots: list[_Kept] = []
    backing: str = msgspec.field(default="", name="backing-filename")
    encrypted: bool = False
    specific: _OfFormat = msgspec.field(default_factory=_OfFormat, name="format-specific")

    def has(self, snapshot_id: int) -> bool:
        """Tell whether it keeps a snapshot of a disk."""
        return name_in_image(snapshot_id) in [one.name for one in self.snapshots]


def verify(request: Request, image: str, size: int) -> None:
    """Have QEMU read an image that was looked at here, and compare.

    Args:
        size: bytes of the disk, as its header says.

    Raises:
        Failure: QEMU cannot read it within its limits, or sees another thing than was seen here.
    """
    try:
        info = _info(request.run(*_LIMITED, *_asked(image), timeout_s=WALL_TIME_S))
    except Failure as failure:
        raise Failure(f"QEMU does not read it: {failure}") from failure
    if info.backing or info.specific.data.data_file or info.encrypted or info.snapshots or info.specific.data.corrupt:
        raise Failure("QEMU sees in it what its header does not say: bring it anew, qemu-img convert -O qcow2")
    if info.size != size:
        raise Failure(f"QEMU sees a disk of {info.size} bytes where its header says {size}")


def info_of(request: Request, image: Path) -> Info:
    """Return what an image of the datastore has.

    Raises:
        Failure: it cannot be read.
    """
    return _info(request.run(*_asked(str(image))))


def make(request: Request, image: str, size: int) -> None:
    """Make an empty image of so many bytes.

    Raises:
        Failure: it cannot be made.
    """
    request.run("qemu-img", "create", "-q", "-f", "qcow2", image, str(size))


def convert(request: Request, source: Path, source_format: str, image: str) -> None:
    """Make an image of what is in another one as it is now, without its snapshots.

    Raises:
        Failure: it cannot be made.
    """
    request.run("qemu-img", "convert", "-q", "-f", source_format, "-O", "qcow2", str(source), image)


def resize(request: Request, image: str, size: int) -> None:
    """Make the disk so many bytes large.

    Raises:
        Failure: it cannot be made so.
    """
    request.run("qemu-img", "resize", "-q", "-f", "qcow2", image, str(size))


def snapshot(request: Request, option: str, name: str, image: Path) -> None:
    """Apply (-a) or delete (-d) a snapshot in an image.

    Raises:
        Failure: it cannot be done.
    """
    driver = f"driver=qcow2,file.driver=file,file.filename={str(image).replace(',', ',,')}"
    request.run("qemu-img", "snapshot", "-q", option, name, "--image-opts", driver)


def _asked(image: str) -> tuple[str, ...]:
    return ("qemu-img", "info", "-f", "qcow2", "--output=json", image)


def _info(told: str) -> Info:
    try:
        return msgspec.json.decode(told, type=Info)
    except msgspec.MsgspecError as fault:
        raise Failure(f"qemu-img info said what is not known here: {fault}") from fault
