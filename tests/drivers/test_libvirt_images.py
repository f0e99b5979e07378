"""Images that lead to other files of the host are refused."""

import struct
import subprocess
from functools import partial
from pathlib import Path

import pytest

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.images import check_images


def qcow2(version: int = 3, backing_file_at: int = 0, incompatible: int = 0) -> bytes:
    """Return the header of a qcow2 image."""
    head = struct.pack(">4sIQ", b"QFI\xfb", version, backing_file_at)
    return head.ljust(72, b"\0") + struct.pack(">Q", incompatible) + bytes(32)


def check(image: Path, content: bytes | None, image_format: str) -> list[str]:
    """Check a domain with one disk."""
    if content is not None:
        image.write_bytes(content)
    return check_images(
        f"<domain><devices><disk><driver type='{image_format}'/><source file='{image}'/></disk></devices></domain>"
    )


def test_an_image_in_one_piece_is_good(tmp_path: Path) -> None:
    assert check(tmp_path / "disk.0", qcow2(), "qcow2") == []
    assert check(tmp_path / "disk.0", qcow2(version=2, incompatible=4), "qcow2") == []
    assert check(tmp_path / "disk.0", b"MBR", "raw") == []


def test_a_layer_over_a_backing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"disk\.0 is a layer over a backing file"):
        check(tmp_path / "disk.0", qcow2(version=2, backing_file_at=104), "qcow2")


def test_data_in_another_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"disk\.0 keeps its data in another file"):
        check(tmp_path / "disk.0", qcow2(incompatible=0b101), "qcow2")


def test_qcow2_that_is_attached_as_raw_is_hinted_at(tmp_path: Path) -> None:
    [hint] = check(tmp_path / "disk.0", qcow2(), "raw")
    assert "looks like qcow2 and is attached as raw" in hint


def test_a_missing_or_short_image_is_left_to_libvirt(tmp_path: Path) -> None:
    assert check(tmp_path / "disk.0", None, "qcow2") == []
    assert check(tmp_path / "disk.0", b"", "qcow2") == []


def test_a_short_head_that_names_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="is a layer over a backing file"):
        check(tmp_path / "disk.0", qcow2(version=2, backing_file_at=48)[:60], "qcow2")


def layer(tmp_path: Path, kind: str = "raw") -> Path:
    """Make an image of this kind and a layer over it."""
    run = partial(subprocess.run, check=True)
    run(["qemu-img", "create", "-q", "-f", kind, str(tmp_path / "base"), "1M"])
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(tmp_path / "base"), "-F", kind, str(tmp_path / "top")])
    return tmp_path / "top"


def check_layer(image: Path, backing: Path, kind: str) -> list[str]:
    """Check a domain whose disk is a layer."""
    return check_images(
        f"<domain><devices><disk><driver type='qcow2'/><source file='{image}'/><backingStore type='file'>"
        f"<format type='{kind}'/><source file='{backing}'/><backingStore/></backingStore></disk></devices></domain>"
    )


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_a_layer_over_what_the_domain_names_is_good(tmp_path: Path, kind: str) -> None:
    assert check_layer(layer(tmp_path, kind), tmp_path / "base", kind) == []


def test_a_layer_over_another_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"top is over .*/base \(raw\), expected a layer over .*/other \(raw\)"):
        check_layer(layer(tmp_path), tmp_path / "other", "raw")


def test_a_layer_that_reads_its_image_as_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"top is over .*/base \(raw\), expected a layer over .*/base \(qcow2\)"):
        check_layer(layer(tmp_path), tmp_path / "base", "qcow2")


def test_a_layer_that_states_no_format_is_refused(tmp_path: Path) -> None:
    name = str(tmp_path / "base").encode()
    head = struct.pack(">4sIQI", b"QFI\xfb", 2, 72 + 8, len(name)).ljust(72 + 8, b"\0")
    (tmp_path / "top").write_bytes(head + name)
    with pytest.raises(Failure, match=r"base \(no format\), expected a layer over .*/base \(raw\)"):
        check_layer(tmp_path / "top", tmp_path / "base", "raw")


def test_an_image_in_one_piece_is_no_layer(tmp_path: Path) -> None:
    layer(tmp_path, "qcow2")
    with pytest.raises(Failure, match="base is in one piece, expected a layer over"):
        check_layer(tmp_path / "base", tmp_path / "other", "raw")


def test_what_is_no_qcow2_image_is_no_layer(tmp_path: Path) -> None:
    (tmp_path / "disk.0").write_bytes(b"MBR")
    with pytest.raises(Failure, match=r"disk\.0 is no qcow2 image, expected a layer over"):
        check_layer(tmp_path / "disk.0", tmp_path / "base", "raw")


def test_a_layer_over_a_layer_is_refused(tmp_path: Path) -> None:
    top = layer(tmp_path)
    over = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(top), "-F", "qcow2", str(tmp_path / "third")]
    subprocess.run(over, check=True)
    with pytest.raises(Failure, match="top is a layer over a backing file"):
        check_layer(tmp_path / "third", top, "qcow2")
