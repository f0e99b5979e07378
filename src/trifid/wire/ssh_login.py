"""Logins by an ssh key: what is signed, and the secret that carries the signature.

    ssh1.EXPIRES.SIGNATURE

The user signs its name and when the login ends.  So the secret is good for that user only, until then, and as long as
the key is the user's.  SIGNATURE is the blob that `ssh-keygen -Y sign` makes, in base64 for URLs.
Source: OpenSSH, PROTOCOL.sshsig (the blob and its armour).
"""

import base64
import binascii
import re

import msgspec

NAMESPACE = "login@trifid"
"""What signatures are for: one that was made for something else is none."""
_VERSION = "ssh1"
_FORM = re.compile(rf"{_VERSION}\.([0-9]{{1,12}})\.([A-Za-z0-9_-]+={{0,2}})", re.ASCII)
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_MAGIC = b"SSHSIG"
_LINE = 70
_TYPE_LENGTH_MAX = 64
_TYPE = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-[a-z0-9@.-]+)", re.ASCII)


class BadLogin(Exception):
    """A secret, a signature or a key that is none; the text says what was expected."""


class SshLogin(msgspec.Struct, frozen=True):
    """What a secret says.

    Attributes:
        expires_at: epoch seconds.
        signature: the blob.
    """

    expires_at: int
    signature: bytes


def message(user: str, expires_at: int) -> bytes:
    """Return what is signed."""
    return f"{NAMESPACE}\n{expires_at}\n{user}\n".encode()


def secret(expires_at: int, armored: str) -> str:
    """Return the secret with a signature as `ssh-keygen -Y sign` prints it; raises BadLogin."""
    head, _, rest = armored.strip().partition("\n")
    body, _, tail = rest.rpartition("\n")
    if head.strip() != _BEGIN or tail.strip() != _END:
        raise BadLogin("this is no ssh signature")
    return f"{_VERSION}.{expires_at}.{base64.urlsafe_b64encode(_decoded(''.join(body.split()))).decode()}"


def parse(text: str) -> SshLogin:
    """Return what a secret says; raises BadLogin."""
    form = _FORM.fullmatch(text)
    if form is None:
        raise BadLogin("this is no login of an ssh key: make one with oneuser login --ssh")
    blob = _decoded(form[2].replace("-", "+").replace("_", "/"))
    if not blob.startswith(_MAGIC):
        raise BadLogin("this is no ssh signature")
    return SshLogin(int(form[1]), blob)


def armored(signature: bytes) -> str:
    """Return a signature as `ssh-keygen -Y verify` reads it."""
    text = base64.b64encode(signature).decode()
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return "\n".join((_BEGIN, *lines, _END, ""))


def key_word(line: str) -> str:
    """Return the one word that is kept of a public key, its base64 part; raises BadLogin.

    Args:
        line: of a file such as id_ed25519.pub: type, base64, comment.  The word alone is taken as well.
    """
    words = line.split()
    for word in words[:2]:
        if word.startswith("AAAA"):
            key_type(word)
            return word
    raise BadLogin("this is no public key: a line such as that of ~/.ssh/id_ed25519.pub is expected")


def key_type(word: str) -> str:
    """Return the type of a public key, which its base64 part begins with; raises BadLogin."""
    blob = _decoded(word)
    length = int.from_bytes(blob[:4], "big")
    name = blob[4 : 4 + length] if 0 < length <= _TYPE_LENGTH_MAX else b""
    text = name.decode("ascii", errors="replace")
    if not _TYPE.fullmatch(text) or "cert" in text:
        raise BadLogin("this is no public key of a type that can sign logins: use ed25519, ecdsa or rsa")
    return text


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadLogin("this is not base64") from None
