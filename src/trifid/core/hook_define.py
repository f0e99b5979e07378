"""What a hook may be declared as, and what it waits for.

    NAME = running    TYPE = state    RESOURCE = VM    ON = RUNNING    COMMAND = "tell.sh"    ARGUMENTS = "$ID"
    NAME = made       TYPE = api      CALL = one.vm.allocate           COMMAND = "made.sh"    ARGUMENTS = "$API"
    NAME = chat       TYPE = webhook  URL = "https://chat.example.org/in"  FILTER = "kind=VM"  SECRET = "…"

What documents show of a hook is what today's schema has room for, so a webhook's URL is kept as COMMAND and its FILTER
as ARGUMENTS; `ON` is kept as the states that it stands for.

Source: reference/api-modern.md §2 (texts), §4 (hooks), §5.5 (hook.xsd); reference/drivers.md §2.3.
"""

import re
import shlex

import msgspec

from trifid.core.event_filter import EVERYTHING, Filter, parse_filter
from trifid.core.hook import Hook, HookType
from trifid.core.host import HostState
from trifid.core.image.record import ImageState
from trifid.core.journal import Entry
from trifid.core.network.record import NetworkState
from trifid.core.template.model import Template
from trifid.core.template.validate import check_name
from trifid.core.vm.states import VmState
from trifid.errors import BadRequest, BadTemplate

SHOWN = ("ARGUMENTS", "ARGUMENTS_STDIN", "CALL", "COMMAND", "LCM_STATE", "REMOTE", "RESOURCE", "STATE")
"""What a document shows of a template, in the schema's order."""
SECRET = "SECRET"  # noqa: S105  (the name of the attribute)
TIMEOUT = "TIMEOUT"

TEXT_MAX = 8192
"""Characters of COMMAND, ARGUMENTS …"""
TIMEOUT_S_MAX = 24 * 3600
SECRET_MIN, SECRET_MAX = 16, 512

_RESOURCES = {"VM": "VM", "HOST": "HOST", "IMAGE": "IMAGE", "NET": "NET", "VNET": "NET", "NETWORK": "NET"}
"""How a resource may be written, and how the journal calls it."""
_KEPT = (ImageState.LOCKED, ImageState.READY, ImageState.DISABLED, ImageState.ERROR, ImageState.DELETE)
_STATES = {
    "VM": {state.name for state in VmState if state.value < 100} | {"ACTIVE"},
    "HOST": {state.name for state in HostState},
    "IMAGE": {state.name for state in _KEPT},
    "NET": {state.name for state in NetworkState},
}
"""What an object can come into.  USED and the like are how an image looks while VMs have it, and no states of it."""
_LCM_STATES = {state.name for state in VmState if 300 < state.value < 1000} | {"LCM_INIT"}
_ON_VM = {
    "CREATE": ("PENDING", "LCM_INIT"),
    "PROLOG": ("ACTIVE", "PROLOG"),
    "RUNNING": ("ACTIVE", "RUNNING"),
    "SHUTDOWN": ("ACTIVE", "EPILOG"),
    "STOP": ("STOPPED", "LCM_INIT"),
    "DONE": ("DONE", "LCM_INIT"),
    "UNKNOWN": ("ACTIVE", "UNKNOWN"),
}
_ON_HOST = {"CREATE": "INIT", "ERROR": "ERROR", "DISABLE": "DISABLED", "ENABLE": "MONITORED", "OFFLINE": "OFFLINE"}
_CALL = re.compile(r"(one|trifid)(\.[a-z0-9_]+){1,3}")
_URL = re.compile(r"https?://(?P<authority>[^/?#\s\\]+)(?:[/?][^\s#\\]*)?", re.IGNORECASE | re.ASCII)
_AUTHORITY = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?", re.ASCII)


class Wants(msgspec.Struct, frozen=True):
    """What a hook waits for.

    Attributes:
        kind: whose states, as the journal calls it; empty = it does not wait for a state.
        state, lcm_state: which; an empty lcm_state = any.
        call: after which call of the API; empty = none.
        events: what a webhook sends.
    """

    kind: str = ""
    state: str = ""
    lcm_state: str = ""
    call: str = ""
    events: Filter = EVERYTHING


# -- declared ------------------------------------------------------------------------------------------


def defined(template: Template, directory: str) -> Hook:
    """Return the hook that a template describes, without an id.

    Args:
        directory: absolute; the only one whose programs hooks may run.

    Raises:
        BadTemplate: names the attribute, what is expected and what it is.
    """
    kind = _type_of(template)
    name = template.single("NAME").strip()
    if not name:
        raise BadTemplate("Invalid NAME, it cannot be empty")
    check_name(name)
    return Hook(-1, name, kind, kept(kind, template.without("NAME", "TYPE"), directory))


