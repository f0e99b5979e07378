"""Images that lead to other files of the host are refused."""

import struct
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
