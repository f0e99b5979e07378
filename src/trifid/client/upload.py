"""Sends a file to the engine, to make an image of it; goes on after a broken connection.

Source: doors/upload.py is the other side.
"""

import base64
import hashlib
import http.client
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import urlsplit

from trifid.client.errors import ClientError, EngineUnreachable

SEND_BYTES = 1 << 20
TIMEOUT_S = 60.0
SLOWEST_FINISH_BYTES_PER_S = 50 << 20
"""How slowly an engine may flush, and read again, a file before its answer comes."""
WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Between tries that got nowhere: together longer than the engine waits for a sender that it has lost."""
_TRY_AGAIN = (408, 409, 429, 502, 503, 504)
_BAD_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_LENGTH_MAX = 100

Told = Callable[[int, int], None]
"""Hears how many bytes of how many are there."""


class UploadRefused(ClientError):
    """The engine does not take the file.

    Attributes:
        status: of HTTP.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class _Broken(Exception):
    """A try that ended half-way; another one may go on."""


class _State(NamedTuple):
    offset: int
    is_complete: bool
    bytes_max: int | None


class _Answer(NamedTuple):
    status: int
    text: str
    headers: http.client.HTTPMessage


def upload_name(path: Path) -> str:
    """Return what a file is called as an upload: the same as long as it is the same file with the same contents.

    Raises:
        OSError: there is no such file.
    """
    found = path.stat()
    identity = f"{path.resolve()}\0{found.st_size}\0{found.st_mtime_ns}".encode("utf-8", errors="surrogateescape")
    plain = _BAD_NAME.sub("_", path.name).lstrip(".")[:_NAME_LENGTH_MAX].removesuffix(".part")
    return f"{hashlib.sha256(identity).hexdigest()[:16]}-{plain}"