def kept(kind: HookType, template: Template, directory: str) -> Template:
    """Return the attributes to keep of those that somebody wrote; raises BadTemplate as `defined` does."""
    for name, value in template:
        if not isinstance(value, str):
            raise BadTemplate(f"{name} of a hook must be a text, is a vector")
        if len(value) > TEXT_MAX:
            raise BadTemplate(f"{name} has {len(value)} characters: {TEXT_MAX} are accepted")
        if "\0" in value:
            raise BadTemplate(f"{name} has a zero byte, which no program can be given")
    rest = _last_of_each(template)
    if kind is HookType.WEBHOOK:
        return _webhook(rest)
    rest = rest.replacing("COMMAND", _command(rest.single("COMMAND").strip(), directory))
    _check_arguments(rest)
    return _state(rest) if kind is HookType.STATE else _api(rest)


def _type_of(template: Template) -> HookType:
    word = template.single("TYPE").strip()
    try:
        return HookType(word.lower())
    except ValueError:
        raise BadTemplate(f"Invalid Hook type: {word[:40]}") from None


def _last_of_each(template: Template) -> Template:
    """Return a template in which no name is repeated: what was written last counts."""
    return Template(tuple(dict(template.pairs).items()))


def _command(command: str, directory: str) -> str:
    """Return the path of a program within the directory of hooks."""
    inside = command.removeprefix(f"{directory}/")
    if not inside:
        raise BadTemplate(f"COMMAND is missing: the name of a program in {directory}")
    if inside.startswith("/") or ".." in inside.split("/") or not inside.isprintable():
        raise BadTemplate(f"COMMAND {command[:200]!r} is not in {directory}: hooks run programs of that directory only")
    return inside


def _check_arguments(template: Template) -> None:
    try:
        words_of(template.single("ARGUMENTS"))
    except ValueError as fault:
        raise BadTemplate(f"ARGUMENTS cannot be split into words: {fault}") from None
    for name in ("ARGUMENTS_STDIN", "REMOTE"):
        if template.single(name, "NO").upper() not in ("YES", "NO"):
            raise BadTemplate(f"{name} must be YES or NO, is {template.single(name)[:40]!r}")
    given = template.single(TIMEOUT, "0")
    if not (given.isascii() and given.isdigit() and int(given[:9]) <= TIMEOUT_S_MAX):
        raise BadTemplate(f"{TIMEOUT} must be seconds, {TIMEOUT_S_MAX} at most, is {given[:40]!r}")


def _api(template: Template) -> Template:
    call = template.single("CALL").strip()
    if not _CALL.fullmatch(call):
        raise BadTemplate(f"CALL must be a method of the API such as one.vm.allocate, is {call[:80]!r}")
    if template.single("REMOTE").upper() == "YES":
        raise BadTemplate("REMOTE is for hooks on states of VMs and hosts: a call of the API is on no host")
    return template.replacing("CALL", call)


def _state(template: Template) -> Template:
    word = template.single("RESOURCE").strip().upper()
    kind = _RESOURCES.get(word)
    if kind is None:
        raise BadTemplate(f"Invalid resource type: {word[:40]}: RESOURCE must be VM, HOST, IMAGE or NET")
    if template.single("REMOTE").upper() == "YES" and kind not in ("VM", "HOST"):
        raise BadTemplate(f"REMOTE is for VMs and hosts: RESOURCE {kind} is on no host")
    state, lcm_state = _states_of(kind, template)
    template = template.without("ON").replacing("RESOURCE", kind).replacing("STATE", state)
    return template.replacing("LCM_STATE", lcm_state) if lcm_state else template.without("LCM_STATE")


def _states_of(kind: str, template: Template) -> tuple[str, str]:
    """Return the state that a hook waits for, and a VM's inner one, by their names."""
    on = template.single("ON").strip().upper()
    state, lcm_state = (template.single(name).strip().upper() for name in ("STATE", "LCM_STATE"))
    if on and on != "CUSTOM":
        shortcuts = {"VM": _ON_VM, "HOST": {word: (name, "") for word, name in _ON_HOST.items()}}.get(kind, {})
        if on not in shortcuts:
            known = ", ".join([*shortcuts, "CUSTOM"])
            raise BadTemplate(f"ON must be one of {known} for {kind}, is {on[:40]!r}")
        return shortcuts[on]
    if state not in _STATES[kind]:
        raise BadTemplate(f"STATE must be one of {', '.join(sorted(_STATES[kind]))} for {kind}, is {state[:40]!r}")
    if lcm_state and (kind != "VM" or lcm_state not in _LCM_STATES):
        raise BadTemplate(f"LCM_STATE must be an inner state of a VM such as RUNNING, is {lcm_state[:40]!r}")
    if lcm_state not in ("", "LCM_INIT") and state != "ACTIVE":
        raise BadTemplate(f"LCM_STATE {lcm_state} is one of VMs that are ACTIVE, STATE is {state}")
    return state, lcm_state


