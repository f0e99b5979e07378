"""A private PostgreSQL server for tests, from the system's package: a fresh cluster that nobody else uses."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import psycopg

USER = "trifid"
PASSWORD = "open:sesame@1/2"  # every character that a URL takes apart
QUOTED = "open%3Asesame%401%2F2"

OWNER = "postgres"
"""Who runs the server when the tests run as root, which PostgreSQL refuses."""

MISSING = "PostgreSQL's server programs are missing: install them with `apt install postgresql`"


class Cluster:
    """A running server on a loopback port, with password authentication.

    Raises:
        FileNotFoundError: the server programs are not installed.
    """

    def __init__(self) -> None:
        self._programs = _programs()
        self._user = OWNER if os.geteuid() == 0 else None
        self._made = 0
        self.directory = Path(tempfile.mkdtemp(prefix="trifid-postgresql-"))
        self.port = _free_port()
        try:
            self._make()
            self._run("pg_ctl", "-D", self._data, "-l", self.directory / "log", "-w", "start")
        except BaseException:
            shutil.rmtree(self.directory)
            raise

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _make(self) -> None:
        secret = self.directory / "secret"
        secret.write_text(PASSWORD)
        if self._user:
            shutil.chown(self.directory, self._user)
            shutil.chown(secret, self._user)
        self._run(
            *("initdb", "-D", self._data, "--no-sync", "--encoding=UTF8", "--locale=C"),
            *(f"--username={USER}", f"--pwfile={secret}", "--auth=scram-sha-256"),
        )
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write(f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n")

    def _run(self, program: str, *arguments: object) -> None:
        """Run one of PostgreSQL's programs; AssertionError with what it printed and the log when it refuses."""
        output = self.directory / "output"  # a file: the server inherits it and would keep a pipe open
        with output.open("wb") as stream:
            done = subprocess.run(
                [self._programs / program, *map(str, arguments)],
                user=self._user,
                group=self._user,
                extra_groups=[] if self._user else None,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                check=False,
            )
        log = self.directory / "log"
        told = output.read_text() + (log.read_text() if log.exists() else "")
        assert done.returncode == 0, f"{program} ended with {done.returncode}: {told}"

    def new_database(self, encoding: str = "UTF8") -> str:
        """Make an empty database and return its URL."""
        self._made += 1
        name = f"trifid_{self._made}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}'")
        return self.url(name)

    def url(self, database: str, password: str = QUOTED) -> str:
        """Return the URL of a database."""
        return f"postgresql+psycopg://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        """Run a statement as the superuser, in the maintenance database."""
        target = {"host": "127.0.0.1", "port": self.port, "user": USER, "password": PASSWORD, "dbname": "postgres"}
        with psycopg.connect(**target, autocommit=True) as connection:  # type: ignore[arg-type]
            connection.execute(statement.encode())

    def stop(self) -> None:
        """End the server at once, whoever is connected, and remove its files."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.directory)


def _programs() -> Path:
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path).parent)
    if not found:
        raise FileNotFoundError(MISSING)
    return max(found, key=lambda path: [int(part) for part in path.parts if part.isdigit()])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
