"""How ssh is called: as the administrator has configured it, never asking, sessions sharing one connection.

ProxyJump, keys, agents, users, ports and known hosts are those of ssh_config and of the driver's user; host keys are
checked as configured there.
"""

import hashlib
import os
import re
import stat
import tempfile
from pathlib import Path

import msgspec

from trifid.drivers.kit import Failure

SOCKET_PATH_BYTES_MAX = 104
"""Of sun_path, on the systems where it is shortest."""
KEPT_OPEN_S = 60
"""A connection that no session uses ends after this time."""
_NAME_CHARACTERS = 16
_SUFFIX_BYTES = 18
"""ssh makes the socket under a longer name, then renames it."""
_HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:-]{0,254}", re.ASCII)


class Way(msgspec.Struct, frozen=True):
    """How hosts are reached.

    Attributes:
        sockets: directory of the sockets through which sessions share a connection (sockets_of).
        config: file in the place of the administrator's ssh_config, empty for that one.
        connect_timeout_s: a host that has not answered by then is not reached.
        alive_every_s: a silent connection is tried so often; after three times without an answer it is lost.
    """

    sockets: Path
    config: str = ""
    connect_timeout_s: int = 10
    alive_every_s: int = 5

    def argv(self, host: str, command: str) -> list[str]:
        """Return the argument vector that runs a shell command on a host; the sockets' directory is there then.

        Raises:
            Failure: the host's name is none, or somebody else has the directory of the sockets.
            OSError: that cannot be made.
        """
        check_host_name(host)
        _make_closed(self.sockets)
        options = {
            "BatchMode": "yes",
            "RequestTTY": "no",
            "RemoteCommand": "none",
            "ClearAllForwardings": "yes",
            "ForwardAgent": "no",
            "ConnectTimeout": self.connect_timeout_s,
            "ServerAliveInterval": self.alive_every_s,
            "ServerAliveCountMax": 3,
            "ControlMaster": "auto",
            "ControlPersist": KEPT_OPEN_S,
        }
        name = hashlib.sha256(host.encode()).hexdigest()[:_NAME_CHARACTERS]
        return [
            "ssh",
            *(("-F", self.config) if self.config else ()),
            *("-S", str(self.sockets / name).replace("%", "%%")),
            *(word for option, value in options.items() for word in ("-o", f"{option}={value}")),
            *("--", host, command),
        ]


def check_host_name(host: str) -> None:
    """Refuse what ssh could take for anything else than a host.

    Raises:
        Failure: it is no name or address of a host.
    """
    if not _HOST_NAME.fullmatch(host):
        raise Failure(f"{host[:80]!r} is no name of a host: expected letters, digits and . _ : -")


def sockets_of(home: Path) -> Path:
    """Return the directory of an engine's sockets: in its home, elsewhere if that has a long path."""
    directory = home / "run" / "ssh"
    if len(os.fsencode(directory)) + 1 + _NAME_CHARACTERS + _SUFFIX_BYTES > SOCKET_PATH_BYTES_MAX:
        digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:_NAME_CHARACTERS]
        directory = Path(tempfile.gettempdir()) / f"trifid-{os.getuid()}-{digest}"
    return directory


def _make_closed(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = directory.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
        raise Failure(f"{directory} must be a directory of this user's, for the sockets of ssh: remove it")
    directory.chmod(0o700)
