"""Reads the event stream of an engine, and goes on where it was cut.

Source: doors/events.py is the other side.
"""

import base64
import http.client
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from trifid.client.errors import ClientError, EngineUnreachable

TIMEOUT_S = 60.0
"""Longer than an engine is silent."""
TRY_EVERY_S = 2.0
LINE_BYTES_MAX = 1 << 20
_COME_AGAIN = (429, 502, 503, 504)


class StreamRefused(ClientError):
    """The engine does not open the stream.

    Attributes:
        status: of HTTP.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Event(NamedTuple):
    """One event.

    Attributes:
        name: empty for what happened, `gap` for events that are lost.
        data: JSON.
    """

    name: str
    data: str


class Events:
    """The events of one engine as one user sees them.

    Args:
        endpoint: of the API, such as http://127.0.0.1:2633/RPC2.
        session: user:secret.
        sleep: waits so many seconds.
        lost: called when the stream was cut and is sought again.

    Attributes:
        cursor: id of the newest event that was looked at; empty before the first.
    """

    def __init__(
        self,
        endpoint: str,
        session: str,
        sleep: Callable[[float], None],
        lost: Callable[[str], None] = lambda why: None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.cursor = ""
        self._url = urlsplit(endpoint)
        self._endpoint = endpoint
        self._who = f"Basic {base64.b64encode(session.encode()).decode()}"
        self._sleep = sleep
        self._lost = lost
        self._timeout_s = timeout_s

    def read(self, after: str, query: dict[str, str], *, follow: bool) -> Iterator[Event]:
        """Yield the events after one; with `follow` for ever, over restarts of the engine.

        Args:
            after: id; `-N` = the last N; empty = from now on.
            query: of the filter.

        Raises:
            StreamRefused: the engine does not open it; the text says why.
            EngineUnreachable: nobody answers; with `follow` only if nobody ever did.
        """
        asked = {**query, "follow": "yes" if follow else "no", **({"after": after} if after else {})}
        while True:
            try:
                yield from self._once(asked)
            except StreamRefused as refused:
                if not follow or not self.cursor or refused.status not in _COME_AGAIN:
                    raise
                self._lost(str(refused))
            except (OSError, http.client.HTTPException) as fault:
                why = str(fault) or type(fault).__name__
                if not follow or not self.cursor:
                    raise EngineUnreachable(f"no engine tells events at {self._endpoint}: {why}") from None
                self._lost(why)
            if not follow:
                return
            self._sleep(TRY_EVERY_S)
            asked["after"] = self.cursor

    def _once(self, asked: dict[str, str]) -> Iterator[Event]:
        is_tls = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
        connection = kind(self._url.hostname or "", self._url.port, timeout=self._timeout_s)
        try:
            connection.request("GET", f"/events?{urlencode(asked)}", headers={"Authorization": self._who})
            answer = connection.getresponse()
            if answer.status != 200:
                raise StreamRefused(answer.read(LINE_BYTES_MAX).decode(errors="replace").strip(), answer.status)
            yield from self._events(answer)
        finally:
            connection.close()

    def _events(self, answer: http.client.HTTPResponse) -> Iterator[Event]:
        name, data, cursor = "", "", self.cursor
        while line := answer.readline(LINE_BYTES_MAX):
            field, _, value = line.decode(errors="replace").rstrip("\r\n").partition(": ")
            if field == "id":
                cursor = value
            elif field == "event":
                name = value
            elif field == "data":
                data = value
            elif not field and not value:
                if data:
                    yield Event(name, data)
                self.cursor, name, data = cursor, "", ""