def _webhook(template: Template) -> Template:
    url = (template.single("URL") or template.single("COMMAND")).strip()
    wanted = (template.single("FILTER") or template.single("ARGUMENTS")).strip()
    check_url(url)
    try:
        parse_filter(wanted)
    except BadRequest as bad:
        raise BadTemplate(f"FILTER: {bad.message}") from None
    secret = template.single(SECRET)
    if not SECRET_MIN <= len(secret) <= SECRET_MAX:
        raise BadTemplate(
            f"SECRET must have {SECRET_MIN} to {SECRET_MAX} characters, has {len(secret)}: "
            "what is sent is signed with it"
        )
    rest = template.without("URL", "FILTER", "COMMAND", "ARGUMENTS", *("CALL", "STATE", "LCM_STATE", "RESOURCE"))
    rest = rest.without("REMOTE", "ARGUMENTS_STDIN", "ON", TIMEOUT)
    return rest.having(("COMMAND", url), *((("ARGUMENTS", wanted),) if wanted else ()))


def check_url(url: str) -> None:
    """Raise BadTemplate for what is not a URL of http or https without user, password and fragment."""
    found = _URL.fullmatch(url)
    if not found:
        raise BadTemplate("URL must be one of http or https, in ASCII, such as https://chat.example.org/in")
    if "@" in found["authority"]:
        raise BadTemplate("URL must be without user and password: what is sent is signed with SECRET")
    if not _AUTHORITY.fullmatch(found["authority"]):
        raise BadTemplate("URL must name a machine, and a port if it is not the usual one")


# -- what it waits for ---------------------------------------------------------------------------------


def wants(hook: Hook) -> Wants:
    """Return what a hook waits for."""
    text = hook.template.single
    if hook.type is HookType.API:
        return Wants(call=text("CALL"))
    if hook.type is HookType.WEBHOOK:
        return Wants(events=parse_filter(text("ARGUMENTS")))
    return Wants(kind=text("RESOURCE"), state=text("STATE"), lcm_state=text("LCM_STATE"))


def states_in(kind: str, name: str) -> tuple[str, str]:
    """Return a state and a VM's inner one as clients know them; the journal tells finer ones apart.

    Args:
        name: of a state, as the journal has it; an unknown or empty one gives two empty texts.
    """
    if kind != "VM":
        return name, ""
    state = VmState.__members__.get(name)
    if state is None:
        return "", ""
    outer = VmState(3 * 100) if state.value % 1000 >= 300 else VmState(state.value % 1000)
    inner = state.value % 1000 - 300
    return outer.name, VmState(300 + inner).name if inner > 0 else "LCM_INIT"


def entered(entry: Entry) -> tuple[str, str] | None:
    """Return the states that an object has come into by what an entry of the journal tells; None for no other."""
    if not entry.new:
        return None
    after = states_in(entry.kind, entry.new)
    return None if after == states_in(entry.kind, entry.old) or not after[0] else after


# -- arguments -----------------------------------------------------------------------------------------

_REFERENCE = re.compile(r"\$(?:([A-Z_]+)|\{([A-Z_]+)\})")


def words_of(text: str) -> list[str]:
    """Return the words of ARGUMENTS, split at blanks that are not quoted, as a shell does.

    Raises:
        ValueError: a quote does not end.
    """
    return shlex.split(text)


def arguments(hook: Hook, values: dict[str, str]) -> list[str]:
    """Return the words that a hook's command gets: a reference in a word is replaced, the word stays one.

    Args:
        values: by name; what a reference names that is not there stays as it is written.
    """

    def value(found: re.Match[str]) -> str:
        return values.get(found[1] or found[2], found[0])

    return [_REFERENCE.sub(value, word) for word in words_of(hook.template.single("ARGUMENTS"))]


def quoted(words: list[str]) -> str:
    """Return words as one text from which `words_of` makes them again."""
    return shlex.join(words)
