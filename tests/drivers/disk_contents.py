"""Small disks and images for tests: made, written to as a guest would, read as one would."""

import subprocess
from pathlib import Path

MIB = 1 << 20


def make_raw(path: Path, content: bytes = b"first") -> Path:
    """Make a raw disk of 1 MiB that begins with a content."""
    path.write_bytes(content.ljust(MIB, b"\0"))
    return path


def make_qcow2(path: Path, content: bytes = b"first") -> Path:
    """Make a qcow2 disk of 1 MiB that begins with a content."""
    run("qemu-img", "create", "-q", "-f", "qcow2", str(path), "1M")
    write(path, content)
    return path


MAKERS = {"raw": make_raw, "qcow2": make_qcow2}


def write(disk: Path, content: bytes) -> None:
    """Write to the beginning of a disk, as a guest would."""
    if not is_image(disk):
        with disk.open("r+b") as file:
            file.write(content.ljust(512, b"\0"))
        return
    source = disk.with_name("contents")
    source.write_bytes(content.ljust(512, b"\0"))
    run("qemu-io", "-f", "qcow2", "-c", f"write -q -s {source} 0 512", str(disk))
    source.unlink()


def read(disk: Path) -> bytes:
    """Return what a guest would read at the beginning, without what is zero."""
    if not is_image(disk):
        return _beginning(disk)
    out = disk.with_name("out")
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(disk), str(out))
    try:
        return _beginning(out)
    finally:
        out.unlink()


def _beginning(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(512).rstrip(b"\0")


def size(disk: Path) -> int:
    """Return how large a guest would find a disk, bytes."""
    told = run("qemu-img", "info", "-f", "qcow2" if is_image(disk) else "raw", str(disk))
    return int(told.partition("virtual size: ")[2].partition("(")[2].partition(" bytes")[0])


def snapshots(disk: Path) -> list[str]:
    """Return the names of the snapshots in a qcow2 disk."""
    return [line.split()[1] for line in run("qemu-img", "snapshot", "-l", str(disk)).splitlines()[2:]]


def is_image(disk: Path) -> bool:
    """Tell whether a file is qcow2."""
    with disk.open("rb") as file:
        return file.read(4) == b"QFI\xfb"


def forge_layer(disk: Path, over: Path) -> None:
    """Let a raw disk look like a layer over a file, as its guest can."""
    forged = disk.with_name("forged")
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(over), "-F", "raw", str(forged))
    with disk.open("r+b") as file:
        file.write(forged.read_bytes())
    forged.unlink()


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
