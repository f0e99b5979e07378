"""The door for files that images are made of: `PUT /upload/NAME`, to go on with after a broken connection.

    HEAD /upload/NAME             how far it is: Upload-Offset, Upload-Complete, Upload-Limit
    PUT /upload/NAME              a file from its beginning
    PUT /upload/NAME?offset=N     the rest of it, from byte N on; or Content-Range: bytes N-M/SIZE
    DELETE /upload/NAME           forget it

Who sends is told by `Authorization: Basic`, user and secret as in any call.  `X-Checksum-Sha256` (hex) or
`Digest: sha-256=` (base64) of the whole file are compared before it gets its name.  An image is then made of it
with PATH="upload:NAME".  The header names are those of the IETF's draft on resumable uploads.
"""

import asyncio
import base64
import binascii
import errno
import logging
import re
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeVar
from urllib.parse import parse_qs

from trifid.doors.http import (
    BASIC,
    Application,
    Gone,
    Header,
    Receive,
    Refused,
    Scope,
    Send,
    basic_session,
    declared_length,
    drain,
    header,
    next_piece,
    peer,
    send_text,
)
from trifid.doors.upload_files import Upload, Uploads
from trifid.errors import NotAuthenticated, TrifidError
from trifid.methods.uploads import Admit

log = logging.getLogger("trifid.upload")

PREFIX = "/upload/"
SILENCE_S_MAX = 60.0
AT_ONCE_MAX, AT_ONCE_PER_USER_MAX = 32, 4
_WRITE_BYTES = 1 << 20
_DRAINED_BYTES_MAX = 1 << 20
_DRAIN_S_MAX = 5.0
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})\Z", re.ASCII)
_CLOSE = (b"connection", b"close")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
T = TypeVar("T")


class Piece(NamedTuple):
    """What a request brings of a file.

    Attributes:
        offset: where it belongs.
        length: bytes that come, 0 = not told.
        size: of the whole file, where it is told; this piece may then not be the last.
    """

    offset: int
    length: int
    size: int | None


def with_uploads(
    rest: Application, uploads: Uploads, admit: Admit, silence_s_max: float = SILENCE_S_MAX
) -> Application:
    """Return the application that takes uploads, and leaves all other paths to `rest`."""
    door = _Door(uploads, admit, silence_s_max)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await (door if scope["path"].startswith(PREFIX) else rest)(scope, receive, send)

    return answer


