"""Looks into the images of a VM before a hypervisor opens them.

A qcow2 file may name other files of the host, as its backing file or as the place of its data; a user
who brings his own image could read anything with it.  So an image must hold all of its data itself, or be
a layer over just the file that the engine says it is a layer over.

Source: the qcow2 format (qemu's docs/interop/qcow2.txt): the header and its extensions.
"""

import contextlib
import os
import struct
from collections.abc import Iterable, Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import msgspec

from trifid.drivers.kit import Failure

MAGIC = b"QFI\xfb"
BACKING_NAME_MAX = 1023
"""Longest name of a backing file, bytes."""

_HEADER = struct.Struct(">4sIQI")
_HEADER_BYTES = 80
"""Up to and with incompatible_features; the format's version 2 is shorter, but what follows it is there as well."""
_SNAPSHOTS_AT = 60
_INCOMPATIBLE_AT = 72
_LENGTH_AT = 100
_LENGTH_OF_VERSION_2 = 72
_EXTERNAL_DATA = 1 << 2
_BACKING_FORMAT = 0xE2792ACA
_EXTENSIONS_MAX = 1 << 16


class Head(msgspec.Struct, frozen=True):
    """What the head of a qcow2 image tells.

    Attributes:
        backing: name of its backing file, empty when it has none.
        backing_format: format of that file as the header states it, empty when it does not.
        has_data_elsewhere: its data is in another file.
        snapshots: how many it keeps.
    """

    backing: str = ""
    backing_format: str = ""
    has_data_elsewhere: bool = False
    snapshots: int = 0


def check_images(domain_xml: str) -> list[str]:
    """Check every image file of a domain on this machine; return what its owner should know.

    Raises:
        Failure: an image leads to other files than those that the domain names.
        OSError: a qcow2 image cannot be read.
    """
    return check_disks(ElementTree.fromstring(domain_xml).iterfind("devices/disk"))  # noqa: S314 (our own text)


def check_disks(disks: Iterable[Element]) -> list[str]:
    """Do the same for disks of a domain."""
    hints = []
    for disk in disks:
        driver, source, layer = disk.find("driver"), disk.find("source"), disk.find("backingStore")
        if driver is None or source is None:
            continue
        path, image_format = source.get("file") or source.get("dev") or "", driver.get("type", "")
        if layer is not None and layer.get("type"):
            _check_layer(path, *_named(layer))
        elif image_format == "qcow2":
            _refuse_references(path, head_of(path))
        else:
            with contextlib.suppress(PermissionError):  # it belongs to QEMU's user by now
                if head_of(path) is not None:
                    hints.append(f"{path} looks like qcow2 and is attached as raw: say DRIVER=qcow2 if that is wrong")
    return hints


def is_qcow2(path: str) -> bool:
    """Tell whether a file is a qcow2 image, by its first bytes: a guest that forges them on a raw disk harms its own.

    Raises:
        Failure: it leads to other files.
        OSError: it cannot be read.
    """
    head = head_of(path)
    _refuse_references(path, head)
    return head is not None


def head_of(path: str) -> Head | None:
    """Return the head of a qcow2 image; None for any other file, and for one that is not there.

    Raises:
        Failure: the head contradicts itself.
        OSError: it cannot be read.
    """
    try:
        image = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None  # libvirt has the right words for it
    try:
        header = os.read(image, _HEADER_BYTES)
        if not header.startswith(MAGIC):
            return None
        return _head(path, image, header.ljust(_HEADER_BYTES, b"\0"))  # QEMU reads what a file lacks as zeros
    finally:
        os.close(image)


def _head(path: str, image: int, header: bytes) -> Head:
    _, version, backing_at, backing_length = _HEADER.unpack_from(header)
    backing = b""
    if backing_at:
        backing = os.pread(image, min(backing_length, BACKING_NAME_MAX), backing_at)
        if not backing_length or len(backing) != backing_length:
            raise Failure(f"{path} is a layer over a backing file whose name cannot be read")
    return Head(
        backing=os.fsdecode(backing),
        backing_format=_backing_format(image, version),
        has_data_elsewhere=version >= 3 and bool(int.from_bytes(header[_INCOMPATIBLE_AT:]) & _EXTERNAL_DATA),
        snapshots=int.from_bytes(header[_SNAPSHOTS_AT : _SNAPSHOTS_AT + 4]),
    )


def _backing_format(image: int, version: int) -> str:
    at = _LENGTH_OF_VERSION_2
    if version >= 3:
        at = int.from_bytes(os.pread(image, 4, _LENGTH_AT))
    for kind, value in _extensions(os.pread(image, _EXTENSIONS_MAX, at)):
        if kind == _BACKING_FORMAT:
            return value.decode("ascii", errors="replace")
    return ""


def _extensions(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and contents of each header extension; number 0 ends them, each is filled up to 8 bytes."""
    at = 0
    while at + 8 <= len(data):
        kind, length = struct.unpack_from(">II", data, at)
        if not kind:
            return
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + (length + 7) // 8 * 8


def _named(layer: Element) -> tuple[str, str]:
    """Return path and format of the backing file that a domain names."""
    source, image_format = layer.find("source"), layer.find("format")
    return (
        "" if source is None else source.get("file", ""),
        "" if image_format is None else image_format.get("type", ""),
    )


def _check_layer(path: str, backing: str, backing_format: str) -> None:
    """Refuse an image that is not a layer over just this file, and one whose backing file leads elsewhere."""
    head = head_of(path)
    if head is None:
        if os.path.lexists(path):
            raise Failure(f"{path} is no qcow2 image, expected a layer over {backing}")
        return
    if (head.backing, head.backing_format) != (backing, backing_format):
        said = f"over {head.backing} ({head.backing_format or 'no format'})" if head.backing else "in one piece"
        raise Failure(f"{path} is {said}, expected a layer over {backing} ({backing_format})")
    _refuse_data_elsewhere(path, head)
    if backing_format == "qcow2":
        _refuse_references(backing, head_of(backing))


def _refuse_references(path: str, head: Head | None) -> None:
    if head is None:
        return
    if head.backing:
        raise Failure(f"{path} is a layer over a backing file: bring it in one piece, qemu-img convert -O qcow2")
    _refuse_data_elsewhere(path, head)


def _refuse_data_elsewhere(path: str, head: Head) -> None:
    if head.has_data_elsewhere:
        raise Failure(f"{path} keeps its data in another file: bring it in one piece, qemu-img convert -O qcow2")
