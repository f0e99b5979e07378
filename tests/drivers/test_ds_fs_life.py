"""Images that are made, cloned, grown, brought back and removed; and the driver as the process that the engine runs."""

import json
import os
import re
import shutil
import threading
from pathlib import Path

import pytest

from tests.drivers.ds_builders import HERE, IMAGE, NAME, OTHER, Store, qcow2, qemu_img
from tests.drivers.harness import DriverProcess, python_driver, running
from tests.drivers.tm_builders import body, names, web
from trifid.drivers.kit import Failure
from trifid.wire.image_action import render

COMMAND = python_driver("trifid.drivers.ds.fs")


def info(path: Path) -> dict[str, object]:
    return json.loads(qemu_img("info", "-f", "qcow2", "--output=json", path))  # type: ignore[no-any-return]


def snapshots(path: Path) -> list[str]:
    return [one["name"] for one in info(path).get("snapshots", [])]  # type: ignore[attr-defined]


def raw_with_snapshots(store: Store) -> None:
    """A raw image, written after its snapshots 0 and 3."""
    kept = store.source.with_name(f"{NAME}.snap")
    kept.mkdir(parents=True)
    (kept / "0").write_bytes(b"zero".ljust(1 << 20, b"\0"))
    (kept / "3").write_bytes(b"three".ljust(1 << 20, b"\0"))
    store.source.write_bytes(b"now".ljust(1 << 20, b"\0"))


def qcow2_with_snapshots(store: Store) -> None:
    """The same as qcow2."""
    store.base.mkdir(parents=True, exist_ok=True)
    raw = store.base / "raw"
    for number, (text, name) in enumerate((("zero", "0"), ("three", "3"), ("now", ""))):
        raw.write_bytes(text.encode().ljust(1 << 20, b"\0"))
        if not number:
            qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, store.source)
        else:
            qemu_img("convert", "-n", "-f", "raw", "-O", "qcow2", raw, store.source)
        if name:
            qemu_img("snapshot", "-c", f"disk-snapshot-{name}", store.source)
    raw.unlink()


WITH_SNAPSHOTS = {"raw": raw_with_snapshots, "qcow2": qcow2_with_snapshots}


def text_of(store: Store, image_format: str) -> str:
    """What is written at the beginning of an image."""
    copy = store.base.parent / "copy"
    qemu_img("convert", "-f", image_format, "-O", "raw", store.source, copy)
    return copy.read_bytes().partition(b"\0")[0].decode()


def kept(store: Store, image_format: str) -> list[str]:
    if image_format == "qcow2":
        return [name.removeprefix("disk-snapshot-") for name in snapshots(store.source)]
    return names(store.source.with_name(f"{NAME}.snap")) if f"{NAME}.snap" in store.names() else []


# -- made --------------------------------------------------------------------------------------------


def test_an_empty_raw_image_is_made_without_taking_room(store: Store) -> None:
    assert store.do("MKFS", size_mib=300) == f"{store.source} raw 300"
    assert (store.source.stat().st_size, store.source.stat().st_blocks) == (300 << 20, 0)


def test_an_empty_qcow2_image_is_made(store: Store) -> None:
    assert store.do("MKFS", size_mib=300, format="qcow2") == f"{store.source} qcow2 300"
    assert info(store.source)["virtual-size"] == 300 << 20


