"""Images that come in: what is taken, and how it lies in the datastore."""

import bz2
import gzip
import hashlib
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.drivers.ds_builders import HERE, IMAGE, NAME, Store, cancelled, qcow2, qemu_img, ranges
from tests.drivers.tm_builders import body, web
from trifid.drivers.ds.importing import bring
from trifid.drivers.kit import Failure, Request
from trifid.wire.image_action import render
from trifid.wire.lines import Message

DATA = os.urandom(100_000) + bytes(5 << 20) + b"the end"
PACKERS = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}


@pytest.fixture
def disk(inbox: Path) -> Path:
    """A raw disk with a hole."""
    path = inbox / "disk.img"
    with path.open("wb") as file:
        file.write(DATA[:100_000])
        file.seek(5 << 20, os.SEEK_CUR)
        file.write(b"the end")
    return path


def test_a_raw_file_is_copied_with_its_holes(store: Store, disk: Path) -> None:
    assert store.bring(disk) == ["raw", "6"]
    assert store.source.read_bytes() == DATA
    assert store.source.stat().st_blocks * 512 < 1 << 20
    assert store.names() == [NAME]


def test_a_qcow2_file_is_taken_as_it_is_and_told_with_the_size_of_its_disk(store: Store, inbox: Path) -> None:
    image = qcow2(inbox / "x", "30M")
    assert store.bring(image) == ["qcow2", "30"]
    assert store.source.read_bytes() == image.read_bytes()


@pytest.mark.parametrize("options", [("-o", "compat=0.10"), ("-o", "extended_l2=on,cluster_size=128k")])
def test_older_and_newer_qcow2_images_are_taken(store: Store, inbox: Path, options: tuple[str, ...]) -> None:
    assert store.bring(qcow2(inbox / "x", "3M", *options)) == ["qcow2", "3"]


@pytest.mark.parametrize("stated", ["", "qcow2"])
def test_a_format_that_is_stated_and_right_is_no_hindrance(store: Store, inbox: Path, stated: str) -> None:
    assert store.bring(qcow2(inbox / "x"), format=stated) == ["qcow2", "3"]


@pytest.mark.parametrize("packer", PACKERS)
def test_what_is_packed_is_unpacked_from_a_file_and_from_the_web(store: Store, inbox: Path, packer: str) -> None:
    packed = PACKERS[packer](DATA)
    (inbox / "x").write_bytes(packed)
    assert store.bring(inbox / "x") == ["raw", "6"]
    assert store.source.read_bytes() == DATA
    assert store.source.stat().st_blocks * 512 < 1 << 20
    store.source.unlink()
    checksum = f"sha256:{hashlib.sha256(packed).hexdigest()}"
    with web(body(packed)) as address:
        assert store.bring(f"{address}/x", download_from=HERE, checksum=checksum) == ["raw", "6"]
    assert store.source.read_bytes() == DATA


@pytest.mark.parametrize("packer", PACKERS)
def test_what_is_packed_in_several_parts_is_one_disk(store: Store, inbox: Path, packer: str) -> None:
    (inbox / "x").write_bytes(b"".join(PACKERS[packer](part) for part in (DATA[:50_000], DATA[50_000:])))
    store.bring(inbox / "x")
    assert store.source.read_bytes() == DATA


def test_a_packed_qcow2_image_is_one(store: Store, inbox: Path) -> None:
    (inbox / "x.gz").write_bytes(gzip.compress(qcow2(inbox / "x").read_bytes()))
    assert store.bring(inbox / "x.gz") == ["qcow2", "3"]
    assert qemu_img("check", "-f", "qcow2", store.source)


@pytest.mark.parametrize("kind", ["KERNEL", "RAMDISK", "CONTEXT"])
@pytest.mark.parametrize("content", [gzip.compress(b"initrd", mtime=0), b"KDMV and more", b"#!/bin/sh\n"])
def test_a_plain_file_is_taken_byte_by_byte_whatever_is_in_it(
    store: Store, inbox: Path, kind: str, content: bytes
) -> None:
    (inbox / "x").write_bytes(content)
    assert store.bring(inbox / "x", kind=kind, size_mib=5) == ["raw", "1"]
    assert store.source.read_bytes() == content


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256"])
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_a_checksum_that_is_right_is_no_hindrance(store: Store, disk: Path, name: str, case: object) -> None:
    digest = hashlib.new(name, DATA).hexdigest()
    store.bring(disk, checksum=f"{name}:{digest if case is str.lower else digest.upper()}")
    assert store.source.read_bytes() == DATA


@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
def test_a_disk_is_made_as_large_as_its_owner_wants_it(
    store: Store, inbox: Path, disk: Path, image_format: str
) -> None:
    brought = disk if image_format == "raw" else qcow2(inbox / "x")
    assert store.bring(brought, size_mib=9) == [image_format, "9"]
    assert f'"virtual-size": {9 << 20}' in qemu_img("info", "-f", image_format, "--output=json", store.source)


