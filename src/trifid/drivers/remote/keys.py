"""Host keys: which one a host offers, whether it is known, and the ones that somebody has accepted.

ssh itself asks the host, so that all of ssh_config holds: ProxyJump, HostName, Port, HostKeyAlias.  A key that ssh
has heard of has proved itself in the key exchange; ssh-keyscan's have not.  Nobody logs in.

What was accepted lies in HOME/ssh/known_hosts.d/HOST, and is believed of that host only.
"""

import base64
import binascii
import hashlib
import os
import subprocess
import tempfile
from enum import Enum
from pathlib import Path

import msgspec

from trifid.drivers.kit import Failure
from trifid.drivers.remote.channel import ERROR_TEXT_MAX
from trifid.drivers.remote.way import Way

LIMIT_S = 30.0
_WAS_BELIEVED = "Permission denied"
"""The host has proved its key, and wants to know now who calls."""
FILE_BYTES_MAX = 1 << 16
"""Of what ssh writes about one host."""
_NOBODY = {"PreferredAuthentications": "none", "ControlMaster": "no", "ControlPath": "none", "LogLevel": "ERROR"}
_ALONE = {
    "StrictHostKeyChecking": "accept-new",
    "GlobalKnownHostsFile": "/dev/null",
    "KnownHostsCommand": "none",
    "HashKnownHosts": "no",
    "UpdateHostKeys": "no",
    "VerifyHostKeyDNS": "no",
    "CheckHostIP": "no",
}


class Standing(Enum):
    """What is known of the key that a host offers."""

    KNOWN = "known"
    NEW = "new"
    CHANGED = "changed"


class Offered(msgspec.Struct, frozen=True):
    """The key that a host offers.

    Attributes:
        type: such as ssh-ed25519.
        key: base64.
        standing: what is known of it.
        accepted: fingerprints of the keys that were accepted for this host by us.
    """

    type: str
    key: str
    standing: Standing
    accepted: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """As ssh-keygen -l shows it."""
        return fingerprint_of(self.key)


def fingerprint_of(key: str) -> str:
    """Return the SHA256 fingerprint of a public key in base64."""
    digest = hashlib.sha256(base64.b64decode(key)).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def offered(way: Way, host: str) -> Offered:
    """Ask a host for its key.

    Raises:
        Failure: it is not reached.
        OSError: files of ours cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix="trifid-key-") as directory:
        file = Path(directory) / "known"
        _, said = _ssh(way, host, {**_NOBODY, **_ALONE, "UserKnownHostsFile": str(file)})
        found = _keys_in(file)
    if not found:
        raise Failure(f"the key of host {host} cannot be asked for, ssh says: {said or 'nothing'}")
    kind, key = found[0]
    accepted = tuple(fingerprint_of(known) for _, known in _accepted(way, host))
    return Offered(kind, key, _standing(way, host), accepted)


def accept(way: Way, host: str, fingerprint: str, *, may_replace: bool) -> Offered:
    """Let the key that a host offers be believed of it; one that is known already is a success.

    Args:
        fingerprint: that it must have; empty = any.
        may_replace: it may take the place of another one that was accepted before.

    Raises:
        Failure: the host is not reached, offers another key, or one that is not the known one.
        OSError: it cannot be written down.
    """
    offer = offered(way, host)
    if fingerprint and offer.fingerprint != fingerprint:
        raise Failure(
            f"host {host} offers the key {offer.fingerprint}, not {fingerprint}: nothing was accepted.  Compare it "
            "with what ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub says on the host"
        )
    if offer.standing is Standing.KNOWN:
        return offer
    if offer.standing is Standing.CHANGED and not offer.accepted:
        raise Failure(
            f"host {host} offers the key {offer.fingerprint}, and the known_hosts of ssh has another one: somebody may "
            f"stand in its place.  If the host was given a new key, remove the old one there (ssh-keygen -R {host})"
        )
    if offer.accepted and not may_replace:
        raise Failure(
            f"the key of host {host} was {' '.join(offer.accepted)} and is {offer.fingerprint} now: somebody may stand "
            f"in its place.  If the host was given a new key: onehost accept-key {host} {offer.fingerprint} --replace"
        )
    _write(way, host, offer)
    if (standing := _standing(way, host)) is not Standing.KNOWN:
        raise Failure(
            f"the key of host {host} was accepted, and ssh still calls it {standing.value}: ask ssh -v {host}"
        )
    return offer


def _standing(way: Way, host: str) -> Standing:
    """Tell what ssh makes of the host's key, called as by everything here."""
    status, said = _ssh(way, host, _NOBODY)
    if "HOST IDENTIFICATION HAS CHANGED" in said:
        return Standing.CHANGED
    if "host key is known for" in said:
        return Standing.NEW
    if status and _WAS_BELIEVED not in said:
        raise Failure(f"the key of host {host} cannot be checked, ssh says: {said or 'nothing'}")
    return Standing.KNOWN


def _ssh(way: Way, host: str, options: dict[str, str]) -> tuple[int, str]:
    """Return status and words of ssh when it calls a host with these options before all others, as nobody."""
    program, *rest = way.argv(host, "exit 0")
    first = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    child = subprocess.Popen(
        [program, *first, *_without_socket(rest)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _, err = child.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        raise Failure(f"host {host} did not offer a key within {LIMIT_S:g} s") from None
    return child.returncode, err.decode(errors="replace").strip()[-4 * ERROR_TEXT_MAX :]


def _without_socket(words: list[str]) -> list[str]:
    """Return the words without -S, which goes before all options: a connection that stands proves nothing."""
    at = words.index("-S")
    return words[:at] + words[at + 2 :]


def _accepted(way: Way, host: str) -> list[tuple[str, str]]:
    path = way.keys_of(host)
    return _keys_in(path) if path is not None else []


def _keys_in(path: Path) -> list[tuple[str, str]]:
    """Return type and key of each line of a file of known hosts."""
    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_MAX).decode(errors="replace")
    except FileNotFoundError:
        return []
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 3 and _is_base64(words[2]):
            found.append((words[1], words[2]))
    return found


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except binascii.Error:
        return False


def _write(way: Way, host: str, offer: Offered) -> None:
    path = way.keys_of(host)
    if path is None:
        raise Failure("TRIFID_HOME is not set, expected the engine's home")
    part = path.parent / f".{path.name}.{os.getpid()}"
    part.write_text(f"* {offer.type} {offer.key}\n")  # whatever ssh calls the host: only its own ssh reads the file
    part.chmod(0o600)
    part.replace(path)
