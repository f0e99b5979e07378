"""An image out of a file of the front-end or of the web: fetched, unpacked, compared with its checksum, looked at.

It has its name in the datastore only when all of that is done; until then there is one file SOURCE.part.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from trifid.drivers.download import Remote, is_url, shown
from trifid.drivers.ds import own, probe, qemu, uploaded
from trifid.drivers.ds.allowed import Places
from trifid.drivers.ds.reserve import free_bytes, need_space, reserve_bytes
from trifid.drivers.ds.unpack import head_of, packing_of, unpacked
from trifid.drivers.kit import Failure, Request
from trifid.drivers.reach import reach_of
from trifid.drivers.tm import files
from trifid.drivers.tm.work import progress
from trifid.wire.image_action import ImageActionData

READ_BYTES = 1 << 18
_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64}


def bring(request: Request, data: ImageActionData) -> probe.Found:
    """Make SOURCE out of PATH; one that is there was made by a request like this one.

    Raises:
        Failure: it cannot be fetched, may not be, or is not taken; the text says why.
        OSError: it cannot be read or written.
    """
    source = own.source_of(data)
    if not source.is_file():
        own.make_base(data)
        with uploaded.no_note_of_nothing(source), files.arriving(source) as file:
            if is_url(data.path):
                _from_the_web(request, data, file)
            else:
                _from_a_file(request, data, file, source)
            _settle(request, data, file)
    uploaded.forget(source, data.path)
    with source.open("rb") as file:
        return probe.look_at(file, data.kind, "")


def learn(request: Request, data: ImageActionData) -> tuple[int, str]:
    """Return the size in MiB and the format of what PATH has, without importing it; 0 and "" = not known.

    The size of what is packed is the one it is packed to, unless its first bytes tell more.

    Raises:
        Failure, OSError: as `bring`, as far as the first bytes show it.
    """
    tail = b""
    with contextlib.ExitStack() as stack:
        if is_url(data.path):
            reach = reach_of(data.download_from)
            remote = stack.enter_context(Remote(data.path, reach, probe.HEAD_BYTES, _stop(request)))
            size, blocks = remote.size, remote.blocks()
        else:
            descriptor = _places(data).open(data.path)
            stack.callback(os.close, descriptor)
            size = os.fstat(descriptor).st_size
            blocks = iter([os.pread(descriptor, probe.HEAD_BYTES, 0)])
            tail = os.pread(descriptor, probe.TAIL_BYTES, max(0, size - probe.TAIL_BYTES))
        head, _ = head_of(blocks, probe.HEAD_BYTES)
    packing = _packing(data, head)
    if packing:
        begun = next(unpacked([head], packing), b"")[: probe.HEAD_BYTES]
        found = probe.look(begun, b"", None, data.kind, data.format)
        return probe.mib(found.size or size or 0), found.format if found.size else ""
    found = probe.look(head, tail, size, data.kind, data.format)
    probe.check_size(found.size, data.size_mib_max)
    return (found.size_mib if found.size else 0), found.format


def _from_a_file(request: Request, data: ImageActionData, file: BinaryIO, source: Path) -> None:
    places = _places(data)
    descriptor = places.open(data.path)
    try:
        if places.is_upload(data.path):
            uploaded.note(source, os.fstat(descriptor))
        head = os.pread(descriptor, probe.HEAD_BYTES, 0)
        if _packing(data, head):
            size = os.fstat(descriptor).st_size
            _save(request, data, _Incoming(_read(descriptor), data, size), file)
            return
        with os.fdopen(os.dup(descriptor), "rb") as original:
            probe.check_size(probe.look_at(original, data.kind, data.format).size, data.size_mib_max)
        files.copy_into(file, descriptor, progress(request, data.path), reserve_bytes(Path(file.name).parent))
        if data.checksum:  # of the copy: the file may change under our eyes
            incoming = _Incoming(_read(file.fileno()), data, os.fstat(file.fileno()).st_size)
            tell = progress(request, f"checksum of {data.path}")
            for _ in incoming.blocks():
                tell(incoming.done, incoming.size)
            incoming.check_sum()
    finally:
        os.close(descriptor)


def _from_the_web(request: Request, data: ImageActionData, file: BinaryIO) -> None:
    with Remote(data.path, reach_of(data.download_from), stop=_stop(request)) as remote:
        size = remote.size or 0
        probe.check_size(size, data.size_mib_max)
        need_space(Path(file.name).parent, size)
        _save(request, data, _Incoming(remote.blocks(), data, size), file)


def _stop(request: Request) -> Callable[[], None]:
    """Return what ends a download that the engine does not want any more."""

    def stop() -> None:
        if request.is_cancelled:
            raise Failure("cancelled by the engine")

    return stop


class _Incoming:
    """What comes, counted and summed up before it is unpacked.

    Attributes:
        done: bytes that came.
        size: bytes that are expected, 0 = not known.
    """

    def __init__(self, blocks: Iterator[bytes], data: ImageActionData, size: int) -> None:
        self.done = 0
        self.size = size
        name, _, self._expected = data.checksum.lower().partition(":")
        is_sum = len(self._expected) == _DIGITS.get(name) and set(self._expected) <= set("0123456789abcdef")
        if data.checksum and not is_sum:
            raise Failure(f"checksum {data.checksum[:80]} is none, expected md5:, sha1: or sha256: and its hex digits")
        self._sum = hashlib.new(name, usedforsecurity=False) if data.checksum else None
        self._name = name
        self._blocks = blocks

    def blocks(self) -> Iterator[bytes]:
        """Yield them."""
        for block in self._blocks:
            self.done += len(block)
            if self._sum is not None:
                self._sum.update(block)
            yield block

    def check_sum(self) -> None:
        """Compare, when everything has come.

        Raises:
            Failure: another checksum was expected.
        """
        if self._sum is not None and self._sum.hexdigest() != self._expected:
            is_now = self._sum.hexdigest()
            raise Failure(f"its {self._name} is {is_now}, expected {self._expected}: it is damaged, or another file")


def _save(request: Request, data: ImageActionData, incoming: _Incoming, file: BinaryIO) -> None:
    """Write what comes, unpacked; refuse early what its first bytes show, and what has no end."""
    head, blocks = head_of(incoming.blocks(), probe.HEAD_BYTES)
    packing = _packing(data, head)
    if packing:
        head, blocks = head_of(unpacked(blocks, packing), probe.HEAD_BYTES)
    probe.check_size(probe.look(head, b"", None, data.kind, data.format).size, data.size_mib_max)
    free = free_bytes(Path(file.name).parent)
    tell = progress(request, shown(data.path) if is_url(data.path) else data.path)
    sparse = files.Sparse(file)
    for piece in blocks:
        sparse.write(piece)
        probe.check_size(sparse.size, data.size_mib_max)
        if sparse.size > free:
            # zeros fill no disk, and so nothing else would stop what is endless
            raise Failure(f"it is larger than the {files.in_mib(free)} that were free in {Path(file.name).parent}")
        tell(incoming.done, incoming.size)
    sparse.end()
    incoming.check_sum()


def _settle(request: Request, data: ImageActionData, file: BinaryIO) -> None:
    """Look at the file that came, and make it as large as it shall be."""
    file.flush()
    found = probe.look_at(file, data.kind, data.format)
    probe.check_size(max(found.size, os.fstat(file.fileno()).st_size), data.size_mib_max)
    if found.format == "qcow2":
        qemu.verify(request, file.name, found.size)
    if data.kind not in (*probe.FILES, probe.CDROM):
        grow(request, data, file, found)


def grow(request: Request, data: ImageActionData, file: BinaryIO, found: probe.Found) -> None:
    """Make a disk that is arriving as large as its owner wants it at least.

    Raises:
        Failure: that is more than is taken.
    """
    size = data.size_mib * probe.MIB
    if size <= found.size:
        return
    probe.check_size(size, data.size_mib_max)
    if found.format == "qcow2":
        qemu.resize(request, file.name, size)
    else:
        os.ftruncate(file.fileno(), size)


def _packing(data: ImageActionData, head: bytes) -> str:
    """Return how it is packed; a plain file stays as it is (a RAMDISK is mostly packed with gzip)."""
    return "" if data.kind in probe.FILES else packing_of(head)


def _places(data: ImageActionData) -> Places:
    return Places(data.safe_dirs, data.restricted_dirs, data.base_path, os.environ.get("TRIFID_HOME", ""))


def _read(descriptor: int) -> Iterator[bytes]:
    at = 0
    while block := os.pread(descriptor, READ_BYTES, at):
        at += len(block)
        yield block
