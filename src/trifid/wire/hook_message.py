"""What a hook driver is told, and what it answers: base64 of XML.

<HOOK_MESSAGE>
  <HOOK_TYPE>STATE</HOOK_TYPE> <HOOK_OBJECT>VM</HOOK_OBJECT> <STATE>ACTIVE</STATE> <LCM_STATE>RUNNING</LCM_STATE>
  <RESOURCE_ID>3</RESOURCE_ID> <VM> … </VM>
  <HOOK> <ID>0</ID> <COMMAND>tell.sh</COMMAND> <ARGUMENT>3</ARGUMENT> … </HOOK>
</HOOK_MESSAGE>

Everything but HOOK is as today's drivers know it; HOOK says what to do, so that a driver needs to ask nobody.

Source: reference/drivers.md §2.3 (Hook), hook_message_state.xsd, hook_message_api.xsd, hook_message_retry.xsd.
"""

import base64
import binascii
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

import msgspec

from trifid.errors import DriverFault
from trifid.wire.xmltext import escape, writable

ROOT = "HOOK_MESSAGE"
RESULT_ROOT = "EXECUTION_RESULT"
WORDS_MAX = 1000
RESULT_BYTES_MAX = 1 << 20
_NOT_RUN = 255


class HookOrder(msgspec.Struct, frozen=True):
    """What a hook driver shall do.

    Attributes:
        command: path within the directory of hooks; the URL of a webhook.
        arguments: the words that the command gets.
        stdin: its words come on its standard input, with blanks between.
        host: where it runs; empty = on the front-end.
        timeout_s: after so long it is ended.
        secret: what a webhook's body is signed with.
        body: what a webhook sends, JSON.
        delivery: tells one event of a webhook from others, and stays the same when it is sent again.
        allow: networks (CIDR) that a webhook may be sent to although they are the front-end's own.
    """

    hook_id: int
    command: str
    arguments: tuple[str, ...] = ()
    stdin: bool = False
    host: str = ""
    timeout_s: int = 0
    secret: str = ""
    body: str = ""
    delivery: str = ""
    allow: str = ""


