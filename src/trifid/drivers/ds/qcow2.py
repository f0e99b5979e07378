"""Looks into the header of a qcow2 image that somebody brought, before QEMU does.

Such a file can name other files of the machine that opens it, as its backing file or as the place of its data, and
its numbers can ask for more memory and time than there is.  An image of the catalogue holds all of its data itself,
is not encrypted, has no snapshots that the catalogue does not know of, and has only features that are known here.

Source: the qcow2 format (qemu's docs/interop/qcow2), its limits as QEMU 7.2 has them.
"""

import struct

from trifid.drivers.kit import Failure

MAGIC = b"QFI\xfb"
CONVERT = "bring it in one piece, qemu-img convert -O qcow2"
SIZE_MAX = 1 << 50
"""Most virtual size, bytes: 1 PiB."""

_V2 = struct.Struct(">4sIQIIQIIQQIIQ")
_V3 = struct.Struct(">QQQII")
_EXTENSION = struct.Struct(">II")
_V2_BYTES, _V3_BYTES_MIN = 72, 104

_CORRUPT, _EXTERNAL_DATA, _LARGE_L2 = 1 << 1, 1 << 2, 1 << 4
_DIRTY, _COMPRESSION_TYPE = 1 << 0, 1 << 3
_KNOWN = _DIRTY | _CORRUPT | _EXTERNAL_DATA | _COMPRESSION_TYPE | _LARGE_L2
_RAW_EXTERNAL_DATA = 1 << 1  # an autoclear feature
_DATA_FILE_NAME, _ENCRYPTION, _END = 0x44415441, 0x0537BE77, 0

_CLUSTER_BITS = range(9, 22)
_REFCOUNT_ORDER_MAX = 6
_L1_BYTES_MAX = 32 << 20
_REFCOUNT_TABLE_BYTES_MAX = 8 << 20


def virtual_size(head: bytes, file_bytes: int | None = None) -> int:
    """Return the size in bytes of the disk that an image is, having looked at all of its header.

    Args:
        head: its first bytes, as many as 64 KiB if it has them.
        file_bytes: how large the file is, None when that is not known yet.

    Raises:
        Failure: it is not to be trusted, or it is damaged; the text says what to do.
    """
    if len(head) < _V2_BYTES:
        raise Failure("its qcow2 header is cut short")
    _, version, backing_at, _, cluster_bits, disk_bytes, *more = _V2.unpack_from(head)
    encryption, l1_entries, l1_at, refcounts_at, refcount_clusters, snapshots, _ = more
    size = int(disk_bytes)
    if version not in (2, 3):
        raise Failure(f"it is a qcow image of version {version}, expected 2 or 3: qemu-img convert -O qcow2")
    if backing_at:
        raise Failure(f"it is a layer over a backing file: {CONVERT}")
    if encryption:
        raise Failure("it is encrypted, the catalogue has no key for it: bring it decrypted")
    if cluster_bits not in _CLUSTER_BITS:
        raise Failure(f"it says clusters of 2^{cluster_bits} bytes, expected 2^9 to 2^21")
    if snapshots:
        raise Failure(f"it has {snapshots} snapshots, which the catalogue does not know: drop them, {CONVERT}")
    header_bytes, incompatible = _features(head, version, cluster_bits)
    _check_extensions(head, header_bytes, 1 << cluster_bits)
    if not size or size > SIZE_MAX:
        raise Failure(f"it says a disk of {size} bytes, expected 1 to {SIZE_MAX}")
    l2_entry_bytes = 16 if incompatible & _LARGE_L2 else 8
    per_l1_entry = (1 << cluster_bits) * ((1 << cluster_bits) // l2_entry_bytes)
    if l1_entries * 8 > _L1_BYTES_MAX or l1_entries * per_l1_entry < size:
        raise Failure(f"it says {l1_entries} entries of its first table, which does not suit a disk of {size} bytes")
    refcount_bytes = refcount_clusters << cluster_bits
    if not refcount_bytes or refcount_bytes > _REFCOUNT_TABLE_BYTES_MAX:
        raise Failure(f"it says {refcount_bytes} bytes of reference counts' table, expected at most 8 MiB")
    if file_bytes is not None and max(l1_at + l1_entries * 8, refcounts_at) > file_bytes:
        raise Failure(f"it is cut short: its tables end after its {file_bytes} bytes")
    return size


def _features(head: bytes, version: int, cluster_bits: int) -> tuple[int, int]:
    """Return the length of the header and the features that a reader must know; refuse what is not known."""
    if version == 2:
        return _V2_BYTES, 0
    if len(head) < _V3_BYTES_MIN:
        raise Failure("its qcow2 header is cut short")
    incompatible, _, autoclear, refcount_order, header_bytes = _V3.unpack_from(head, _V2_BYTES)
    if incompatible & _EXTERNAL_DATA or autoclear & _RAW_EXTERNAL_DATA:
        raise Failure(f"it keeps its data in another file: {CONVERT}")
    if incompatible & ~_KNOWN:
        raise Failure(f"it has features that are not known here (bits {incompatible & ~_KNOWN:#x}): {CONVERT}")
    if incompatible & _CORRUPT:
        raise Failure("it is marked as damaged: qemu-img check -r all, then look at what is in it")
    if refcount_order > _REFCOUNT_ORDER_MAX:
        raise Failure(f"it says reference counts of 2^{refcount_order} bits, expected at most 2^6")
    if not _V3_BYTES_MIN <= header_bytes <= 1 << cluster_bits or header_bytes % 8:
        raise Failure(f"it says a header of {header_bytes} bytes, expected {_V3_BYTES_MIN} or a little more")
    return header_bytes, incompatible


def _check_extensions(head: bytes, at: int, cluster_bytes: int) -> None:
    """Refuse header extensions that name another file or a key; the other ones are harmless."""
    end = min(len(head), cluster_bytes)
    while at + _EXTENSION.size <= end:
        kind, length = _EXTENSION.unpack_from(head, at)
        if kind == _END:
            return
        if kind == _DATA_FILE_NAME:
            raise Failure(f"it keeps its data in another file: {CONVERT}")
        if kind == _ENCRYPTION:
            raise Failure("it is encrypted, the catalogue has no key for it: bring it decrypted")
        at += _EXTENSION.size + (length + 7) // 8 * 8
    raise Failure(f"the extensions of its header do not end within {end} bytes: {CONVERT}")