@pytest.mark.parametrize(("fs", "at", "magic"), [("ext4", 1080, b"\x53\xef"), ("swap", 4086, b"SWAPSPACE2")])
@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
def test_a_file_system_is_made_in_it(store: Store, fs: str, at: int, magic: bytes, image_format: str) -> None:
    assert store.do("MKFS", size_mib=8, fs=fs, format=image_format) == f"{store.source} {image_format} 8"
    assert store.names() == [NAME]
    copy = store.base.parent / "copy"
    qemu_img("convert", "-f", image_format, "-O", "raw", store.source, copy)
    assert copy.stat().st_size == 8 << 20
    assert copy.read_bytes()[at : at + len(magic)] == magic


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"size_mib": 0}, "size 0 is not a positive number of MiB"),
        ({"size_mib": -1}, "size -1 is not a positive number of MiB"),
        ({"size_mib": 8, "fs": "zfs"}, "file system zfs is not known, expected one of ext2"),
        ({"size_mib": 8, "format": "vmdk"}, "format vmdk is not known, expected raw or qcow2"),
        ({"size_mib": 8, "size_mib_max": 7}, "no more than 7 MiB are taken"),
    ],
)
def test_what_cannot_be_made_is_told(store: Store, fields: dict[str, object], words: str) -> None:
    with pytest.raises(Failure, match=words):
        store.do("MKFS", **fields)
    assert store.names() == []


@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
def test_a_file_system_that_does_not_fit_leaves_nothing(store: Store, image_format: str) -> None:
    store.base.mkdir(parents=True)
    (bin_directory := store.base.parent / "bin").mkdir()
    failing = bin_directory / "mkswap"
    failing.write_text("#!/bin/sh\necho too small >&2\nexit 1\n")
    failing.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{bin_directory}:{os.environ['PATH']}")
        with pytest.raises(Failure, match=r"mkswap .*: too small"):
            store.do("MKFS", size_mib=1, fs="swap", format=image_format)
    assert store.names() == []


# -- cloned ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
def test_a_clone_has_what_the_image_has_now_and_none_of_its_snapshots(store: Store, image_format: str) -> None:
    WITH_SNAPSHOTS[image_format](store)
    clone = store.base / OTHER
    fields = {"source": str(clone), "clone_source": str(store.source), "clone_format": image_format}
    assert store.do("CLONE", **fields) == f"{clone} {image_format} 1"
    assert image_format == "raw" or snapshots(clone) == []
    assert qemu_img("compare", "-f", image_format, "-F", image_format, store.source, clone)
    assert kept(store, image_format) == ["0", "3"]


@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
def test_a_clone_can_be_larger(store: Store, inbox: Path, image_format: str) -> None:
    original = qcow2(inbox / "x", "1M") if image_format == "qcow2" else inbox / "x"
    if image_format == "raw":
        original.write_bytes(b"x" * 5000)
    fields = {"clone_source": str(original), "clone_format": image_format, "size_mib": 5}
    assert store.do("CLONE", **fields) == f"{store.source} {image_format} 5"


