"""Mounts the disks of a container on its host, seen as if they belonged to the users that its root may be.

    python3 -c SOURCE mount PLACE FIRST COUNT  0 rw /…/disk.0  3 ro /…/disk.3  < context.tar
    python3 -c SOURCE unmount PLACE  0 rw /…/disk.0

Run on hosts by the Python that they have, so it uses nothing but the standard library and what was in Python 3.7.
FIRST and COUNT say which users of the host the users 0 to COUNT - 1 of the disks become; FIRST 0 leaves them.
The archive on the standard input, if there is one, is unpacked in memory, at PLACE/context.
What is mounted below PLACE is there when a mount ends with 0, and nothing of it when it ends otherwise: then the error
output says why.  An unmount ends with 0 when the images, too, are let go of: all that was written is in them.

Source: mount_setattr(2), open_tree(2), user_namespaces(7), losetup(8).
"""

from __future__ import annotations

import ctypes
import fcntl
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

FILE_SYSTEMS = "ext4,ext3,ext2,xfs,btrfs"
BUSY = 75
"""Exit status when an image is still in use, which may be over in a moment."""

_SYS_OPEN_TREE, _SYS_MOVE_MOUNT, _SYS_MOUNT_SETATTR = 428, 429, 442
_AT_FDCWD, _AT_EMPTY_PATH = -100, 0x1000
_OPEN_TREE_CLONE, _OPEN_TREE_CLOEXEC = 1, os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 4
_MOUNT_ATTR_IDMAP = 0x00100000


class Trouble(Exception):
    """It cannot be done; the text says why."""


class Busy(Trouble):
    """It cannot be done yet."""


class Disk(NamedTuple):
    """What is mounted at PLACE/name: ro or rw."""

    name: str
    mode: str
    image: str


class _MountAttr(ctypes.Structure):
    """struct mount_attr of the kernel."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")]


def mount(place: Path, first: int, count: int, disks: list[Disk], context: bytes) -> None:
    """Mount each disk and unpack the context; what was left there by an earlier attempt goes first."""
    unmount(place)
    refuse_busy(disks)
    users = _users(first, count) if first else -1
    try:
        place.mkdir(mode=0o700)  # until owners are mapped, a disk's programs that run as root would run as the host's
        for disk in disks:
            at = place / disk.name
            at.mkdir(mode=0o711)
            options = f"{disk.mode},nodev{'' if Path(disk.image).is_block_device() else ',loop'}"
            _run("mount", "--types", FILE_SYSTEMS, "--options", options, disk.image, str(at))
            if first:
                _give(at, users)
        if context:
            _unpack(context, place / "context", first)
        if first:
            place.chmod(0o711)  # root of the container is a stranger there, and passes through
    except BaseException:
        unmount(place)
        raise
    finally:
        if users >= 0:
            os.close(users)


def unmount(place: Path) -> None:
    """Take away whatever is mounted below a place, and the place."""
    if not place.is_dir():
        return
    for at in place.iterdir():
        while at.is_mount():
            _run("umount", "--lazy", str(at))
        at.rmdir()
    place.rmdir()


def refuse_busy(disks: list[Disk]) -> None:
    """Raise Busy when the image of a disk that can be written to is still in use: two that write destroy it."""
    for disk in disks:
        if disk.mode == "rw" and Path(disk.image).is_file():
            loops = _run("losetup", "--noheadings", "--output", "NAME", "--associated", disk.image).split()
            if loops:
                raise Busy(f"{disk.image} is in use on this host as {' '.join(loops)}")


def _unpack(archive: bytes, at: Path, owner: int) -> None:
    """Unpack files, in memory; only their owner may read them."""
    at.mkdir(mode=0o711)
    options = f"size={2 * len(archive) + (1 << 20)},mode=0500,uid={owner},gid={owner},nosuid,nodev"
    _run("mount", "--types", "tmpfs", "--options", options, "trifid-context", str(at))
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for member in files:
            path = at / member.name
            if at.resolve() not in path.resolve().parents:
                raise Trouble(f"the context has a file {member.name}")
            if member.isdir():
                path.mkdir()
            else:
                content = files.extractfile(member)
                path.write_bytes(content.read() if content else b"")
            os.chown(path, member.uid, member.gid)
            path.chmod(member.mode)


def _run(*argv: str) -> str:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.decode("utf-8", "replace").split()) or f"exit status {done.returncode}"
        raise Trouble(f"{argv[0]}: {said}")
    return done.stdout.decode("utf-8", "replace")


def _users(first: int, count: int) -> int:
    """Return a descriptor of a user namespace with the map of users and groups; its process has ended by then."""
    argv = ["unshare", "--user", "sh", "-c", "echo up; read -r end"]
    holder = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        if holder.stdout is None or holder.stdout.readline() != b"up\n":
            raise Trouble("this host gives no user namespaces (sysctl user.max_user_namespaces)")
        process = Path("/proc", str(holder.pid))
        for kind in ("uid_map", "gid_map"):
            (process / kind).write_text(f"0 {first} {count}\n")
        return os.open(process / "ns" / "user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        holder.communicate(b"\n")


def _give(at: Path, users: int) -> None:
    """Replace a mount by itself with its owners mapped."""
    libc = ctypes.CDLL(None, use_errno=True)
    place = os.fsencode(at)
    tree = libc.syscall(_SYS_OPEN_TREE, _AT_FDCWD, place, _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC)
    if tree < 0:
        raise Trouble(f"open_tree: {os.strerror(ctypes.get_errno())}")
    try:
        attributes = _MountAttr(_MOUNT_ATTR_IDMAP, 0, 0, users)
        size = ctypes.sizeof(attributes)
        if libc.syscall(_SYS_MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH, ctypes.byref(attributes), size):
            raise Trouble(
                f"this host's kernel cannot map the owners of this file system ({os.strerror(ctypes.get_errno())}): "
                "it takes Linux 5.12 for ext4, 5.15 for btrfs and xfs"
            )
        _run("umount", str(at))
        if libc.syscall(_SYS_MOVE_MOUNT, tree, b"", _AT_FDCWD, place, _MOVE_MOUNT_F_EMPTY_PATH):
            raise Trouble(f"move_mount: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(tree)


def main(argv: list[str]) -> int:
    """Do what the arguments say, one process at a time on a host; return the exit status."""
    word, place, rest = argv[0], Path(argv[1]), argv[2:]
    sizes, words = (rest[:2], rest[2:]) if word == "mount" else ([], rest)
    disks = [Disk(words[at], words[at + 1], words[at + 2]) for at in range(0, len(words), 3)]
    os.umask(0)
    place.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    lock = os.open(place.parent, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        if word == "mount":
            mount(place, int(sizes[0]), int(sizes[1]), disks, sys.stdin.buffer.read())
        else:
            unmount(place)
            refuse_busy(disks)
    except (Trouble, OSError) as trouble:
        sys.stderr.write(f"{trouble}\n")
        return BUSY if isinstance(trouble, Busy) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
