"""Who may upload files, which images are then made of: whoever may make images."""

from collections.abc import Awaitable, Callable

from trifid.core.access import Right, check
from trifid.engine.engine import Engine
from trifid.methods.strangers import let_in

Admit = Callable[[str, str], Awaitable[int]]
"""A session string, and who calls (address and port) -> the user's id; raises NotAuthenticated, NotAllowed."""


def admission(engine: Engine) -> Admit:
    """Return what tells who a session is, authenticated as for any call."""

    async def admit(session: str, peer: str = "") -> int:
        caller = await let_in(engine, session, peer, "/uploads")
        check(caller, Right.CREATE, "IMAGE")
        return caller.uid

    return admit