def test_a_raw_image_on_which_a_guest_wrote_a_qcow2_header_stays_raw(store: Store, inbox: Path) -> None:
    qemu_img("create", "-q", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", inbox / "x", "1M")
    fields = {"clone_source": str(inbox / "x"), "clone_format": "raw"}
    assert store.do("CLONE", **fields) == f"{store.source} raw 1"
    assert store.source.read_bytes() == (inbox / "x").read_bytes()
    assert store.do("RESIZE", format="raw", size_mib=2) == "2"
    assert store.source.stat().st_size == 2 << 20


def test_a_clone_of_a_plain_file_is_the_same_file(store: Store, inbox: Path) -> None:
    (inbox / "x").write_bytes(b"kernel")
    fields = {"kind": "KERNEL", "clone_source": str(inbox / "x"), "clone_format": "raw", "size_mib": 1}
    assert store.do("CLONE", **fields) == f"{store.source} raw 1"
    assert store.source.read_bytes() == b"kernel"


def test_a_clone_of_what_is_not_there_is_told(store: Store) -> None:
    with pytest.raises(Failure, match="there is no such image to clone"):
        store.do("CLONE", clone_source=str(store.base / OTHER), clone_format="raw")
    assert store.names() == []


# -- grown -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
def test_an_image_grows_and_does_not_shrink(store: Store, image_format: str) -> None:
    store.do("MKFS", size_mib=3, format=image_format)
    for _ in range(2):
        assert store.do("RESIZE", size_mib=5, format=image_format) == "5"
    with pytest.raises(Failure, match=r"it has 5.0 MiB, it is not made smaller: 4 MiB were asked for"):
        store.do("RESIZE", size_mib=4, format=image_format)
    with pytest.raises(Failure, match="no more than 6 MiB are taken"):
        store.do("RESIZE", size_mib=7, size_mib_max=6, format=image_format)


@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
def test_an_image_with_snapshots_keeps_its_size(store: Store, image_format: str) -> None:
    WITH_SNAPSHOTS[image_format](store)
    with pytest.raises(Failure, match="it has snapshots, which are of its old size: delete them first"):
        store.do("RESIZE", size_mib=5, format=image_format)


# -- its snapshots -----------------------------------------------------------------------------------


@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
def test_an_image_is_brought_back_and_keeps_its_snapshots(store: Store, image_format: str) -> None:
    WITH_SNAPSHOTS[image_format](store)
    for _ in range(2):
        assert store.do("SNAP_REVERT", snapshot_id=0, format=image_format) == ""
        assert (text_of(store, image_format), kept(store, image_format)) == ("zero", ["0", "3"])


@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
def test_a_snapshot_is_removed_and_the_last_one_leaves_nothing(store: Store, image_format: str) -> None:
    WITH_SNAPSHOTS[image_format](store)
    for number, left in ((0, ["3"]), (0, ["3"]), (3, []), (3, [])):
        assert store.do("SNAP_DELETE", snapshot_id=number, format=image_format) == ""
        assert (text_of(store, image_format), kept(store, image_format)) == ("now", left)
    assert store.names() == [NAME]


@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
def test_a_flattened_image_is_what_its_snapshot_was_and_has_none(store: Store, image_format: str) -> None:
    WITH_SNAPSHOTS[image_format](store)
    for _ in range(2):
        assert store.do("SNAP_FLATTEN", snapshot_id=0, format=image_format) == ""
        assert (text_of(store, image_format), kept(store, image_format)) == ("zero", [])
    assert store.names() == [NAME]


@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
@pytest.mark.parametrize("verb", ["SNAP_REVERT", "SNAP_FLATTEN"])
def test_a_snapshot_that_is_not_there_is_told_and_nothing_changes(store: Store, image_format: str, verb: str) -> None:
    WITH_SNAPSHOTS[image_format](store)
    with pytest.raises(Failure, match="it has no snapshot 7"):
        store.do(verb, snapshot_id=7, format=image_format)
    assert (text_of(store, image_format), kept(store, image_format)) == ("now", ["0", "3"])


@pytest.mark.parametrize("verb", ["RESIZE", "SNAP_DELETE", "SNAP_REVERT", "SNAP_FLATTEN"])
@pytest.mark.parametrize("image_format", ["", "vmdk"])
def test_the_format_of_an_image_is_told_and_never_guessed(store: Store, verb: str, image_format: str) -> None:
    WITH_SNAPSHOTS["raw"](store)
    with pytest.raises(Failure, match="format of the image must be raw or qcow2"):
        store.do(verb, snapshot_id=0, size_mib=5, format=image_format)


@pytest.mark.parametrize("verb", ["RESIZE", "SNAP_DELETE", "SNAP_REVERT", "SNAP_FLATTEN"])
def test_what_is_not_there_or_leads_elsewhere_is_not_changed(store: Store, inbox: Path, verb: str) -> None:
    store.base.mkdir(parents=True)
    for _ in range(2):
        with pytest.raises(Failure, match="there is no such image"):
            store.do(verb, snapshot_id=0, size_mib=5, format="raw")
        (inbox / "x").write_bytes(b"x")
        if not store.source.is_symlink():
            store.source.symlink_to(inbox / "x")
    assert (inbox / "x").read_bytes() == b"x"


# -- removed -----------------------------------------------------------------------------------------


def test_everything_of_a_removed_image_is_gone_and_nothing_of_others(store: Store) -> None:
    raw_with_snapshots(store)
    for name in (f"{NAME}.part", f"{NAME}.fs.part", f"{NAME}.snap/4.part", OTHER):
        (store.base / name).write_bytes(b"x")
    for _ in range(2):
        assert store.do("RM") == ""
        assert store.names() == [OTHER]


def test_an_image_of_a_datastore_that_is_gone_is_gone(store: Store) -> None:
    assert store.do("RM") == ""


def test_a_link_is_removed_and_not_where_it_leads(store: Store, inbox: Path) -> None:
    store.base.mkdir(parents=True)
    (inbox / "1").write_bytes(b"x")
    store.source.symlink_to(inbox / "1")
    store.source.with_name(f"{NAME}.snap").symlink_to(inbox)
    store.do("RM")
    assert (store.names(), names(inbox)) == ([], ["1"])


# -- asked -------------------------------------------------------------------------------------------


def test_the_room_of_a_datastore_is_told_and_its_directory_made(store: Store, tiny: Path) -> None:
    said = store.do("MONITOR", base_path=str(tiny / "new" / "9"))
    found = re.fullmatch("USED_MB=([0-9]+) TOTAL_MB=4 FREE_MB=([0-9]+)", said)
    assert found
    assert int(found[2]) in (3, 4)
    assert (tiny / "new" / "9").is_dir()


def test_a_request_that_cannot_be_read_is_told(home: Path) -> None:
    with running(COMMAND, home=home) as driver:
        driver.ask("CP", IMAGE, "bm90aGluZw==")
        answer = driver.answer("CP", IMAGE)
        assert (answer.status, answer.payload[:42]) == ("FAILURE", "the request is not base64 of XML: syntax e")


def ask(driver: DriverProcess, store: Store, verb: str, step: int, **fields: object) -> tuple[str, str]:
    driver.ask(verb, IMAGE, render(store.data(step=step, **fields)))
    answer = driver.answer(verb, IMAGE)
    return answer.status, answer.payload


def test_a_whole_life(home: Path, store: Store, inbox: Path) -> None:
    qcow2(inbox / "x")
    with running(COMMAND, home=home) as driver:
        assert ask(driver, store, "STAT", 0, path=str(inbox / "x")) == ("SUCCESS", "3 qcow2")
        assert ask(driver, store, "CP", 1, path=str(inbox / "x")) == ("SUCCESS", f"{store.source} qcow2 3")
        assert ask(driver, store, "RESIZE", 2, size_mib=5, format="qcow2") == ("SUCCESS", "5")
        status, told = ask(driver, store, "CP", 1, path=str(inbox / "x"))
        assert (status, told[:38]) == ("FAILURE", "step 1 is out of date, step 2 was seen")
        assert ask(driver, store, "RM", 3) == ("SUCCESS", "-")
        assert ask(driver, store, "MONITOR", 0)[0] == "SUCCESS"
    assert (store.names(), names(home / "images")) == ([], ["7"])
    assert not (home / "vms" / "7").exists()


def test_an_import_is_cancelled_while_it_is_under_way(home: Path, store: Store) -> None:
    has_begun, may_end = threading.Event(), threading.Event()

    def slow(handler):  # type: ignore[no-untyped-def]
        body(b"x" * 100_000, length=300_000)(handler)
        has_begun.set()
        may_end.wait(20)
        handler.wfile.write(b"x" * 200_000)

    with web(slow) as address, running(COMMAND, home=home, env={"no_proxy": "*"}) as driver:
        driver.ask("CP", IMAGE, render(store.data(step=1, path=f"{address}/x", download_from=HERE)))
        assert has_begun.wait(20)
        driver.ask("DRIVER_CANCEL", IMAGE)
        driver.ask("NOTHING", 1)
        driver.answer("NOTHING", 1)  # so it has read the line before
        may_end.set()
        answer = driver.answer("CP", IMAGE)
        assert (answer.status, answer.payload) == ("FAILURE", f"{address}/x: cancelled by the engine")
    assert store.names() == []


def test_the_programs_that_it_needs_are_here() -> None:
    assert all(shutil.which(program) for program in ("qemu-img", "prlimit", "env"))
