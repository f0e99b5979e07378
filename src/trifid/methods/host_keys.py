"""trifid.host.key and accept_key: a host is spoken to only if its ssh key is known; somebody has to say so first."""

import msgspec

from trifid.core.access import Right, check
from trifid.core.host import Host
from trifid.engine.host_keys import HostKey
from trifid.engine.transaction import Draft
from trifid.errors import Refused
from trifid.methods.common import read
from trifid.methods.registry import Call, method

FINGERPRINT_LENGTH_MAX = 100


@method("trifid.host.key")
async def key(call: Call, host_id: int) -> str:
    """Answer as JSON which ssh key a host offers now, and whether it is known; nothing is accepted.

    `{"type": "ssh-ed25519", "fingerprint": "SHA256:…", "standing": "new", "before": ""}`.  The standing is `known`,
    `new`, or `changed`: another one than the known one; `before` has what was accepted for this host so far.
    """
    return _json(await call.engine.monitoring.keys.ask(_administered(call, host_id), "LOOK"))


@method("trifid.host.accept_key")
async def accept_key(call: Call, host_id: int, fingerprint: str = "", replace: bool = False) -> str:
    """Let the ssh key that a host offers be believed of it from now on, and answer it as trifid.host.key does.

    With a fingerprint, such as SHA256:…, any other key is refused; without one the key is believed unseen.  A key that
    is not the one that was accepted before is refused, unless `replace`.  Accepting what is known is a success.
    """
    host = _administered(call, host_id)
    if len(fingerprint) > FINGERPRINT_LENGTH_MAX or not fingerprint.isprintable() or '"' in fingerprint:
        raise Refused("the fingerprint must be like SHA256:…, as ssh-keygen -l shows it", host_id)
    accepted = await call.engine.monitoring.keys.ask(host, "REPLACE" if replace else "ACCEPT", fingerprint)

    def command(draft: Draft) -> None:
        if draft.find_host(host_id) is not None:
            draft.note("HOST", host_id, call.caller, "key accepted", text=f"{accepted.type} {accepted.fingerprint}")

    await call.ask(command)
    return _json(accepted)


def _administered(call: Call, host_id: int) -> Host:
    host = read(call.engine.turns.memory.hosts, "hosts", host_id)
    check(call.caller, Right.ADMIN, "HOST", host)
    return host


def _json(key: HostKey) -> str:
    return msgspec.json.encode(key).decode()
