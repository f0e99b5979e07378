"""What must be so on a host while a container starts: its disks are mounted, its context is unpacked.

Once it runs it has mounts of its own, and the host's go: so they end with the container, whatever ends it, and
nothing has to watch for that.

Source: mount_namespaces(7), mount_setattr(2).
"""

import contextlib
import io
import tarfile
import time
from collections.abc import Iterator
from functools import cache
from importlib import resources

import pycdlib
from pycdlib.pycdlibexception import PyCdlibException

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.connector import Stay
from trifid.drivers.libvirt.connectors.lxc_disks import CONTEXT_NAME, FileSystem, file_systems, passed_over, place_of
from trifid.drivers.libvirt.connectors.lxc_on_host import BUSY
from trifid.drivers.libvirt.connectors.lxc_users import COUNT, first_user
from trifid.drivers.libvirt.disks import image_path
from trifid.drivers.libvirt.mapping import is_yes
from trifid.drivers.remote.faults import CommandFailed

CONTEXT_BYTES_MAX = 64 << 20
BUSY_TIMEOUT_S = 30.0
"""A container that has just ended writes what is left to its disks."""
LOOK_EVERY_S = 0.2


@contextlib.contextmanager
def starting(stay: Stay) -> Iterator[None]:
    """Have a container's file systems mounted within a block, and nothing of them on the host after it.

    Raises:
        Failure: they cannot be; the text says why.
    """
    if left_out := passed_over(stay.vm):
        stay.request.log(f"a container has no use for {', '.join(left_out)}: passed over", "W")
    found = file_systems(stay.vm, stay.directory)
    first = first_user(stay.vm)
    context = b""
    for one in found:
        if one.name == CONTEXT_NAME:
            context = repacked(_contents(stay, one.image), first)
    _until_done(stay, "mount", str(first), str(COUNT), *_words(found), text=context)
    try:
        yield
    finally:
        _until_done(stay, "unmount")


def settle(stay: Stay, *, has_ended: bool) -> None:
    """Leave nothing mounted on the host outside the container; once that has ended, return when its images are whole.

    Raises:
        Failure: an image is still in use after a while.
    """
    if stay.vm.is_imported:
        return
    if not has_ended:
        _until_done(stay, "unmount")
        return
    # whatever the template says: what cannot be started must be able to end
    vectors = [vector for vector in stay.vm.template.vectors("DISK") if not is_yes(vector.get("READONLY", ""))]
    _until_done(stay, "unmount", *(word for one in vectors for word in ("-", "rw", image_path(one, stay.directory))))


def _words(found: list[FileSystem]) -> list[str]:
    disks = [one for one in found if one.name != CONTEXT_NAME]
    return [word for one in disks for word in (one.name, "ro" if one.is_readonly else "rw", one.image)]


def _until_done(stay: Stay, word: str, *rest: str, text: bytes = b"") -> None:
    argv = ("python3", "-I", "-S", "-c", _source(), word, place_of(stay.vm), *rest)
    end = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            with stay.machine.stream(*argv, stop=lambda: stay.request.wait(0)) as stream:
                stream.write(text)
                stream.finish()
            return
        except CommandFailed as failed:
            if failed.status != BUSY or time.monotonic() > end:
                raise Failure(f"the disks of {stay.vm.domain_name}: {failed}") from failed
        stay.request.wait(LOOK_EVERY_S)


@cache
def _source() -> str:
    return resources.files(__package__).joinpath("lxc_on_host.py").read_text(encoding="utf-8")


def _contents(stay: Stay, image: str) -> bytes:
    """Return a context image.

    Raises:
        Failure: it cannot be read, or is too large to be unpacked.
    """
    parts, size = [], 0
    with stay.machine.stream("head", "-c", str(CONTEXT_BYTES_MAX + 1), image) as stream:
        while part := stream.read(1 << 18):
            parts.append(part)
            size += len(part)
        stream.finish()
    if size > CONTEXT_BYTES_MAX:
        raise Failure(f"{image}: the context of a container has at most {CONTEXT_BYTES_MAX >> 20} MiB")
    return b"".join(parts)


def repacked(image: bytes, owner: int) -> bytes:
    """Return the files of an ISO image as a tar archive whose files all have this owner, who may read them.

    Raises:
        Failure: it is no such image.
    """
    iso, out = pycdlib.PyCdlib(), io.BytesIO()
    try:
        iso.open_fp(io.BytesIO(image))
        with tarfile.open(fileobj=out, mode="w") as archive:
            for above, directories, files in iso.walk(rr_path="/"):
                for name in directories:
                    archive.addfile(_entry(above, name, owner, tarfile.DIRTYPE, 0o500))
                for name in files:
                    path = f"{above.rstrip('/')}/{name}"
                    data = io.BytesIO()
                    iso.get_file_from_iso_fp(data, rr_path=path)
                    entry = _entry(above, name, owner, tarfile.REGTYPE, 0o400 | _mode(iso, path) & 0o100)
                    entry.size = data.tell()
                    data.seek(0)
                    archive.addfile(entry, data)
        iso.close()
    except PyCdlibException as fault:
        raise Failure(f"the context is no readable ISO image: {fault}") from fault
    return out.getvalue()


def _mode(iso: pycdlib.PyCdlib, path: str) -> int:
    extension = getattr(iso.get_record(rr_path=path), "rock_ridge", None)
    return int(extension.get_file_mode()) if extension else 0


def _entry(above: str, name: str, owner: int, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(f"{above.strip('/')}/{name}".lstrip("/"))
    entry.type, entry.mode, entry.uid, entry.gid = kind, mode, owner, owner
    return entry
