"""The audit: who asked for what, from where, and on what ground it was done or refused.

Pure.  Entries are made by the calls themselves and written in the same transaction as what they changed; refusals
have none, and are written a moment later.  Secrets are masked before an entry is made, so that they are nowhere.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from trifid.core.template.model import Template
from trifid.core.template.scanner import parse
from trifid.errors import BadTemplate

ARGUMENTS_LENGTH_MAX = 2000
VALUE_LENGTH_MAX = 120
MASK = "***"

_IS_SECRET = re.compile(
    r"passw|passphrase|pass$|_pwd$|^pwd$|secret|token|credential|private|api_?key|_key$|^key$|userdata|user_data|auth",
    re.IGNORECASE,
)
"""Names of arguments and attributes whose values are not told."""
_IS_WHOLLY_SECRET = ("CONTEXT", "USER_INPUTS", "HEADERS", "BODY")
"""Attributes of which only the keys are told: people keep anything in them."""
_IN_URL = re.compile(r"://[^/?#\s]*@|(?<=\?)[^\s#]+")
"""Of a URL, who asks, and what: passwords and signed addresses."""
_URL_LENGTH_MAX = 4000


class AuditEntry(msgspec.Struct, frozen=True):
    """One call.

    Attributes:
        id: position in the audit, increasing; 0 until the store has given one.
        at: epoch seconds.
        request_id: as in the log, and in a VM's history.
        uid, user: who; -1 and the name that was given when nobody was authenticated.
        peer: from where: address of the client.
        method: of the API.
        object_id: what it was about, or what it made; -1 = nothing.
        arguments: as `shown_arguments` tells them.
        code: 0 = done, else the code of the refusal.
        text: why it was refused.
        ground: what allowed it, or did not: `administrator`, `owner`, `rule 12` …
    """

    id: int
    at: int
    request_id: str
    uid: int
    user: str
    peer: str
    method: str
    object_id: int
    arguments: str
    code: int = 0
    text: str = ""
    ground: str = ""


class AuditQuery(msgspec.Struct, frozen=True):
    """Which entries are asked for; None asks for any.

    Attributes:
        before_id: only those with a smaller id, to go on from a page.
        since, until: epoch seconds, both included.
        method: its name, or how it begins: `one.vm.`.
        is_refused: only those that were refused (True) or done (False).
    """

    before_id: int | None = None
    since: int | None = None
    until: int | None = None
    uid: int | None = None
    method: str | None = None
    object_id: int | None = None
    is_refused: bool | None = None

    def matches(self, entry: AuditEntry) -> bool:
        """Tell whether an entry is asked for."""
        return (
            (self.before_id is None or entry.id < self.before_id)
            and (self.since is None or entry.at >= self.since)
            and (self.until is None or entry.at <= self.until)
            and self.uid in (None, entry.uid)
            and (self.method is None or entry.method.startswith(self.method))
            and self.object_id in (None, entry.object_id)
            and self.is_refused in (None, entry.code != 0)
        )


def shown_arguments(named: Iterable[tuple[str, Any]]) -> str:
    """Return the arguments of a call as the audit tells them: `vm_id=3 template=[CPU=1 CONTEXT=[PASSWORD=***]]`.

    Args:
        named: parameter and value, in order.
    """
    text = " ".join(f"{name}={_shown(name, value)}" for name, value in named)
    return text if len(text) <= ARGUMENTS_LENGTH_MAX else text[: ARGUMENTS_LENGTH_MAX - 1] + "…"


def _shown(name: str, value: Any) -> str:
    if _IS_SECRET.search(name):
        return MASK
    if not isinstance(value, str):
        return _clipped(str(value))
    if value.lstrip()[:1] in ("{", "[") and '"' in value:
        return f"({len(value)} characters)"
    if "=" in value or "<" in value:
        return _shown_template(value)
    return _clipped(value)


def _shown_template(text: str) -> str:
    """Return what a text has in it if it is a template; of one that cannot be read nothing is told but its length."""
    if len(text) > 100 * ARGUMENTS_LENGTH_MAX:
        return f"({len(text)} characters)"
    try:
        template = parse(text)
    except BadTemplate:
        return f"({len(text)} characters)"
    return f"[{' '.join(_shown_pairs(template))}]"


def _shown_pairs(template: Template) -> Iterable[str]:
    for name, value in template.pairs:
        is_secret = name in _IS_WHOLLY_SECRET
        if isinstance(value, str):
            yield f"{name}={MASK if is_secret or _IS_SECRET.search(name) else _clipped(value)}"
        else:
            inner = (f"{k}={MASK if is_secret or _IS_SECRET.search(k) else _clipped(v)}" for k, v in value.items())
            yield f"{name}=[{' '.join(inner)}]"


def _clipped(value: str) -> str:
    """Return a value on one line, not too long, without what a URL may have of secrets."""
    if "://" in value:
        value = _IN_URL.sub(
            lambda found: f"://{MASK}@" if found[0].startswith("://") else MASK, value[:_URL_LENGTH_MAX]
        )
    line = "".join(char if char.isprintable() else "?" for char in value[: VALUE_LENGTH_MAX + 1])
    return line if len(value) <= VALUE_LENGTH_MAX else line[:VALUE_LENGTH_MAX] + "…"
