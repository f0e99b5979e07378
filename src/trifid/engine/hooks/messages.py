"""What hooks are told: documents of objects, CALL_INFO of calls, JSON of events.  Secrets are masked."""

import asyncio
import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from trifid.core.hook_define import entered, states_in
from trifid.core.journal import Entry
from trifid.core.vm.record import VM
from trifid.wire.hook_message import call_info, state_message
from trifid.wire.masked import MASK, is_secret, masked
from trifid.wire.xmlrpc import Escaped
from trifid.wire.xmltext import unescape

if TYPE_CHECKING:
    from trifid.engine.documents import Documents
    from trifid.engine.memory import Memory
    from trifid.store.interface import Store

VALUE_LENGTH_MAX = 1 << 20
SECRET_ANSWERS = ("one.user.login",)
"""Calls whose answer is a secret as a whole."""


class CallMade(msgspec.Struct, frozen=True):
    """A call of the API that has ended.

    Attributes:
        info: its CALL_INFO.
    """

    name: str
    info: str


class About(msgspec.Struct, frozen=True):
    """What a hook is told of an event.

    Attributes:
        message: for the driver.
        values: what ARGUMENTS may refer to.
        host: where the object is; empty = nowhere.
    """

    message: str
    values: dict[str, str]
    host: str


def event_json(entry: Entry) -> str:
    """Return an event as the stream and webhooks tell it."""
    return msgspec.json.encode(entry).decode()


def made_call(
    name: str, parameters: Sequence[str], given: Sequence[Any], success: bool, answered: Sequence[Any], document: str
) -> CallMade:
    """Return a call as hooks are told of it.

    Args:
        parameters: names of the arguments after the session.
        given: arguments, with the session first.
        answered: elements of the answer.
        document: of what was allocated; empty = nothing was.
    """
    names = [*parameters, *("" for _ in given)]
    told = [MASK, *(_shown(names[number], value) for number, value in enumerate(given[1:]))]
    answer_name = "token" if name in SECRET_ANSWERS and success else ""
    outcome = [_shown(answer_name if number == 1 else "", one) for number, one in enumerate(map(_told, answered))]
    return CallMade(name, call_info(success, told, outcome, masked(document)))


def _told(value: Any) -> Any:
    return unescape("".join(value.chunks)) if isinstance(value, Escaped) else value


def _shown(name: str, value: Any) -> Any:
    if is_secret(name):
        return MASK
    return masked(value)[:VALUE_LENGTH_MAX] if isinstance(value, str) else value


class Messages:
    """Tells about events, with the objects as they are now."""

    def __init__(self, memory: "Memory", store: "Store", documents: "Documents") -> None:
        self._memory = memory
        self._store = store
        self._documents = documents

    async def about(self, entry: Entry) -> About:
        """Return what is told of an object that has come into a state."""
        after = entered(entry) or ("", "")
        before = states_in(entry.kind, entry.old)
        document, host = await self._object(entry.kind, entry.object_id)
        values = {
            "ID": str(entry.object_id),
            "STATE": after[0],
            "LCM_STATE": after[1],
            "PREV_STATE": before[0],
            "PREV_LCM_STATE": before[1],
        }
        coded = base64.b64encode(document.encode(errors="replace")).decode()
        message = state_message(entry.kind, after, entry.object_id, document, host)
        return About(message, values | {"TEMPLATE": coded}, host)

    def document_of(self, kind: str, object_id: int) -> str:
        """Return the document of an object, without secrets; empty when there is none, or no such kind."""
        record = self._pools().get(kind, {}).get(object_id)
        return "" if record is None else _plain(self._rendered(kind, record))

    async def _object(self, kind: str, object_id: int) -> tuple[str, str]:
        """Return the document of an object, and the host that it is on."""
        record = self._pools().get(kind, {}).get(object_id)
        if record is None and kind == "VM":
            record = await asyncio.to_thread(self._store.done_vm, object_id)
        if record is None:
            return "", ""
        host = ""
        if isinstance(record, VM):
            host = record.current.hostname if record.history else ""
        elif kind == "HOST":
            host = record.name
        return _plain(self._rendered(kind, record)), host

    def _pools(self) -> dict[str, dict[int, Any]]:
        memory = self._memory
        return {"VM": memory.vms, "HOST": memory.hosts, "IMAGE": memory.images, "NET": memory.networks}

    def _rendered(self, kind: str, record: Any) -> Escaped:
        documents = self._documents
        render: dict[str, Any] = {
            "VM": documents.vm,
            "HOST": documents.host,
            "IMAGE": documents.image,
            "NET": documents.network,
        }
        found: Escaped = render[kind](record)
        return found


def _plain(document: Escaped) -> str:
    return masked(unescape("".join(document.chunks)))