class _Door:
    def __init__(self, uploads: Uploads, admit: Admit, silence_s_max: float) -> None:
        self._uploads = uploads
        self._admit = admit
        self._silence_s_max = silence_s_max
        self._busy: set[tuple[int, str]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, name = scope["method"], scope["path"].removeprefix(PREFIX)
        body = _Body(receive, is_held=header(scope, b"expect").lower() == b"100-continue")
        try:
            status, text, headers = await self._answer(scope, body, method, name)
        except Gone:
            return
        except Refused as refused:
            if not await body.drained():
                return
            status, text, headers = refused.status, refused.text, (*refused.headers, _CLOSE)
        await send_text(send, status, text, *headers, has_body=method != "HEAD")

    async def _answer(self, scope: Scope, body: "_Body", method: str, name: str) -> tuple[int, str, tuple[Header, ...]]:
        uid = await self._who(scope)
        if method == "HEAD":
            return 200, "", await self._progress(uid, name)
        if method == "DELETE":
            with self._alone(uid, name):
                if not await asyncio.to_thread(self._uploads.remove, uid, name):
                    raise Refused(404, f"there is no upload {name}")
            return 200, f"upload {name} is gone", ()
        if method != "PUT":
            raise Refused(405, "uploads take HEAD, PUT and DELETE", (b"allow", b"HEAD, PUT, DELETE"))
        piece, checksum = _piece(scope), _checksum(scope)
        with self._alone(uid, name):
            return await self._put(scope, body, uid, name, piece, checksum)

    async def _who(self, scope: Scope) -> int:
        try:
            return await self._admit(basic_session(scope), peer(scope))
        except NotAuthenticated as nobody:
            raise Refused(401, nobody.message, BASIC) from None
        except TrifidError as refused:
            raise Refused(403, refused.message) from None

    async def _progress(self, uid: int, name: str) -> tuple[Header, ...]:
        found = await asyncio.to_thread(self._uploads.progress, uid, name)
        limit = (b"upload-limit", b"max-size=%d" % self._uploads.limits.file_bytes_max)
        if found is None:
            return (b"upload-offset", b"0"), (b"upload-complete", b"?0"), limit
        return (
            (b"upload-offset", b"%d" % found.size),
            (b"upload-complete", b"?1" if found.is_complete else b"?0"),
            limit,
        )

    async def _put(
        self, scope: Scope, body: "_Body", uid: int, name: str, piece: Piece, checksum: str
    ) -> tuple[int, str, tuple[Header, ...]]:
        async with _opened(self._uploads, uid, name, piece) as (upload, work):
            await self._receive(body, upload, work)
            if piece.size is not None and upload.size < piece.size:
                return 202, f"{upload.size} of {piece.size} bytes are here", ((b"upload-offset", b"%d" % upload.size),)
            if piece.size is not None and upload.size > piece.size:
                raise Refused(400, f"{name}: {upload.size} bytes came, {piece.size} were announced: begin anew")
            digest = await work(lambda: upload.finish(checksum))
        log.info("upload %d/%s: %d bytes from %s", uid, name, upload.size, peer(scope))
        return 201, f'make an image of it with PATH="upload:{name}"', ((b"x-checksum-sha256", digest.encode()),)

    async def _receive(self, body: "_Body", upload: Upload, work: "Work") -> None:
        """Write what comes, a MiB at a time; what was written before the client goes away stays."""
        pieces: list[bytes] = []
        size, more = 0, True
        try:
            while more:
                async with asyncio.timeout(self._silence_s_max):
                    data, more = await body.next()
                pieces.append(data)
                size += len(data)
                if size >= _WRITE_BYTES or not more:
                    data, size = b"".join(pieces), 0
                    pieces.clear()
                    await work(lambda data=data: upload.write(data))  # type: ignore[misc]
        except TimeoutError:
            raise Refused(408, f"nothing came for {self._silence_s_max:g} s: go on from {upload.size}") from None
        finally:
            if pieces:
                data = b"".join(pieces)
                await work(lambda: upload.write(data))

    def _alone(self, uid: int, name: str) -> "_Alone":
        if (uid, name) in self._busy:
            raise Refused(409, f"{name} is being uploaded right now")
        mine = sum(busy_uid == uid for busy_uid, _ in self._busy)
        if mine >= AT_ONCE_PER_USER_MAX or len(self._busy) >= AT_ONCE_MAX:
            raise Refused(
                429, f"too many uploads at once, {mine} of them yours: try again later", (b"retry-after", b"60")
            )
        return _Alone(self._busy, (uid, name))


class _Body:
    """The body of a request.

    Args:
        is_held: the sender waits for leave to go on, which the first look at the body gives.
    """

    def __init__(self, receive: Receive, is_held: bool) -> None:
        self._receive = receive
        self._is_coming = not is_held

    async def next(self) -> tuple[bytes, bool]:
        """Return the next piece, and whether more follows; raises Gone."""
        self._is_coming = False  # for one that falls silent now, there is nothing to wait for
        piece, self._is_coming = await next_piece(self._receive)
        return piece, self._is_coming

    async def drained(self) -> bool:
        """Let a sender that did not wait for leave come to read a refusal; tell whether it is still there."""
        try:
            async with asyncio.timeout(_DRAIN_S_MAX):
                await drain(self._receive, _DRAINED_BYTES_MAX if self._is_coming else 0)
        except Gone:
            return False
        except TimeoutError:
            pass  # it hears the refusal all the same
        return True


class _Alone:
    """Keeps others from an upload as long as the block lasts."""

    def __init__(self, busy: set[tuple[int, str]], mine: tuple[int, str]) -> None:
        self._busy, self._mine = busy, mine

    def __enter__(self) -> None:
        self._busy.add(self._mine)

    def __exit__(self, *_: object) -> None:
        self._busy.discard(self._mine)


class Work:
    """Calls functions in a thread, one after the other; those of a cancelled request, too."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "upload")

    async def __call__(self, function: Callable[[], T]) -> T:
        """Return what a function returns; a full disk is a refusal."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function)
        except OSError as fault:
            if fault.errno in _NO_ROOM:
                raise Refused(507, "no room for more: the disk is full") from None
            log.exception("an upload cannot be written")
            raise Refused(500, "the engine could not write the file: its log says why") from None

    def end(self) -> None:
        """Let the thread end once it has done what it was given."""
        self._thread.shutdown(wait=False)


@asynccontextmanager
async def _opened(uploads: Uploads, uid: int, name: str, piece: Piece) -> AsyncIterator[tuple[Upload, Work]]:
    work = Work()
    try:
        upload = await work(lambda: uploads.begin(uid, name, piece.offset, piece.length))
        try:
            yield upload, work
        finally:
            await work(upload.close)
    finally:
        work.end()


# -- what a request says ---------------------------------------------------------------------------


def _piece(scope: Scope) -> Piece:
    length = declared_length(scope)
    if header(scope, b"content-encoding").lower() not in (b"", b"identity"):
        raise Refused(415, "uploads must not be compressed by Content-Encoding; a .gz file is taken as it is")
    offset = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("offset", ["0"])[-1]
    if not (offset.isascii() and offset.isdigit() and len(offset) <= 18):
        raise Refused(400, f"offset={offset[:40]} is not a number of bytes")
    told = header(scope, b"content-range").decode("latin-1").strip()
    if not told:
        return Piece(int(offset), length, None)
    found = _RANGE.match(told)
    first, last, size = map(int, found.groups()) if found else (0, 0, -1)
    if not first <= last < size or (length and length != last - first + 1):
        raise Refused(400, f"Content-Range: {told[:80]} is not bytes FIRST-LAST/SIZE of this body")
    return Piece(first, last - first + 1, size)


def _checksum(scope: Scope) -> str:
    """Return the SHA-256 that the whole file has, hex; empty when it is not told."""
    plain = header(scope, b"x-checksum-sha256").decode("latin-1").strip().lower()
    if not plain:
        for one in header(scope, b"digest").decode("latin-1").split(","):
            algorithm, _, value = one.strip().partition("=")
            if algorithm.lower() == "sha-256":
                plain = _hex(value)
    if plain and not re.fullmatch(r"[0-9a-f]{64}", plain):
        raise Refused(400, "the checksum is not a SHA-256: 64 hex digits, or base64 after Digest: sha-256=")
    return plain


def _hex(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).hex()
    except binascii.Error:
        return "-"