class HookResult(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes:
        code: exit status; 0 = success, 255 = it could not be run.
    """

    command: str
    stdout: str
    stderr: str
    code: int


# -- the engine's side ---------------------------------------------------------------------------------


def state_message(kind: str, states: tuple[str, str], object_id: int, document: str, host: str = "") -> str:
    """Return the body of a message about an object that has come into a state.

    Args:
        kind: VM, HOST, IMAGE or NET.
        document: of the object; empty when it is gone.
    """
    named = {
        "HOOK_TYPE": "STATE",
        "HOOK_OBJECT": "VNET" if kind == "NET" else kind,
        "STATE": states[0],
        "LCM_STATE": states[1],
        "RESOURCE_ID": str(object_id),
        "REMOTE_HOST": host,
    }
    return "".join(_element(name, value) for name, value in named.items() if value) + document


def api_message(call: str, info: str) -> str:
    """Return the body of a message about a call that has ended; `info` is its CALL_INFO."""
    return _element("HOOK_TYPE", "API") + _element("CALL", call) + info


def call_info(success: bool, given: Iterable[object], answered: Iterable[object], extra: str = "") -> str:
    """Return the CALL_INFO of a call.

    Args:
        given: its arguments, the session first, without secrets.
        answered: what it answered.
        extra: the document of what was allocated.
    """
    parameters = [
        f"<PARAMETER><POSITION>{number}</POSITION><TYPE>{kind}</TYPE>{_element('VALUE', _text(value))}</PARAMETER>"
        for kind, values in (("IN", given), ("OUT", answered))
        for number, value in enumerate(values, start=1)
    ]
    return (
        f"<CALL_INFO><RESULT>{int(success)}</RESULT><PARAMETERS>{''.join(parameters)}</PARAMETERS>"
        f"{f'<EXTRA>{extra}</EXTRA>' if extra else ''}</CALL_INFO>"
    )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def retry_message(hook_id: int, arguments: str) -> str:
    """Return the body of a message about an execution that is done again."""
    return _element("ARGUMENTS", arguments) + _element("HOOK_ID", str(hook_id))


def render(body: str, order: HookOrder) -> str:
    """Return the payload of a request."""
    named = {
        "ID": str(order.hook_id),
        "COMMAND": order.command,
        "ARGUMENTS_STDIN": "YES" if order.stdin else "",
        "REMOTE_HOST": order.host,
        "TIMEOUT": str(order.timeout_s),
        "SECRET": order.secret,
        "BODY": order.body,
        "DELIVERY": order.delivery,
        "ALLOW": order.allow,
    }
    told = "".join(_element(name, value) for name, value in named.items() if value)
    words = "".join(_element("ARGUMENT", word) for word in order.arguments)
    document = f"<{ROOT}>{body}<HOOK>{told}{words}</HOOK></{ROOT}>"
    return base64.b64encode(document.encode("utf-8", errors="replace")).decode()


def parse_result(payload: str) -> HookResult:
    """Return what a driver says of an execution.

    Raises:
        DriverFault: it is not base64 of such a document, or too much.
    """
    if len(payload) > RESULT_BYTES_MAX:
        raise DriverFault(f"the result has {len(payload)} characters, {RESULT_BYTES_MAX} are accepted")
    root = _parsed(payload, RESULT_ROOT)
    code = root.findtext("CODE") or ""
    if not (code.isascii() and code.isdigit() and len(code) < 6):
        raise DriverFault(f"the result has CODE {code[:40]!r}, it must be a number")
    command, stdout, stderr = (root.findtext(name) or "" for name in ("COMMAND", "STDOUT", "STDERR"))
    return HookResult(command, stdout, stderr, int(code))


def not_run(command: str, why: str) -> HookResult:
    """Return the result of what could not be run."""
    return HookResult(command, "", why, _NOT_RUN)


# -- the driver's side ---------------------------------------------------------------------------------


def parse(payload: str) -> HookOrder:
    """Return what a payload orders.

    Raises:
        DriverFault: not base64, not XML, not such a request, a number in it is none, or there is too much of it.
    """
    hook = _parsed(payload, ROOT).find("HOOK")
    if hook is None:
        raise DriverFault("the request has no HOOK")
    words: Sequence[str] = [one.text or "" for one in hook.findall("ARGUMENT")]
    if len(words) > WORDS_MAX:
        raise DriverFault(f"a command with {len(words)} arguments, {WORDS_MAX} are accepted")
    values = {
        "hook_id": hook.findtext("ID") or "",
        "command": hook.findtext("COMMAND") or "",
        "arguments": words,
        "stdin": hook.findtext("ARGUMENTS_STDIN") == "YES",
        "host": hook.findtext("REMOTE_HOST") or "",
        "timeout_s": hook.findtext("TIMEOUT") or "0",
        "secret": hook.findtext("SECRET") or "",
        "body": hook.findtext("BODY") or "",
        "delivery": hook.findtext("DELIVERY") or "",
        "allow": hook.findtext("ALLOW") or "",
    }
    try:
        return msgspec.convert(values, HookOrder, strict=False)
    except msgspec.ValidationError as fault:
        raise DriverFault(f"the request cannot be read: {fault}") from None


def render_result(result: HookResult) -> str:
    """Return what a driver answers."""
    named = {"COMMAND": result.command, "STDOUT": result.stdout, "STDERR": result.stderr, "CODE": str(result.code)}
    document = f"<{RESULT_ROOT}>{''.join(_element(*pair) for pair in named.items())}</{RESULT_ROOT}>"
    return base64.b64encode(document.encode("utf-8", errors="replace")).decode()


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(writable(text))}</{name}>"


def _parsed(payload: str, root: str) -> ElementTree.Element:
    try:
        document = base64.b64decode(payload, validate=True)
        found = ElementTree.fromstring(document)  # noqa: S314  (expat knows no external entities)
    except (binascii.Error, ValueError, ElementTree.ParseError) as fault:
        raise DriverFault(f"the message is not base64 of XML: {fault}") from None
    if found.tag != root:
        raise DriverFault(f"the message must be {root}, is {found.tag[:40]}")
    return found
