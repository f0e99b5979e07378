"""Images that are not taken: each with a clear word, and nothing of it is left."""

import gzip
import lzma
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.drivers.ds_builders import HERE, Store, patched, qcow2, qemu_img
from tests.drivers.tm_builders import body, web
from tests.mounts import small_file_system
from trifid.drivers.ds import probe
from trifid.drivers.ds import qcow2 as header_of
from trifid.drivers.ds.reserve import free_bytes
from trifid.drivers.kit import Failure
from trifid.drivers.tm import files

Make = Callable[[Path], object]


def other(image_format: str, *options: str) -> Make:
    return lambda path: qemu_img("create", "-q", "-f", image_format, *options, path, "3M")


def bad(at: int, kind: str, value: int, *options: str) -> Make:
    """A qcow2 image with one wrong number in its header."""
    return lambda path: patched(qcow2(path, "3M", *options), at, struct.pack(kind, value))


def with_extension(kind: int, text: bytes) -> Make:
    """A qcow2 image whose first header extension is this one."""
    return lambda path: patched(qcow2(path), 112, struct.pack(">II", kind, len(text)) + text.ljust(16, b"\0"))


def layer(path: Path) -> None:
    base = path.with_name("base")
    qcow2(base)
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", path)


def with_data_elsewhere(path: Path) -> None:
    qcow2(path, "3M", "-o", f"data_file={path}.data,data_file_raw=on")


def with_snapshot(path: Path) -> None:
    qemu_img("snapshot", "-c", "one", qcow2(path))


def content(data: bytes) -> Make:
    return lambda path: path.write_bytes(data)


QCOW2S: dict[str, tuple[Make, str]] = {
    "layer": (layer, "layer over a backing file.*qemu-img convert -O qcow2"),
    "backing file by hand": (bad(8, ">Q", 512), "layer over a backing file"),
    "data elsewhere": (with_data_elsewhere, "keeps its data in another file"),
    "data elsewhere by its bit": (bad(72, ">Q", 4), "keeps its data in another file"),
    "data elsewhere by its name": (with_extension(0x44415441, b"/etc/shadow"), "keeps its data in another file"),
    "raw data elsewhere": (bad(88, ">Q", 2), "keeps its data in another file"),
    "unknown feature": (bad(72, ">Q", 1 << 40), "features that are not known here .bits 0x10000000000"),
    "damaged": (bad(72, ">Q", 2), "marked as damaged"),
    "encrypted": (bad(32, ">I", 1), "encrypted"),
    "encrypted with a key in it": (with_extension(0x0537BE77, bytes(16)), "encrypted"),
    "version": (bad(4, ">I", 4), "version 4"),
    "the first qcow": (other("qcow"), "version 1"),
    "snapshots": (with_snapshot, "1 snapshots.*qemu-img convert"),
    "absurd snapshots": (bad(60, ">I", 0xFFFFFFFF), "4294967295 snapshots"),
    "tiny clusters": (bad(20, ">I", 8), "2.8 bytes"),
    "absurd clusters": (bad(20, ">I", 63), "2.63 bytes"),
    "no size": (bad(24, ">Q", 0), "a disk of 0 bytes"),
    "absurd size": (bad(24, ">Q", 1 << 62), "a disk of 4611686018427387904 bytes"),
    "table too small": (bad(36, ">I", 0), "0 entries of its first table"),
    "absurd table": (bad(36, ">I", 0x7FFFFFFF), "2147483647 entries"),
    "table elsewhere": (bad(40, ">Q", 1 << 50), "cut short"),
    "absurd reference counts": (bad(56, ">I", 0x7FFFFFFF), "bytes of reference counts"),
    "wide reference counts": (bad(96, ">I", 32), "2.32 bits"),
    "short header": (bad(100, ">I", 8), "header of 8 bytes"),
    "long header": (bad(100, ">I", 1 << 30), "header of 1073741824 bytes"),
    "endless extensions": (with_extension(0x12345678, b"x" * 8), "extensions of its header do not end"),
    "cut short": (content(b"QFI\xfb\0\0\0\3"), "cut short"),
    "cut short later": (lambda path: os.truncate(qcow2(path, "3M"), 100), "cut short"),
    "without tables": (lambda path: os.truncate(qcow2(path, "3M"), 70_000), "cut short"),
}

