"""examples/guest/build: what is in the guest, looked at without booting it (tests/lab boots it)."""

import gzip
import os
import subprocess
from pathlib import Path

import pytest

BUILD = Path(__file__).parents[2] / "examples" / "guest" / "build"
ENVIRONMENT = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A guest."""
    made = tmp_path_factory.mktemp("guest")
    subprocess.run([str(BUILD), str(made)], check=True)
    return made


def unpacked(out: Path, into: Path) -> Path:
    """Return the directory to which the initial RAM disk was unpacked."""
    archive = gzip.decompress((out / "initrd.img").read_bytes())
    subprocess.run(["cpio", "-id", "--quiet", "--no-absolute-filenames"], input=archive, cwd=into, check=True)
    return into


def test_a_module_comes_after_those_that_it_needs(out: Path, tmp_path: Path) -> None:
    modules = unpacked(out, tmp_path) / "lib" / "modules"
    order = (modules / "order").read_text().splitlines()
    assert sorted(order) == sorted(file.name for file in modules.glob("*.ko"))
    assert {"virtio_net.ko", "virtio_scsi.ko", "button.ko"} <= set(order)
    assert order.index("virtio_ring.ko") < order.index("virtio_net.ko")
    assert order.index("virtio.ko") < order.index("virtio_pci.ko")
    assert order.index("scsi_mod.ko") < order.index("virtio_scsi.ko")


def test_the_disk_is_a_clean_ext4_with_the_guest_on_it(out: Path) -> None:
    disk = str(out / "root.img")
    assert os.path.getsize(disk) == 16 << 20
    subprocess.run(["e2fsck", "-fn", disk], check=True, capture_output=True, env=ENVIRONMENT)
    listed = subprocess.run(
        ["debugfs", "-R", "ls -p /etc", disk], check=True, capture_output=True, text=True, env=ENVIRONMENT
    ).stdout
    assert "/inittab/" in listed and "/rc/" in listed


def test_building_again_replaces_what_is_there(out: Path) -> None:
    (out / "root.img").write_bytes(b"used")
    subprocess.run([str(BUILD), str(out)], check=True)
    assert (out / "root.img").stat().st_size == 16 << 20
    assert sorted(file.name for file in out.iterdir()) == ["initrd.img", "root.img", "vmlinuz"]


def test_a_kernel_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(BUILD), str(tmp_path)], capture_output=True, text=True, env={**ENVIRONMENT, "GUEST_KERNEL": "9.9.9"}
    )
    assert done.returncode == 1
    assert "/boot/vmlinuz-9.9.9" in done.stderr
    assert list(tmp_path.iterdir()) == []
