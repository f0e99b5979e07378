"""What users log in with, as the command line gets it: passwords, public keys, files that keep tokens.

Source: reference/xmlrpc.md §5 (ONE_AUTH, ~/.one/one_auth).
"""

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from trifid.cli.command import Given
from trifid.cli.editing import read
from trifid.cli.failure import Failure
from trifid.core.user import CORE, token_digest, token_id
from trifid.wire.ssh_login import NAMESPACE, BadLogin, key_word, message, secret

SSH = "ssh"
NOTHING = "-"
SIGNED_FOR_S = 300
"""So long a login that is signed holds; it is used at once to make a token."""
_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
_ONLY_OWNER = 0o600

PASSWORD_FILE = click.Option(
    ["-r", "--read-file"], metavar="FILE", help="Read the password from a file, - for standard input."
)
WITH_SSH = click.Option(["--ssh"], is_flag=True, help="Log in by an ssh key.")
KEY = click.Option(["-k", "--key"], metavar="FILE", help="The private key, ~/.ssh/id_ed25519 or its like by default.")
SHA1 = click.Option(["--sha1"], is_flag=True, help="Send the SHA-1 of the password in its place.")
SHA256 = click.Option(["--sha256"], is_flag=True, help="Send the SHA-256 of the password in its place.")
DRIVER = click.Option(["--driver"], metavar="NAME", help="What checks its logins: core, ssh, ldap …")


def password(given: Given, prompt: str) -> str:
    """Return the password given as an argument, in a file, or at the terminal.

    Raises:
        Failure: none was given, and there is nobody to ask.
    """
    if given.password is not None:
        found = str(given.password)
    elif given.read_file is not None:
        found = read(given.read_file).rstrip("\r\n")
    elif sys.stdin.isatty():
        found = str(click.prompt(prompt, hide_input=True, confirmation_prompt=True))
    else:
        raise Failure("there is no password", "give it with --read-file FILE, or - for standard input")
    if not found:
        raise Failure("the password is empty", "choose one that is not")
    return found


def kept(given: Given, prompt: str, driver: str) -> str:
    """Return what the engine shall keep of a user for a driver.

    Raises:
        Failure: nothing was given.
    """
    is_given = given.password is not None or given.read_file is not None
    if driver == SSH:
        return public_key(password(given, prompt)) if is_given and not given.key else own_public_key(given.key)
    if driver not in ("", CORE) and not is_given:
        return NOTHING
    found = password(given, prompt)
    for name, is_wanted in (("sha1", given.sha1), ("sha256", given.sha256)):
        if is_wanted:
            return hashlib.new(name, found.encode(), usedforsecurity=False).hexdigest()
    return found


# -- ssh keys ----------------------------------------------------------------------------------------


def public_key(text: str) -> str:
    """Return the word that the engine keeps of a public key; raises Failure."""
    try:
        return key_word(text)
    except BadLogin as bad:
        raise Failure(str(bad), "name the file of the private key with --key, or give its .pub file") from bad


def own_public_key(key: str | None) -> str:
    """Return the word that the engine keeps of the public key of a private one; raises Failure."""
    path = private_key(key)
    public = path.with_name(f"{path.name}.pub")
    if public.is_file():
        return public_key(public.read_text(encoding="utf-8", errors="replace"))
    return public_key(_ssh_keygen("-y", "-f", str(path)))


def private_key(key: str | None) -> Path:
    """Return the file of a private key; raises Failure when it is not there."""
    if key:
        path = Path(key).expanduser()
        if not path.is_file():
            raise Failure(f"{path} is not there", "name the file of the private key with --key")
        return path
    place = Path("~/.ssh").expanduser()
    for name in _KEYS:
        if (place / name).is_file():
            return place / name
    raise Failure(f"there is no key in {place}", "make one with ssh-keygen, or name one with --key FILE")


def signed_login(user: str, key: str | None) -> str:
    """Return the secret of a login that is signed now; ssh-keygen asks for the key's passphrase."""
    expires_at = int(time.time()) + SIGNED_FOR_S
    path = private_key(key)
    printed = _ssh_keygen("-Y", "sign", "-f", str(path), "-n", NAMESPACE, data=message(user, expires_at))
    try:
        return secret(expires_at, printed)
    except BadLogin as bad:
        raise Failure(f"ssh-keygen signed nothing: {bad}") from bad


def _ssh_keygen(*arguments: str, data: bytes = b"") -> str:
    import subprocess  # only here: most commands have no key

    try:
        done = subprocess.run(["ssh-keygen", *arguments], input=data, capture_output=True, check=False)
    except FileNotFoundError as missing:
        raise Failure("ssh-keygen is not installed", "install OpenSSH's client") from missing
    if done.returncode:
        raise Failure(f"ssh-keygen: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace")


# -- files ------------------------------------------------------------------------------------------


def place() -> Path:
    """Return the directory of what clients keep: ~/.one."""
    return Path("~/.one").expanduser()


def credentials_file() -> Path:
    """Return the file that clients read when nothing else is named."""
    return place() / "one_auth"


def named_file(token: str) -> Path:
    """Return the file of a token, which is called as lists call the token."""
    return place() / f"{token_id(token_digest(token))}.token"


def write_session(path: Path, user: str, token: str) -> None:
    """Write a session string, readable by the owner alone; readers see the old file or the new one."""
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _ONLY_OWNER), "w") as file:
            file.write(f"{user}:{token}\n")
        part.replace(path)
    except OSError as fault:
        raise Failure(f"{fault.filename or path}: {fault.strerror}", "write USER:TOKEN into a file yourself") from fault


def forget_files(names: set[str]) -> None:
    """Remove the files of tokens that are cleared."""
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            (place() / f"{name}.token").unlink()


def token_files(user: str) -> Iterator[tuple[str, Path]]:
    """Yield the tokens of a user that are kept in files: what lists call them, and the file."""
    for path in sorted(place().glob("*.token")):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if path.read_text(encoding="utf-8").partition(":")[0] == user:
                yield path.stem, path