OTHERS: dict[str, tuple[Make, str]] = {
    "VMDK": (other("vmdk"), "VMDK"),
    "VMDK with a description": (other("vmdk", "-o", "subformat=monolithicFlat"), "VMDK"),
    "old VMDK": (content(b"COWD" + bytes(2000)), "VMDK"),
    "VHD": (other("vpc"), "VHD"),
    "fixed VHD": (other("vpc", "-o", "subformat=fixed"), "VHD"),
    "old VHD": (content(bytes(4096) + b"conectix" + bytes(503)), "VHD"),
    "VHDX": (other("vhdx"), "VHDX"),
    "VDI": (other("vdi"), "VDI"),
    "QED": (other("qed"), "QED"),
    "LUKS": (content(b"LUKS\xba\xbe\0\1" + bytes(5000)), "LUKS"),
    "DMG": (content(bytes(4096) + b"koly" + bytes(508)), "DMG"),
    "Parallels": (other("parallels"), "Parallels"),
    "empty": (content(b""), "is empty"),
    "zstd": (content(b"\x28\xb5\x2f\xfd" + bytes(100)), "packed with zstd.*unpack it"),
}


@pytest.mark.parametrize("name", [*QCOW2S, *OTHERS])
def test_what_is_no_image_of_ours_is_refused_by_our_own_reading(store: Store, inbox: Path, name: str) -> None:
    make, words = (QCOW2S | OTHERS)[name]
    image = inbox / "x"
    make(image)
    if name == "endless extensions":
        patched(image, 112, struct.pack(">II", 0x12345678, 0xFFFFFFF0))
    with pytest.raises(Failure, match=words) as told:
        store.bring(image)
    assert str(told.value).startswith(f"{image}: ")
    assert store.names() == []
    if name not in ("without tables", "table elsewhere", "cut short later"):
        with pytest.raises(Failure, match=words):
            store.do("STAT", source="", path=str(image))


