"""ssh: the secret is signed with the user's key, and what is kept of the user is its public key, or several.

Source: ssh-keygen(1), `-Y verify` and ALLOWED SIGNERS.
"""

import tempfile
import time
from pathlib import Path

from trifid.drivers.auth.method import NOTHING_KEPT, Login
from trifid.drivers.kit import Failure, Request
from trifid.wire.ssh_login import NAMESPACE, BadLogin, armored, key_type, message, parse

VERIFIED_WITHIN_S = 10.0
VALID_S_MAX = 31 * 86400
"""A login that would hold longer is not taken."""
KEYS_MAX = 10
_PRINCIPAL = "user"
"""The name in the list of keys, which has those of one user only: names of users could be patterns there."""


def ssh(request: Request, login: Login) -> str:
    """Verify a signature; answers until when it holds."""
    if not login.is_known or login.kept == NOTHING_KEPT:
        raise Failure(f"there is no public key of user {login.name}")
    now = time.time()
    try:
        said = parse(login.secret)
        signers = _signers(login.kept)
    except BadLogin as bad:
        raise Failure(str(bad)) from None
    if not now < said.expires_at <= now + VALID_S_MAX:
        raise Failure(f"the login holds until {said.expires_at}: it is over, or more than {VALID_S_MAX} s from now")
    with tempfile.TemporaryDirectory(prefix="trifid-auth-") as place:
        allowed, signature = Path(place) / "signers", Path(place) / "signature"
        allowed.write_text(signers)
        signature.write_text(armored(said.signature))
        request.run(
            *("ssh-keygen", "-Y", "verify", "-f", str(allowed), "-I", _PRINCIPAL, "-n", NAMESPACE),
            *("-s", str(signature)),
            text=message(login.name, said.expires_at).decode(),
            timeout_s=VERIFIED_WITHIN_S,
        )
    return f"UNTIL={said.expires_at}"


def _signers(kept: str) -> str:
    """Return the list of the keys that may sign; raises BadLogin."""
    words = kept.split(",")
    if len(words) > KEYS_MAX:
        raise BadLogin(f"the user has {len(words)} keys, {KEYS_MAX} at most")
    return "".join(f'{_PRINCIPAL} namespaces="{NAMESPACE}" {key_type(word)} {word}\n' for word in words)
