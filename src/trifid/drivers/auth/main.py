"""trifid-auth: tells whether a login is right, by ssh keys, a directory (LDAP) or a program of the administrator's.

    AUTHENTICATE  REQUEST UID METHOD USER PASSWORD SECRET          (SECRET is base64)

METHOD is one of those below, or the name of a program in HOME/auth.  Which of them users may have says trifid.toml.
Source: reference/drivers.md §2.3 (Auth).
"""

import argparse
import base64
import binascii
import os
import shlex
import sys
from pathlib import Path

from trifid.drivers.auth.ldap import ldap
from trifid.drivers.auth.method import UNKNOWN_UID, Authenticate, Login, is_method
from trifid.drivers.auth.plain import dummy, plain
from trifid.drivers.auth.script import script
from trifid.drivers.auth.ssh import ssh
from trifid.drivers.kit import Failure, Kit, Request

METHODS: dict[str, Authenticate] = {"ssh": ssh, "ldap": ldap, "plain": plain, "dummy": dummy}
WORKERS = 32
_WORDS = 5


class Driver:
    """The driver, with what its arguments say; they are read at INIT, so that the engine hears what is wrong."""

    def __init__(self, arguments: str, home: Path) -> None:
        self._arguments = arguments
        self._place = home / "auth"
        self._only: frozenset[str] = frozenset()

    def begin(self, kit: Kit) -> None:
        """Read the arguments; raises Failure."""
        parser = argparse.ArgumentParser(prog="trifid-auth", add_help=False, exit_on_error=False)
        parser.add_argument("--authn", default="")
        try:
            given, more = parser.parse_known_args(shlex.split(self._arguments))
        except (argparse.ArgumentError, ValueError) as fault:
            raise Failure(f"arguments: {fault}") from fault
        if more:
            raise Failure(f"arguments: {' '.join(more)[:80]} is not known; there is --authn METHOD,METHOD")
        self._only = frozenset(filter(None, given.authn.split(",")))

    def authenticate(self, request: Request) -> str:
        """Answer one login; raises Failure when it is wrong."""
        login = self._login(request.payload)
        if self._only and login.method not in self._only:
            raise Failure(f"Authentication driver '{login.method}' not available: --authn does not name it")
        return METHODS.get(login.method, script)(request, login)

    def _login(self, payload: str) -> Login:
        words = payload.split(" ")
        if len(words) != _WORDS:
            raise Failure("UID METHOD USER PASSWORD SECRET are expected")
        uid, method, name, kept, encoded = words
        try:
            secret = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, ValueError):
            raise Failure("the secret is not base64 of UTF-8") from None
        if not uid.removeprefix("-").isdecimal() or not is_method(method) or not name or not secret:
            raise Failure("UID METHOD USER PASSWORD SECRET are expected, and none of them is empty")
        return Login(max(int(uid), UNKNOWN_UID), method, name, kept, secret, self._place)


def main() -> None:
    """Run the driver until the engine ends it."""
    os.umask(0o077)
    driver = Driver(" ".join(sys.argv[1:]), Path(os.environ.get("TRIFID_HOME", ".")).resolve())
    Kit("auth", {"AUTHENTICATE": driver.authenticate}, begin=driver.begin, workers=WORKERS).run()


if __name__ == "__main__":
    main()
