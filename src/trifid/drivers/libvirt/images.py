"""Looks into the images of a VM before a hypervisor opens them.

A qcow2 file may name other files of the host, as its backing file or as the place of its data; a user
who brings his own image could read anything with it.  So an image must hold all of its data itself.

Source: the qcow2 format (qemu's docs/interop/qcow2.txt), header fields backing_file_offset and
incompatible_features.
"""

import contextlib
import os
import struct
from collections.abc import Iterable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from trifid.drivers.kit import Failure

MAGIC = b"QFI\xfb"
_HEADER = struct.Struct(">4sIQ")
_INCOMPATIBLE_AT = 72
_EXTERNAL_DATA = 1 << 2


def check_images(domain_xml: str) -> list[str]:
    """Check every image file of a domain on this machine; return what its owner should know.

    Raises:
        Failure: an image leads to other files.
        OSError: a qcow2 image cannot be read.
    """
    return check_disks(ElementTree.fromstring(domain_xml).iterfind("devices/disk"))  # noqa: S314 (our own text)


def check_disks(disks: Iterable[Element]) -> list[str]:
    """Do the same for disks of a domain."""
    hints = []
    for path, image_format in _images(disks):
        if image_format == "qcow2":
            _refuse_references(path, _header(path))
            continue
        with contextlib.suppress(PermissionError):  # it belongs to QEMU's user by now
            if _header(path).startswith(MAGIC):
                hints.append(f"{path} looks like qcow2 and is attached as raw: say DRIVER=qcow2 if that is wrong")
    return hints


def is_qcow2(path: str) -> bool:
    """Tell whether a file is a qcow2 image, by its first bytes: a guest that forges them on a raw disk harms its own.

    Raises:
        Failure: it leads to other files.
        OSError: it cannot be read.
    """
    header = _header(path)
    _refuse_references(path, header)
    return header.startswith(MAGIC)


def _images(disks: Iterable[Element]) -> Iterable[tuple[str, str]]:
    for disk in disks:
        driver, source = disk.find("driver"), disk.find("source")
        if driver is not None and source is not None:
            yield source.get("file") or source.get("dev") or "", driver.get("type", "")


def _header(path: str) -> bytes:
    try:
        image = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""  # libvirt has the right words for it
    try:
        return os.read(image, _INCOMPATIBLE_AT + 8)
    finally:
        os.close(image)


def _refuse_references(path: str, header: bytes) -> None:
    if len(header) < _INCOMPATIBLE_AT + 8 or not header.startswith(MAGIC):
        return
    _, version, backing_file_at = _HEADER.unpack_from(header)
    if backing_file_at:
        raise Failure(f"{path} is a layer over a backing file: bring it in one piece, qemu-img convert -O qcow2")
    if version >= 3 and int.from_bytes(header[_INCOMPATIBLE_AT:]) & _EXTERNAL_DATA:
        raise Failure(f"{path} keeps its data in another file: bring it in one piece, qemu-img convert -O qcow2")
