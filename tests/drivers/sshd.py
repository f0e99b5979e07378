"""A real sshd on this machine's loopback, with keys of its own, and an ssh_config by which two hosts are there."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

HOSTS = ("host1", "host2")
LAST_LINE_OF_START = b"Server listening on"


@contextlib.contextmanager
def sshd(directory: Path, names: Sequence[str] = HOSTS) -> Iterator[Path]:
    """Run an sshd; what is given is the ssh_config by which hosts of these names are reached."""
    for name in ("hostkey", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)], check=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd wants it; its service makes it elsewhere
    port = _free_port()
    (directory / "authorized").write_bytes((directory / "key.pub").read_bytes())
    host_key = (directory / "hostkey.pub").read_text().split()
    (directory / "known").write_text(f"[127.0.0.1]:{port} {host_key[0]} {host_key[1]}\n")
    (directory / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nPidFile none\nMaxStartups 300\nMaxSessions 100\n"
        f"HostKey {directory}/hostkey\nAuthorizedKeysFile {directory}/authorized\n"
        "StrictModes no\nUsePAM no\nPermitRootLogin yes\n"
    )
    config = directory / "ssh_config"
    config.write_text(
        f"Host {' '.join(names)}\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n"
        f"  IdentityFile {directory}/key\n  IdentitiesOnly yes\n  UserKnownHostsFile {directory}/known\n"
        "  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n"
    )
    command = ["/usr/sbin/sshd", "-D", "-e", "-f", str(directory / "sshd_config")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as server:
        assert server.stderr
        said = []
        while not (line := server.stderr.readline()).startswith(LAST_LINE_OF_START):
            said.append(line)
            assert line, f"sshd ended: {b''.join(said).decode()}"
        try:
            yield config
        finally:
            server.terminate()


def hang_up(sockets: Path) -> None:
    """End the connections that are left open, and remove the directory of their sockets.

    A master that was told to exit answers first and removes its socket then, so it may be gone at any moment.
    """
    if sockets.is_dir():
        for path in list(sockets.iterdir()):
            subprocess.run(["ssh", "-S", str(path), "-O", "exit", "host"], capture_output=True, check=False)
            path.unlink(missing_ok=True)
        shutil.rmtree(sockets, onerror=unless_gone)


def unless_gone(function: object, path: str, error: tuple[type[BaseException], BaseException, object]) -> None:
    """Let a tree be removed in which a program that ends removes files of its own (for shutil.rmtree)."""
    if not isinstance(error[1], FileNotFoundError):
        raise error[1]


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
