"""What a file that is to become an image is: raw or qcow2, and how large a disk.

It is read here, from its first and last bytes; QEMU is never asked to guess.  What is neither raw nor qcow2 is refused
by its magic number, since as a raw disk it would be of no use, and a hypervisor that guesses would follow it.

Source: the formats' own descriptions, as far as their magic numbers: qcow2, VMDK, VHD, VHDX, VDI, QED, LUKS, DMG,
Parallels, cloop, Bochs.
"""

import os
import stat
from typing import BinaryIO

import msgspec

from trifid.drivers.ds import qcow2
from trifid.drivers.kit import Failure
from trifid.drivers.tm.files import in_mib

HEAD_BYTES = 1 << 16
TAIL_BYTES = 512
FORMATS = ("raw", "qcow2")
FILES = ("KERNEL", "RAMDISK", "CONTEXT")
"""Kinds of images that are plain files and no disks: nothing in them matters here."""
CDROM = "CDROM"
MIB = 1 << 20

_DISKS = {
    (0, b"KDMV"): "VMDK",
    (0, b"COWD"): "VMDK",
    (0, b"# Disk DescriptorFile"): "VMDK",
    (0, b"conectix"): "VHD",
    (0, b"vhdxfile"): "VHDX",
    (0x40, b"\x7f\x10\xda\xbe"): "VDI",
    (0x40, b"\xbe\xda\x10\x7f"): "VDI",
    (0, b"QED\0"): "QED",
    (0, b"LUKS\xba\xbe"): "LUKS",
    (0, b"WithoutFreeSpace"): "Parallels",
    (0, b"WithouFreSpacExt"): "Parallels",
    (0, b"#!/bin/sh\n#V2.0 Format\n"): "cloop",
    (0, b"Bochs Virtual HD Image"): "Bochs",
}
_ARCHIVES = {b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip", b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "rar"}
_LAST = {b"conectix": "VHD", b"koly": "DMG"}


class Found(msgspec.Struct, frozen=True):
    """What it is.

    Attributes:
        format: raw or qcow2.
        size: of the disk, bytes.
    """

    format: str
    size: int

    @property
    def size_mib(self) -> int:
        """Its size in whole MiB, at least 1."""
        return mib(self.size)


def mib(size: int) -> int:
    """Return a number of bytes as MiB, rounded up, at least 1."""
    return max(1, -(-size // MIB))


def look(head: bytes, tail: bytes, file_bytes: int | None, kind: str, stated: str) -> Found:
    """Say what a file is.

    Args:
        head, tail: its first 64 KiB and its last 512 bytes, or what there is; no tail when it is not known yet.
        file_bytes: its size, None when it is not known yet.
        kind: of image that it is to become.
        stated: the format that its owner says; empty = find out.

    Raises:
        Failure: it is no image that is taken, or it is not what its owner says.
    """
    if stated not in ("", *FORMATS):
        raise Failure(f"format {stated[:40]} is not known, expected raw or qcow2")
    size = file_bytes or 0
    if kind in FILES:
        return Found("raw", size)
    is_qcow2 = head.startswith(qcow2.MAGIC)
    if stated == "qcow2" and not is_qcow2:
        raise Failure("it is said to be qcow2, and does not begin as one: leave FORMAT out or say raw")
    if is_qcow2:
        if stated == "raw" or kind == CDROM:
            said = "is for a CDROM, which is raw" if kind == CDROM else "is said to be raw"
            raise Failure(
                f"it {said}, and it begins as a qcow2 image does, so that whoever opens it may take it for one: "
                "say qcow2, or qemu-img convert -O raw"
            )
        return Found("qcow2", qcow2.virtual_size(head, file_bytes))
    _refuse_others(head, tail)
    if file_bytes == 0:
        raise Failure("it is empty")
    return Found("raw", size)


def look_at(file: BinaryIO, kind: str, stated: str) -> Found:
    """Say what an open file is.

    Raises:
        Failure: as `look`.
        OSError: it cannot be read.
    """
    size = os.fstat(file.fileno()).st_size
    head = os.pread(file.fileno(), HEAD_BYTES, 0)
    return look(head, os.pread(file.fileno(), TAIL_BYTES, max(0, size - TAIL_BYTES)), size, kind, stated)


def check_size(size: int, size_mib_max: int) -> None:
    """Refuse what is larger than is taken; 0 = anything is.

    Raises:
        Failure: with both sizes.
    """
    if size_mib_max and size > size_mib_max * MIB:
        raise Failure(f"it has {in_mib(size)}, no more than {size_mib_max} MiB are taken (LIMIT_MB of the datastore)")


def is_regular(descriptor: int) -> bool:
    """Tell whether it is a plain file."""
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def _refuse_others(head: bytes, tail: bytes) -> None:
    name = next((name for (at, magic), name in _DISKS.items() if head.startswith(magic, at)), "")
    name = name or next((name for magic, name in _LAST.items() if magic in (tail[:4], tail[:8], tail[1:9])), "")
    if name:
        raise Failure(f"it is a {name} image, expected raw or qcow2: convert it with qemu-img convert -O qcow2")
    archive = next((name for magic, name in _ARCHIVES.items() if head.startswith(magic)), "")
    if archive:
        raise Failure(
            f"it is packed with {archive}, expected a disk: unpack it first, or pack it with gzip, xz or bzip2"
        )