def test_a_disk_that_is_larger_than_its_owner_wants_stays_so(store: Store, disk: Path) -> None:
    assert store.bring(disk, size_mib=2) == ["raw", "6"]


def test_a_cdrom_is_not_made_larger(store: Store, disk: Path) -> None:
    assert store.bring(disk, kind="CDROM", size_mib=9) == ["raw", "6"]
    assert store.source.read_bytes() == DATA


def test_an_upload_is_gone_once_it_is_an_image(store: Store, home: Path, disk: Path) -> None:
    upload = home / "uploads" / "3" / "etch.img"
    upload.parent.mkdir(parents=True)
    disk.rename(upload)
    for _ in range(2):
        assert store.bring(upload, safe_dirs=str(upload.parent)) == ["raw", "6"]
        assert not upload.exists()


def test_another_file_uploaded_under_the_same_name_stays(store: Store, home: Path, disk: Path) -> None:
    upload = home / "uploads" / "3" / "etch.img"
    upload.parent.mkdir(parents=True)
    disk.rename(upload)
    store.bring(upload, safe_dirs=str(upload.parent))
    upload.write_bytes(b"another")
    made_ns = store.source.stat().st_mtime_ns
    os.utime(upload, ns=(made_ns + 1, made_ns + 1))
    store.bring(upload, safe_dirs=str(upload.parent))  # asked again, since its answer was lost
    assert upload.read_bytes() == b"another"


class Meanwhile(Request):
    """A request during which something happens: as soon as it looks whether it is cancelled, while it copies."""

    happens: Callable[[], None] | None = None

    @property
    def is_cancelled(self) -> bool:
        happens, self.happens = self.happens, None
        if happens is not None:
            happens()
        return super().is_cancelled


def test_another_file_that_comes_under_the_same_name_while_the_first_is_copied_stays(
    store: Store, home: Path, disk: Path
) -> None:
    upload = home / "uploads" / "3" / "etch.img"
    upload.parent.mkdir(parents=True)
    disk.rename(upload)
    data = store.data(path=str(upload))

    def another() -> None:
        part = upload.with_name("etch.img.part")
        part.write_bytes(b"another")
        part.rename(upload)

    request = Meanwhile(store.kit, Message("CP", "", IMAGE, render(data)), 1)
    request.happens = another
    for _ in range(2):
        bring(request, data)
        assert upload.read_bytes() == b"another"
        assert store.source.read_bytes() == DATA
        assert store.names() == [NAME]


def test_an_upload_that_is_refused_stays(store: Store, home: Path) -> None:
    upload = home / "uploads" / "3" / "etch.img"
    upload.parent.mkdir(parents=True)
    upload.write_bytes(b"KDMV")
    with pytest.raises(Failure, match="VMDK"):
        store.bring(upload)
    assert upload.exists()
    assert store.names() == []


def test_what_is_there_was_imported_and_stays(store: Store, disk: Path) -> None:
    store.bring(disk)
    disk.unlink()
    assert store.bring(disk) == ["raw", "6"]
    assert store.source.read_bytes() == DATA


def test_a_cancelled_import_leaves_nothing(store: Store, disk: Path) -> None:
    data = store.data(path=str(disk))
    with pytest.raises(Failure, match="cancelled"):
        bring(cancelled(store.kit, data), data)
    assert store.names() == []


def test_what_would_come_is_told_without_importing_it(store: Store, inbox: Path, disk: Path) -> None:
    image = qcow2(inbox / "x", "30M")
    (inbox / "x.gz").write_bytes(gzip.compress(image.read_bytes()))
    (inbox / "disk.gz").write_bytes(gzip.compress(DATA))
    assert store.do("STAT", source="", path=str(disk)) == "6 raw"
    assert store.do("STAT", source="", path=str(image)) == "30 qcow2"
    assert store.do("STAT", source="", path=str(inbox / "x.gz")) == "30 qcow2"
    assert store.do("STAT", source="", path=str(inbox / "disk.gz")) == "1 -"
    assert store.names() == []


def test_what_would_come_from_the_web_is_told_by_its_first_bytes(store: Store, inbox: Path, disk: Path) -> None:
    image = qcow2(inbox / "x", "30M").read_bytes()
    for reply in (ranges, body):
        for content, told in ((DATA, "6 raw"), (image, "30 qcow2")):
            with web(reply(content)) as address:
                assert store.do("STAT", source="", path=f"{address}/x", download_from=HERE) == told
    with web(body(DATA, length=-1)) as address:
        assert store.do("STAT", source="", path=f"{address}/x", download_from=HERE) == "0 raw"
