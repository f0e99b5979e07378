"""What tests of the authentication driver ask of it."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.drivers.harness import DriverProcess, python_driver, running


class Door:
    """The driver as a process, asked as the engine asks it.

    Attributes:
        place: HOME/auth.
    """

    def __init__(self, process: DriverProcess, place: Path) -> None:
        self.process = process
        self.place = place
        self._number = 0

    def ask(self, method: str, name: str, secret: str, kept: str = "-", uid: int = 7) -> int:
        """Ask about a login; return the number of the request."""
        self._number += 1
        encoded = base64.b64encode(secret.encode()).decode()
        self.process.ask("AUTHENTICATE", self._number, f"{uid} {method} {name} {kept} {encoded}")
        return self._number

    def says(self, method: str, name: str, secret: str, kept: str = "-", uid: int = 7) -> tuple[str, str]:
        """Return status and text of the answer about a login."""
        answer = self.process.answer("AUTHENTICATE", self.ask(method, name, secret, kept, uid))
        return answer.status, answer.payload

    def program(self, name: str, text: str, mode: int = 0o755) -> Path:
        """Write a program of the administrator's, as upstream has them: in a directory of its own."""
        path = self.place / name / "authenticate"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(mode)
        return path


@contextmanager
def auth_driver(home: Path, arguments: str = "") -> Iterator[Door]:
    """Run the driver in a home."""
    place = home / "auth"
    place.mkdir(parents=True, exist_ok=True)
    with running(python_driver("trifid.drivers.auth.main"), arguments, home=home) as process:
        yield Door(process, place)
