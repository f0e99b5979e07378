"""Who is let in, at every door; and what the audit and the log tell of who is not."""

import logging

from trifid.core.access import Caller
from trifid.core.audit import AuditEntry
from trifid.engine.engine import Engine
from trifid.errors import NotAuthenticated
from trifid.methods.registry import one_line

log = logging.getLogger("trifid.call")


async def let_in(engine: Engine, session: str, peer: str, what: str) -> Caller:
    """Return who a session is of, at a door that is none for calls.

    Args:
        peer: address and port of the client.
        what: the door, as the audit calls it: `GET /events`.

    Raises:
        NotAuthenticated: nobody; it is written down.
    """
    try:
        return engine.auth.remembered(session) or await engine.auth.caller(session, peer)
    except NotAuthenticated as error:
        log.info("%s refused (%s): %s", what, peer, one_line(error.message))
        engine.audit.take(stranger(engine, session, peer, what, "-1", error))
        raise


def stranger(
    engine: Engine, session: str, peer: str, method: str, request_id: str, error: NotAuthenticated
) -> AuditEntry:
    """Return the entry of somebody who was not let in; a name that is none of ours may be a misplaced secret."""
    given = session.partition(":")[0]
    known = given if ("user", given) in engine.turns.memory.names else "(no such user)"
    return AuditEntry(0, engine.now(), request_id, -1, known, peer, method, -1, "", error.code, error.message)
