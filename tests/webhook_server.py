"""An HTTP server as receivers of webhooks are: it keeps what was sent and answers what the test wants."""

import contextlib
import hashlib
import hmac
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

WAIT_S = 60.0


class Sent(NamedTuple):
    """One request.

    Attributes:
        headers: by names in lower case.
    """

    path: str
    headers: dict[str, str]
    body: bytes

    def is_signed_with(self, secret: str) -> bool:
        """Tell whether the signature is right, as a receiver computes it."""
        given = dict(part.split("=", 1) for part in self.headers["trifid-signature"].split(","))
        signed = f"{given['t']}.".encode() + self.body
        return hmac.compare_digest(hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest(), given["v1"])


class Receiver:
    """A running server.

    Attributes:
        statuses: the next answers, each once; 204 after these.
        headers: of all answers.
    """

    def __init__(self) -> None:
        self.sent: queue.Queue[Sent] = queue.Queue()
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = receiver.statuses.pop(0) if receiver.statuses else 204
                self.send_response(status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.sent.put(Sent(self.path, headers, body))

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.server_address[1]}/in?room=1"

    def next(self) -> Sent:
        """Return the next request, waiting for it."""
        return self.sent.get(timeout=WAIT_S)


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver for as long as the block lasts."""
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join()
