"""Mounts the disks of a container on its host, seen as if they belonged to the users that its root may be.

    python3 -c SOURCE mount PLACE FIRST COUNT  0 rw /…/disk.0  3 ro /…/disk.3  < context.tar
    python3 -c SOURCE unmount PLACE  0 rw /…/disk.0

Run on hosts by the Python that they have, so it uses nothing but the standard library and what was in Python 3.6.
FIRST and COUNT say which users of the host the users 0 to COUNT - 1 of the disks become; FIRST 0 leaves them.
The archive on the standard input, if there is one, is unpacked in memory, at PLACE/context.
What is mounted below PLACE is there when a mount ends with 0, and nothing of it when it ends otherwise: then the error
output says why.  An unmount ends with 0 when the images, too, are let go of: all that was written is in them.

Source: mount_setattr(2), open_tree(2), user_namespaces(7), losetup(8).
"""

import ctypes
import fcntl
import io
import os
import stat
import subprocess
import sys
import tarfile

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


class _MountAttr(ctypes.Structure):
    """struct mount_attr of the kernel."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")]


def mount(place, first, count, disks, context):
    # type: (str, int, int, list[tuple[str, str, str]], bytes) -> None
    """Mount each disk, (name, ro or rw, image), at PLACE/name; what was left there by an earlier attempt goes first."""
    unmount(place)
    refuse_busy(disks)
    users = _users(first, count) if first else -1
    try:
        os.makedirs(place, 0o711)
        for name, mode, image in disks:
            at = os.path.join(place, name)
            os.mkdir(at, 0o711)
            is_device = stat.S_ISBLK(os.stat(image).st_mode)
            options = "%s,nodev%s" % (mode, "" if is_device else ",loop")
            _run("mount", "--types", FILE_SYSTEMS, "--options", options, image, at)
            if first:
                _give(at, users)
        if context:
            _unpack(context, os.path.join(place, "context"), first)
    except BaseException:
        unmount(place)
        raise
    finally:
        if users >= 0:
            os.close(users)


def unmount(place):
    # type: (str) -> None
    """Take away whatever is mounted below a place, and the place."""
    if not os.path.isdir(place):
        return
    for name in os.listdir(place):
        at = os.path.join(place, name)
        while os.path.ismount(at):
            _run("umount", "--lazy", at)
        os.rmdir(at)
    os.rmdir(place)


def refuse_busy(disks):
    # type: (list[tuple[str, str, str]]) -> None
    """Raise Busy when the image of a disk that can be written to is still in use: two that write destroy it."""
    for _, mode, image in disks:
        if mode == "rw" and os.path.isfile(image):
            loops = _run("losetup", "--noheadings", "--output", "NAME", "--associated", image).split()
            if loops:
                raise Busy("%s is in use on this host as %s" % (image, " ".join(loops)))


def _unpack(archive, at, owner):
    # type: (bytes, str, int) -> None
    """Unpack files, in memory; only their owner may read them."""
    os.mkdir(at, 0o711)
    options = "size=%d,mode=0500,uid=%d,gid=%d,nosuid,nodev" % (2 * len(archive) + (1 << 20), owner, owner)
    _run("mount", "--types", "tmpfs", "--options", options, "trifid-context", at)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for member in files:
            path = os.path.join(at, member.name)
            if not os.path.realpath(path).startswith(os.path.realpath(at) + "/"):
                raise Trouble("the context has a file %s" % member.name)
            if member.isdir():
                os.mkdir(path)
            else:
                content = files.extractfile(member)
                with open(path, "xb") as out:
                    out.write(content.read() if content else b"")
            os.chown(path, member.uid, member.gid)
            os.chmod(path, member.mode)


def _run(*argv):
    # type: (*str) -> str
    done = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = done.communicate()
    if done.returncode:
        said = err.decode("utf-8", "replace").strip() or "exit status %d" % done.returncode
        raise Trouble("%s: %s" % (argv[0], " ".join(said.split())))
    return out.decode("utf-8", "replace")


def _users(first, count):
    # type: (int, int) -> int
    """Return a descriptor of a user namespace with the map of users and groups; its process has ended by then."""
    argv = ["unshare", "--user", "sh", "-c", "echo up; read -r end"]
    holder = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        if holder.stdout is None or holder.stdout.readline() != b"up\n":
            raise Trouble("this host gives no user namespaces (sysctl user.max_user_namespaces)")
        for kind in ("uid_map", "gid_map"):
            with open("/proc/%d/%s" % (holder.pid, kind), "w") as out:
                out.write("0 %d %d\n" % (first, count))
        return os.open("/proc/%d/ns/user" % holder.pid, os.O_RDONLY | os.O_CLOEXEC)
    finally:
        holder.communicate(b"\n")


def _give(at, users):
    # type: (str, int) -> None
    """Replace a mount by itself with its owners mapped."""
    libc = ctypes.CDLL(None, use_errno=True)
    tree = libc.syscall(_SYS_OPEN_TREE, _AT_FDCWD, at.encode(), _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC)
    if tree < 0:
        raise Trouble("open_tree: %s" % os.strerror(ctypes.get_errno()))
    try:
        attributes = _MountAttr(_MOUNT_ATTR_IDMAP, 0, 0, users)
        size = ctypes.sizeof(attributes)
        if libc.syscall(_SYS_MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH, ctypes.byref(attributes), size):
            raise Trouble(
                "this host's kernel cannot map the owners of this file system (mount_setattr: %s): it takes Linux 5.12 "
                "for ext4, 5.15 for xfs and btrfs" % os.strerror(ctypes.get_errno())
            )
        _run("umount", at)
        if libc.syscall(_SYS_MOVE_MOUNT, tree, b"", _AT_FDCWD, at.encode(), _MOVE_MOUNT_F_EMPTY_PATH):
            raise Trouble("move_mount: %s" % os.strerror(ctypes.get_errno()))
    finally:
        os.close(tree)


def main(argv):
    # type: (list[str]) -> int
    """Do what the arguments say, one process at a time on a host; return the exit status."""
    word, place, rest = argv[0], argv[1], argv[2:]
    os.umask(0)
    os.makedirs(os.path.dirname(place), 0o711, exist_ok=True)
    lock = os.open(os.path.dirname(place), os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        if word == "mount":
            disks = list(zip(rest[2::3], rest[3::3], rest[4::3]))
            mount(place, int(rest[0]), int(rest[1]), disks, sys.stdin.buffer.read())
        else:
            unmount(place)
            refuse_busy(list(zip(rest[0::3], rest[1::3], rest[2::3])))
    except (Trouble, OSError) as trouble:
        sys.stderr.write("%s\n" % trouble)
        return BUSY if isinstance(trouble, Busy) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
