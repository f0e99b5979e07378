"""Management controllers that are none: an ipmitool that keeps the power in a file, and a Redfish service."""

import base64
import contextlib
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

IPMITOOL = """\
#!/bin/sh
echo "$@" >> {place}/asked
secret=
while [ $# -gt 2 ]; do [ "$1" != -f ] || secret=$(cat "$2"); shift; done
[ "$secret" = "{secret}" ] || {{ echo "Error: RAKP 2 HMAC is invalid" >&2; exit 1; }}
case $2 in
    off) [ -e {place}/stuck ] || echo off > {place}/power; echo "Chassis Power Control: Down/Off" ;;
    status) echo "Chassis Power is $(cat {place}/power)" ;;
esac
"""


def ipmitool(place: Path, secret: str) -> None:
    """Put a program of that name into a directory; the power is on."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "power").write_text("on\n")
    program = place / "ipmitool"
    program.write_text(IPMITOOL.format(place=place, secret=secret))
    program.chmod(0o755)


class Redfish:
    """A service with one machine.

    Attributes:
        power: as it tells it.
        is_obedient: whether it does what it is told.
        answer: what it answers in the place of the machine's document, None = that.
        asked: methods and paths.
    """

    def __init__(self, user: str, secret: str) -> None:
        self.power = "On"
        self.is_obedient = True
        self.answer: bytes | None = None
        self.asked: list[str] = []
        self._login = "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self.server.server_address[1]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self
        machine = "/redfish/v1/Systems/437XR1138R2"

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/redfish/v1/Systems":
                    self._answer({"Members": [{"@odata.id": machine}], "Members@odata.count": 1})
                elif self.path == machine:
                    reset = {"target": f"{machine}/Actions/ComputerSystem.Reset"}
                    self._answer({"PowerState": service.power, "Actions": {"#ComputerSystem.Reset": reset}})
                else:
                    self._status(404)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path != f"{machine}/Actions/ComputerSystem.Reset" or body != {"ResetType": "ForceOff"}:
                    self._status(400)
                    return
                service.power = "Off" if service.is_obedient else service.power
                self._status(204)

            def _answer(self, document: dict) -> None:
                data = service.answer if service.answer is not None else json.dumps(document).encode()
                self._status(200, data)

            def _status(self, status: int, data: bytes = b"") -> None:
                service.asked.append(f"{self.command} {self.path}")
                status = status if self.headers.get("Authorization") == service._login else 401
                self.send_response(status)
                self.send_header("Content-Length", str(len(data) if status == 200 else 0))
                self.end_headers()
                if status == 200:
                    self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler

    @contextlib.contextmanager
    def serving(self, certificate: Path | None = None) -> Iterator["Redfish"]:
        """Serve, with TLS if there is a certificate (with its key)."""
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()


def self_signed(path: Path) -> Path:
    """Make a certificate for 127.0.0.1 with its key, in one file."""
    key, certificate = path.with_suffix(".key"), path.with_suffix(".crt")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_text(key.read_text() + certificate.read_text())
    return path
