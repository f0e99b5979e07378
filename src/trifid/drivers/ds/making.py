"""Images that are made here: empty ones, with a file system or without, and clones of others."""

import os
from pathlib import Path
from typing import BinaryIO

from trifid.core.template.types import NO_FILE_SYSTEM
from trifid.drivers.ds import own, probe, qcow2, qemu
from trifid.drivers.ds.importing import grow
from trifid.drivers.ds.reserve import need_space, reserve_bytes
from trifid.drivers.kit import Failure, Request
from trifid.drivers.tm import files
from trifid.drivers.tm.commands import MAKERS
from trifid.drivers.tm.work import progress
from trifid.wire.image_action import ImageActionData

SWAP = "swap"
_MAKERS = {**MAKERS, SWAP: ("mkswap",)}


def make(request: Request, data: ImageActionData) -> probe.Found:
    """Make an empty image of SIZE_MIB.

    Raises:
        Failure: what is asked for is not known, is larger than is taken, or it cannot be made.
        OSError: it cannot be written.
    """
    source = own.source_of(data)
    size, image_format, file_system = data.size_mib * probe.MIB, data.format or "raw", data.fs.lower()
    if image_format not in probe.FORMATS:
        raise Failure(f"format {image_format[:40]} is not known, expected raw or qcow2")
    if file_system not in ("", *NO_FILE_SYSTEM, *_MAKERS):
        raise Failure(f"file system {file_system[:40]} is not known, expected one of {', '.join(_MAKERS)}")
    if not 0 < size <= qcow2.SIZE_MAX:
        raise Failure(f"size {data.size_mib} is not a positive number of MiB")
    probe.check_size(size, data.size_mib_max)
    if not source.is_file():
        own.make_base(data)
        with files.arriving(source) as file:
            if image_format == "raw":
                file.truncate(size)
                _format(request, _MAKERS.get(file_system, ()), file.name)
            elif file_system in _MAKERS:
                _layered(request, source, size, _MAKERS[file_system], file)
            else:
                qemu.make(request, file.name, size)
    return probe.Found(image_format, size)


def clone(request: Request, data: ImageActionData) -> probe.Found:
    """Make an image of what is in another one now; the snapshots of that are not taken over.

    Raises:
        Failure: the other one is not there or not known, or there is no space.
        OSError: it cannot be read or written.
    """
    source, original = own.source_of(data), Path(data.clone_source)
    if data.clone_format not in probe.FORMATS:
        raise Failure(f"the format of the image to clone must be raw or qcow2, is {data.clone_format[:40]!r}")
    if not original.is_absolute() or not original.is_file():
        raise Failure(f"{data.clone_source[:200]}: there is no such image to clone")
    if not source.is_file():
        own.make_base(data)
        with files.arriving(source) as file:
            _copy(request, data, original, file)
            if data.kind not in probe.FILES:
                grow(request, data, file, _found(request, Path(file.name), data.clone_format))
    return _found(request, source, data.clone_format)


def _copy(request: Request, data: ImageActionData, original: Path, file: BinaryIO) -> None:
    if data.clone_format == "qcow2" and qemu.info_of(request, original).snapshots:
        need_space(Path(file.name).parent, original.stat().st_blocks * 512)
        qemu.convert(request, original, "qcow2", file.name)
        return
    descriptor = os.open(original, os.O_RDONLY | os.O_CLOEXEC)
    try:
        tell = progress(request, str(original))
        files.copy_into(file, descriptor, tell, reserve_bytes(Path(file.name).parent))
    finally:
        os.close(descriptor)


def _found(request: Request, image: Path, image_format: str) -> probe.Found:
    """Return the size of an image whose format is known: what a guest wrote to it is not asked."""
    size = qemu.info_of(request, image).size if image_format == "qcow2" else image.stat().st_size
    return probe.Found(image_format, size)


def _layered(request: Request, source: Path, size: int, maker: tuple[str, ...], file: BinaryIO) -> None:
    """Make a file system on a plain file, and a qcow2 image of that."""
    scratch = own.scratch_of(source)
    try:
        with scratch.open("wb") as plain:
            plain.truncate(size)
        _format(request, maker, str(scratch))
        qemu.convert(request, scratch, "raw", file.name)
    finally:
        scratch.unlink(missing_ok=True)


def _format(request: Request, maker: tuple[str, ...], path: str) -> None:
    if maker:
        request.run(*maker, "--", path)
