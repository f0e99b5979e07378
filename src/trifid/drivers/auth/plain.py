"""The two simplest ways: what is kept is the secret itself, and whoever comes is let in.  For trying out."""

import hmac

from trifid.drivers.auth.method import NOTHING_KEPT, Login
from trifid.drivers.kit import Failure, Request


def plain(request: Request, login: Login) -> str:
    """Compare with what is kept."""
    if login.kept == NOTHING_KEPT or not hmac.compare_digest(login.kept.encode(), login.secret.encode()):
        raise Failure("wrong secret")
    return ""


def dummy(request: Request, login: Login) -> str:
    """Let everybody in."""
    return f"{login.method} {login.name} {NOTHING_KEPT}"