class Uploader:
    """Sends files to one engine as one user.

    Args:
        endpoint: of the API, such as http://127.0.0.1:2633/RPC2.
        session: user:secret.
        sleep: waits so many seconds.
    """

    def __init__(
        self, endpoint: str, session: str, sleep: Callable[[float], None], timeout_s: float = TIMEOUT_S
    ) -> None:
        self._url = urlsplit(endpoint)
        self._endpoint = endpoint
        self._who = f"Basic {base64.b64encode(session.encode()).decode()}"
        self._sleep = sleep
        self._timeout_s = timeout_s

    def send(self, path: Path, name: str, told: Told = lambda done, size: None) -> None:
        """Send a file; what is there already, of an earlier try, is not sent again.

        Raises:
            UploadRefused: the engine does not take it; the text says why.
            EngineUnreachable: the connection broke again and again.
            OSError: the file cannot be read.
        """
        with path.open("rb") as file:
            state = self._first_state(name)
            waits, furthest = list(WAITS_S), state.offset
            while True:
                try:
                    self._try(file, name, state, told)
                    return
                except _Broken as broken:
                    if not waits:
                        raise EngineUnreachable(
                            f"the upload to {self._endpoint} broke off after {furthest} bytes ({broken}): "
                            "the same command goes on from there",
                            sent=True,
                        ) from None
                self._sleep(waits.pop(0))
                with suppress(_Broken):
                    state = self._state(name)
                    if state.offset > furthest:
                        waits, furthest = list(WAITS_S), state.offset

    def forget(self, name: str) -> None:
        """Remove an upload of which an image was made; one that is not there is as good."""
        with suppress(_Broken, UploadRefused):
            self._ask("DELETE", name)

    def _first_state(self, name: str) -> _State:
        try:
            return self._state(name)
        except _Broken as broken:
            raise EngineUnreachable(f"no engine takes uploads at {self._endpoint} ({broken})") from None

    def _try(self, file: BinaryIO, name: str, state: _State, told: Told) -> None:
        """Send what is not there yet; the engine then has all of it as it is here."""
        size = os.fstat(file.fileno()).st_size
        if state.is_complete and state.offset == size:
            told(size, size)
            return
        if state.bytes_max is not None and size > state.bytes_max:
            raise UploadRefused(f"{name} has {size} bytes: the engine takes at most {state.bytes_max}", 413)
        offset = state.offset if not state.is_complete and state.offset <= size else 0
        digest = hashlib.sha256()
        file.seek(0)
        for piece in _pieces(file, offset):
            digest.update(piece)
        answer = self._put(file, name, offset, size, digest.update, told)
        if answer.headers.get("X-Checksum-Sha256", "") != digest.hexdigest():
            self.forget(name)
            raise _Broken("it did not arrive as it was sent, or it changed meanwhile")

    def _put(
        self, file: BinaryIO, name: str, offset: int, size: int, read: Callable[[bytes], None], told: Told
    ) -> _Answer:
        with self._connection() as connection:
            connection.putrequest("PUT", self._path(name, f"?offset={offset}"))
            connection.putheader("Authorization", self._who)
            connection.putheader("Content-Length", str(size - offset))
            connection.endheaders()
            at = offset
            try:
                for piece in _pieces(file, size - offset):
                    connection.send(piece)
                    read(piece)
                    at += len(piece)
                    told(at, size)
            except ConnectionError:
                # An engine that refuses answers before it has read everything.
                return self._checked(name, _answer(connection))
            if at < size:
                raise ClientError(f"{file.name} became shorter while it was being sent: try again")
            if connection.sock is not None:
                connection.sock.settimeout(self._timeout_s + size / SLOWEST_FINISH_BYTES_PER_S)
            return self._checked(name, _answer(connection))

    def _state(self, name: str) -> _State:
        answer = self._ask("HEAD", name)
        try:
            offset = int(answer.headers["Upload-Offset"])
            is_complete = answer.headers["Upload-Complete"] == "?1"
        except (KeyError, TypeError, ValueError):
            raise UploadRefused(f"{self._endpoint} does not know uploads: its engine is an older one", 404) from None
        limit = re.fullmatch(r"max-size=(\d{1,18})", answer.headers.get("Upload-Limit", ""))
        return _State(offset, is_complete, int(limit[1]) if limit else None)

    def _ask(self, method: str, name: str) -> _Answer:
        with self._connection() as connection:
            connection.request(method, self._path(name), headers={"Authorization": self._who})
            return self._checked(name, _answer(connection))

    def _checked(self, name: str, answer: _Answer) -> _Answer:
        if answer.status < 300:
            return answer
        if answer.status in _TRY_AGAIN:
            raise _Broken(answer.text or f"HTTP {answer.status}")
        # An answer to HEAD has no text.
        words = {
            401: "User couldn't be authenticated",
            403: "you may not make images",
            404: "there are no uploads here",
        }
        raise UploadRefused(
            answer.text or f"{name}: {words.get(answer.status, f'HTTP {answer.status}')}", answer.status
        )

    def _path(self, name: str, query: str = "") -> str:
        return f"{self._url.path.rpartition('/')[0]}/upload/{name}{query}"

    @contextmanager
    def _connection(self) -> Iterator[http.client.HTTPConnection]:
        """Give a connection; whatever breaks it is a try that ended half-way."""
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._url.hostname or "localhost", self._url.port, timeout=self._timeout_s)
        try:
            connection.connect()
            yield connection
        except (OSError, http.client.HTTPException) as fault:
            raise _Broken(getattr(fault, "strerror", None) or str(fault) or type(fault).__name__) from None
        finally:
            connection.close()


def _answer(connection: http.client.HTTPConnection) -> _Answer:
    response = connection.getresponse()
    text = response.read(2000).decode("utf-8", errors="replace").strip()
    return _Answer(response.status, text, response.headers)


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the next `size` bytes of a file; fewer when it has become shorter."""
    while size > 0:
        try:
            piece = file.read(min(SEND_BYTES, size))
        except OSError as fault:  # which must not be taken for one of the connection
            raise ClientError(f"{file.name}: {fault.strerror}") from fault
        if not piece:
            return
        size -= len(piece)
        yield piece