@pytest.mark.parametrize("name", ["VMDK", "fixed VHD", "old VHD", "DMG", "layer", "data elsewhere", "absurd snapshots"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_the_same_is_refused_when_it_comes_from_the_web(store: Store, inbox: Path, name: str, is_packed: bool) -> None:
    make, words = (QCOW2S | OTHERS)[name]
    make(inbox / "x")
    data = (inbox / "x").read_bytes()
    with web(body(gzip.compress(data) if is_packed else data)) as address, pytest.raises(Failure, match=words):
        store.bring(f"{address}/x", download_from=HERE)
    assert store.names() == []


def test_a_header_is_refused_before_the_rest_is_fetched(store: Store, inbox: Path) -> None:
    layer(inbox / "x")
    reply = body((inbox / "x").read_bytes(), length=8 << 20)  # more never comes
    with web(reply) as address, pytest.raises(Failure, match="layer over"):
        store.bring(f"{address}/x", download_from=HERE)
    assert store.names() == []


@pytest.mark.parametrize(
    ("make", "kind", "stated", "words"),
    [
        (content(b"x" * 5000), "OS", "qcow2", "said to be qcow2, and does not begin as one"),
        (qcow2, "OS", "raw", "said to be raw, and it begins as a qcow2 image does"),
        (qcow2, "CDROM", "", "for a CDROM, which is raw"),
        (content(b"x" * 5000), "OS", "vmdk", "format vmdk is not known, expected raw or qcow2"),
    ],
)
def test_what_is_not_what_its_owner_says_is_refused(
    store: Store, inbox: Path, make: Make, kind: str, stated: str, words: str
) -> None:
    make(inbox / "x")
    with pytest.raises(Failure, match=words):
        store.bring(inbox / "x", kind=kind, format=stated)
    assert store.names() == []


@pytest.mark.parametrize("checksum", [f"md5:{'0' * 32}", f"sha1:{'0' * 40}", f"sha256:{'0' * 64}"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_wrong_checksum_is_told_with_the_right_one(store: Store, inbox: Path, checksum: str, is_packed: bool) -> None:
    (inbox / "x").write_bytes(gzip.compress(b"x" * 5000) if is_packed else b"x" * 5000)
    with pytest.raises(Failure, match=r"its [a-z0-9]+ is [0-9a-f]{32,}, expected 0{32,}: it is damaged"):
        store.bring(inbox / "x", checksum=checksum)
    assert store.names() == []


@pytest.mark.parametrize("checksum", ["crc32:00000000", "md5:xyz", "0" * 32, f"md5:{'0' * 40}"])
def test_a_checksum_that_is_none_is_refused(store: Store, inbox: Path, checksum: str) -> None:
    (inbox / "x").write_bytes(b"x" * 5000)
    with pytest.raises(Failure, match=r"checksum .* is none, expected md5:, sha1: or sha256:"):
        store.bring(inbox / "x", checksum=checksum)
    assert store.names() == []


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
@pytest.mark.parametrize("spoil", [lambda data: data[:-20], lambda data: data[:40] + b"spoiled" + data[47:]])
def test_packed_data_that_is_damaged_is_told(
    store: Store, inbox: Path, pack: Callable[[bytes], bytes], spoil: Callable[[bytes], bytes]
) -> None:
    (inbox / "x").write_bytes(spoil(pack(os.urandom(500_000))))
    with pytest.raises(Failure, match=r"data is (damaged|cut short)"):
        store.bring(inbox / "x")
    assert store.names() == []


def test_a_bomb_does_not_go_off(store: Store, inbox: Path) -> None:
    with lzma.open(inbox / "x", "wb", preset=0) as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
    with pytest.raises(Failure, match="no more than 8 MiB are taken"):
        store.bring(inbox / "x", size_mib_max=8)
    assert store.names() == []


def test_a_bomb_of_zeros_ends_at_what_was_free(tiny: Path, inbox: Path) -> None:
    store = Store(tiny / "1")
    (inbox / "x").write_bytes(gzip.compress(bytes(16 << 20)))
    with pytest.raises(Failure, match=r"larger than the [34].[0-9] MiB that were free"):
        store.bring(inbox / "x")
    assert store.names() == []


@pytest.mark.parametrize("fields", [{}, {"size_mib": 50}])
def test_a_disk_that_is_larger_than_is_taken_is_refused(store: Store, inbox: Path, fields: dict[str, object]) -> None:
    for make in (lambda path: os.truncate(path, 20 << 20), lambda path: qcow2(path, "20M")):
        (inbox / "x").write_bytes(b"x")
        make(inbox / "x")
        with pytest.raises(Failure, match=r"it has [0-9.]+ MiB, no more than (10|30) MiB are taken"):
            store.bring(inbox / "x", size_mib_max=30 if fields else 10, **fields)
        assert store.names() == []


def test_a_full_datastore_is_told_with_what_is_free(tmp_path: Path, inbox: Path) -> None:
    (inbox / "x").write_bytes(os.urandom(6 << 20))
    with small_file_system(tmp_path / "full") as place:
        store = Store(place / "1")
        with pytest.raises(Failure, match=r"only .* free in .*, of which 0\.[0-9] MiB stay so"):
            store.bring(inbox / "x")
        with web(body((inbox / "x").read_bytes())) as address, pytest.raises(Failure, match=r"only .* free in"):
            store.bring(f"{address}/x", download_from=HERE)
        (inbox / "x.gz").write_bytes(gzip.compress((inbox / "x").read_bytes(), 1))
        with pytest.raises(Failure, match="free in"):
            store.bring(inbox / "x.gz")
        assert store.names() == []


def test_qemu_reads_what_comes_under_limits_and_may_contradict(store: Store, inbox: Path) -> None:
    image = qcow2(inbox / "x")
    patched(image, 48, struct.pack(">Q", 3))  # where its reference counts are: not at the beginning of a cluster
    with pytest.raises(Failure, match="QEMU does not read it"):
        store.bring(image)
    assert store.names() == []


@pytest.mark.parametrize("length", [*range(72, 130, 7), 1 << 16])
def test_whatever_is_in_a_header_either_it_is_read_or_it_is_refused(inbox: Path, length: int) -> None:
    good = qcow2(inbox / "x").read_bytes()[:length]
    for at in range(4, min(length, 120)):
        for value in (0, 1, 0x7F, 0x80, 0xFF):
            head = good[:at] + bytes([value]) + good[at + 1 :]
            try:
                found = probe.look(head, b"", 200_000, "OS", "")
            except Failure:
                continue
            assert 0 < found.size <= header_of.SIZE_MAX


@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
def test_images_leave_a_part_of_the_file_system_free(tiny: Path, inbox: Path, image_format: str) -> None:
    store = Store(tiny / "1")
    room = free_bytes(tiny)
    fits, is_too_much = room - (256 << 10), room + (64 << 10)
    assert is_too_much < files.free_bytes(tiny), "the disk itself would take it"
    (inbox / "x").write_bytes(os.urandom(is_too_much))
    other = inbox / "other"
    other.write_bytes(os.urandom(is_too_much))
    if image_format == "qcow2":
        qemu_img("convert", "-f", "raw", "-O", "qcow2", inbox / "x", other)
        qemu_img("snapshot", "-c", "disk-snapshot-0", other)
    for verb, fields in {
        "CP": {"path": str(inbox / "x")},
        "CLONE": {"clone_source": str(other), "clone_format": image_format},
    }.items():
        with pytest.raises(Failure, match="stay so"):
            store.do(verb, **fields)
    with web(body((inbox / "x").read_bytes())) as address, pytest.raises(Failure, match="stay so"):
        store.bring(f"{address}/x", download_from=HERE)
    (inbox / "x.gz").write_bytes(gzip.compress((inbox / "x").read_bytes(), 1))
    with pytest.raises(Failure, match="that were free in"):
        store.bring(inbox / "x.gz")
    assert store.names() == []
    os.truncate(inbox / "x", fits)
    store.bring(inbox / "x")
