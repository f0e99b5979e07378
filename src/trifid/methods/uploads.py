"""Who may upload files, which images are then made of: whoever may make images."""

from collections.abc import Awaitable, Callable

from trifid.core.access import Right, check
from trifid.engine.engine import Engine

Admit = Callable[[str], Awaitable[int]]
"""A session string -> the user's id; raises NotAuthenticated, NotAllowed."""


def admission(engine: Engine) -> Admit:
    """Return what tells who a session is, authenticated as for any call."""

    async def admit(session: str) -> int:
        caller = engine.auth.remembered(session) or await engine.auth.caller(session)
        check(caller, Right.CREATE, "IMAGE")
        return caller.uid

    return admit
