"""How ssh is called: as the administrator has configured it, never asking, sessions sharing one connection.

ProxyJump, keys, agents, users, ports and known hosts are those of ssh_config and of the driver's user.  The key of a
host must be known, whatever is configured there: to ssh, or by `onehost accept-key` (keys.py).
"""

import hashlib
import os
import re
import shlex
import shutil
import stat
import tempfile
import threading
from pathlib import Path

import msgspec

from trifid.drivers.kit import Failure

SOCKET_PATH_BYTES_MAX = 104
"""Of sun_path, on the systems where it is shortest."""
KEPT_OPEN_S = 60
"""A connection that no session uses ends after this time."""
_CAT = shutil.which("cat") or "/bin/cat"
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
        home: of the engine, where the host keys are that were accepted; None = nowhere.
    """

    sockets: Path
    config: str = ""
    connect_timeout_s: int = 10
    alive_every_s: int = 5
    home: Path | None = None

    def argv(self, host: str, command: str) -> list[str]:
        """Return the argument vector that runs a shell command on a host; the sockets' directory is there then.

        Raises:
            Failure: the host's name is none, or somebody else has the directory of the sockets.
            OSError: that cannot be made.
        """
        return [*self._calling(host), "--", host, command]

    def program(self, host: str, account: str = "") -> Path:
        """Return a program that reaches a host as `argv` does, for others that run ssh by themselves (libvirt).

        Its arguments are more options of ssh, then the host and the command.

        Args:
            account: user and port that the other one asks for; those do not share a connection with us.

        Raises:
            Failure, OSError: as of `argv`; there is no home.
        """
        if self.home is None:
            raise Failure("TRIFID_HOME is not set, expected the engine's home")
        text = f"""#!/bin/sh\nexec {shlex.join(self._calling(host, account))} "$@"\n"""
        directory = self.home / "run" / "way"
        _make_closed(directory)
        path = directory / _short(f"{host}\0{account}")
        if not path.exists() or path.read_text() != text:
            part = directory / f"{path.name}.{os.getpid()}.{threading.get_ident()}"
            part.write_text(text)
            part.chmod(0o700)
            part.replace(path)
        return path

    def keys_of(self, host: str) -> Path | None:
        """Return the file with the keys that were accepted for a host, which is there then; None without a home."""
        check_host_name(host)
        if self.home is None:
            return None
        directory = self.home / "ssh" / "known_hosts.d"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / host
        path.touch(0o600)
        return path

    def _calling(self, host: str, account: str = "") -> list[str]:
        """Return ssh with all its options."""
        keys = self.keys_of(host)
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
            "StrictHostKeyChecking": "yes",
        }
        if keys is not None:  # besides the files that are configured, which a file of ours would replace
            options["KnownHostsCommand"] = f'{_CAT} "{_literal(keys)}"'
        return [
            "ssh",
            *(("-F", self.config) if self.config else ()),
            *("-S", _literal(self.sockets / _short(f"{account}@{host}" if account else host))),
            *(word for option, value in options.items() for word in ("-o", f"{option}={value}")),
        ]


def way_of(home: Path, config: str = "", connect_timeout_s: int = 10) -> Way:
    """Return the way to hosts of an engine with this home."""
    return Way(sockets_of(home), config=config, connect_timeout_s=connect_timeout_s, home=home)


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
        digest = _short(str(home))
        directory = Path(tempfile.gettempdir()) / f"trifid-{os.getuid()}-{digest}"
    return directory


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_NAME_CHARACTERS]


def _literal(path: Path) -> str:
    """Return a path without what ssh would put something in the place of."""
    return str(path).replace("%", "%%")


def _make_closed(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = directory.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
        raise Failure(f"{directory} must be a directory of this user's, for the sockets of ssh: remove it")
    directory.chmod(0o700)
