"""Every verb of the datastore driver fs, killed before each thing that it does, ends the same when asked again."""

import gzip
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.drivers import kills
from tests.drivers.ds_builders import HERE, Store, qcow2, qemu_img
from tests.drivers.test_ds_fs_life import WITH_SNAPSHOTS
from tests.drivers.tm_builders import body as reply_of
from tests.drivers.tm_builders import web

DATA = os.urandom(150_000) + bytes(1 << 20) + b"end"


@pytest.fixture
def killed(store: Store) -> Callable[..., int]:
    """Run the table for a verb on images that lie as in `at_first`."""

    def run(verb: str, at_first: Path | None = None, look: kills.Look = kills.contents, **fields: object) -> int:
        store.base.mkdir(parents=True, exist_ok=True)
        source = Path(str(fields.get("path") or fields.get("clone_source") or "/"))

        def begin() -> None:
            if at_first:
                shutil.copytree(at_first, store.base, dirs_exist_ok=True)

        table = kills.KillTable(store.base, begin, source=source if source.is_file() else None, look=look)
        return table.run(lambda: store.do(verb, **fields))

    return run


@pytest.fixture
def kept(store: Store, inbox: Path, image_format: str) -> Path:
    """A datastore with one image and its snapshots, to begin with."""
    WITH_SNAPSHOTS[image_format](store)
    store.base.rename(inbox / "kept")
    return inbox / "kept"


formats = pytest.mark.parametrize("image_format", ["raw", "qcow2"])


def test_an_import_of_a_raw_file(killed: Callable[..., int], inbox: Path) -> None:
    (inbox / "x").write_bytes(DATA)
    checksum = f"sha1:{hashlib.sha1(DATA).hexdigest()}"
    assert killed("CP", path=str(inbox / "x"), size_mib=4, checksum=checksum) > 4


def test_an_import_of_a_packed_file(killed: Callable[..., int], inbox: Path) -> None:
    (inbox / "x").write_bytes(gzip.compress(DATA))
    assert killed("CP", path=str(inbox / "x")) > 3


def test_an_import_of_a_qcow2_file_that_grows(killed: Callable[..., int], inbox: Path) -> None:
    assert killed("CP", path=str(qcow2(inbox / "x")), size_mib=5) > 6


def test_an_import_from_the_web(killed: Callable[..., int]) -> None:
    with web(reply_of(DATA)) as address:
        assert killed("CP", path=f"{address}/x", download_from=HERE) > 3


def test_an_import_of_an_upload(store: Store, home: Path, inbox: Path) -> None:
    upload = home / "uploads" / "3" / "x"
    upload.parent.mkdir(parents=True)
    store.base.mkdir(parents=True)
    table = kills.KillTable(store.base, lambda: upload.write_bytes(DATA))
    assert table.run(lambda: store.do("CP", path=str(upload))) > 4
    assert not upload.exists()
    assert store.source.read_bytes() == DATA


@pytest.mark.parametrize("fs", ["", "ext4", "swap"])
@formats
def test_an_image_that_is_made(killed: Callable[..., int], fs: str, image_format: str) -> None:
    look = kills.size if fs and image_format == "raw" else kills.contents if not fs else (lambda path: path.is_file())
    assert killed("MKFS", look=look, size_mib=4, fs=fs, format=image_format) > 2


@formats
def test_a_clone(killed: Callable[..., int], inbox: Path, image_format: str) -> None:
    if image_format == "raw":
        (inbox / "x").write_bytes(DATA)
    else:
        qcow2(inbox / "x")
    assert killed("CLONE", clone_source=str(inbox / "x"), clone_format=image_format, size_mib=6) > 4


def test_a_clone_of_an_image_with_snapshots(killed: Callable[..., int], inbox: Path) -> None:
    qemu_img("snapshot", "-c", "disk-snapshot-0", qcow2(inbox / "x"))
    assert killed("CLONE", clone_source=str(inbox / "x"), clone_format="qcow2") > 4


@formats
def test_an_image_that_grows(killed: Callable[..., int], inbox: Path, store: Store, image_format: str) -> None:
    store.do("MKFS", size_mib=2, format=image_format)
    store.base.rename(inbox / "kept")
    assert killed("RESIZE", inbox / "kept", size_mib=5, format=image_format) > 0


@pytest.mark.parametrize("verb", ["SNAP_DELETE", "SNAP_REVERT", "SNAP_FLATTEN"])
@formats
def test_snapshots(killed: Callable[..., int], kept: Path, verb: str, image_format: str) -> None:
    assert killed(verb, kept, snapshot_id=3, format=image_format) > 0


@formats
def test_an_image_that_is_removed(killed: Callable[..., int], kept: Path, image_format: str) -> None:
    assert killed("RM", kept) > 3


def test_what_a_killed_import_left_is_removed_with_its_image(killed: Callable[..., int], inbox: Path) -> None:
    (inbox / "kept").mkdir()
    (inbox / "kept" / "0123456789abcdef0123456789abcdef.part").write_bytes(b"half")
    assert killed("RM", inbox / "kept") > 0
