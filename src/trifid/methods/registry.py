"""What can be asked: API methods as declared functions.

A method is a coroutine function with a `Call` first; its further parameters, with their types and
defaults, are its arguments on the wire.  Types are strict, trailing defaults may be left out, extra
arguments are ignored (reference/api-modern.md §1).
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from trifid.core.access import Caller, Ground, Why
from trifid.core.audit import AuditEntry, shown_arguments
from trifid.core.vm.effects import Moment
from trifid.engine.quotas import refuse_beyond
from trifid.errors import NotAuthenticated
from trifid.placement.settings import Settings

if TYPE_CHECKING:
    from trifid.engine.engine import Engine
    from trifid.engine.transaction import Draft

T = TypeVar("T")

GROUNDS_TOLD_MAX = 4
_LOGGED_MAX = 500


class Call(msgspec.Struct):
    """One request under way.

    Attributes:
        engine: what the method may use.
        method: its name, for messages.
        caller: who asks, authenticated.
        request_id: ties journal, history and log together.
        placement: how the scheduler decides, for explanations and trials.
        peer: address of the client.
        arguments: parameter and value, in order.
        is_audited: whether the audit has it already.
    """

    engine: "Engine"
    method: str
    caller: Caller
    request_id: str
    placement: Settings = Settings()
    peer: str = ""
    arguments: tuple[tuple[str, Any], ...] = ()
    is_audited: bool = False

    async def ask(self, command: "Callable[[Draft], T]") -> T:
        """Return what `command` returns, once all that it changed, and the call's entry in the audit, is durable.

        Raises:
            TrifidError: the command refused, or somebody would have more than a quota allows; nothing was changed.
        """

        return await self.engine.turns.ask(lambda draft: self.done_in(draft, command))

    def done_in(self, draft: "Draft", command: "Callable[[Draft], T]") -> T:
        """Return what `command` returns, and write the call's entry in the audit with what it changed.

        Raises:
            NotAuthenticated: the caller was let in, and is not any more; a call may have waited for long.
            TrifidError: as `ask`; the draft is to be thrown away.
        """
        user = draft.find_user(self.caller.uid)
        if user is None or not user.enabled:
            raise NotAuthenticated(f"User {self.caller.name} was disabled or deleted meanwhile, aborting call.")
        value = command(draft)
        refuse_beyond(draft, self.caller)
        if not draft.batch.is_empty:
            draft.audit(self.audit_entry(draft.now, value))
            self.is_audited = True
        return value

    def audit_entry(self, now: int, value: Any = None, code: int = 0, text: str = "") -> AuditEntry:
        """Return what the audit tells of this call.

        Args:
            now: epoch seconds.
            value: what it answers.
            code, text: of its refusal.
        """
        about = next((given for name, given in self.arguments if type(given) is int and name.endswith("_id")), None)
        made = value if type(value) is int else None
        if about is None or self.method.endswith(".allocate"):
            about = made if made is not None else -1
        elif made is not None and made != about:
            text = text or f"answered {made}"
        return AuditEntry(
            id=0,
            at=now,
            request_id=self.request_id,
            uid=self.caller.uid,
            user=self.caller.name,
            peer=self.peer,
            method=self.method,
            object_id=about,
            arguments=shown_arguments(self.arguments),
            code=code,
            text=text,
            ground=grounds_told(self.caller.grounds or ()),
        )

    def moment(self, now: int) -> Moment:
        """Return when and on whose behalf, for a VM's step."""
        return Moment(now, self.caller, self.request_id)


def grounds_told(grounds: Iterable[Ground]) -> str:
    """Return what the gate decided in a call, each ground once: `owner VM 3, rule 12 DATASTORE 1`."""
    told = dict.fromkeys(
        f"{f'rule {g.rule_id}' if g.why is Why.RULE else g.why} {g.kind}{f' {g.object_id}' if g.object_id >= 0 else ''}"
        for g in grounds
    )
    if len(told) == 1 or not all(one.startswith(Why.ADMINISTRATOR) for one in told):
        return ", ".join(list(told)[-GROUNDS_TOLD_MAX:])
    return str(Why.ADMINISTRATOR)


def one_line(text: str) -> str:
    """Return a text as the log takes it: it may quote what a stranger sent, which must not look like another entry."""
    return "".join(char if char.isprintable() else "?" for char in text[:_LOGGED_MAX])


class WrongArguments(Exception):
    """The arguments are not what the method takes: a fault, not an answer (reference/api-modern.md §1)."""


Handler = Callable[..., Awaitable[Any]]


class Parameter(msgspec.Struct, frozen=True):
    """One argument of a method."""

    name: str
    type: type
    default: Any
    is_required: bool


class Method(msgspec.Struct, frozen=True):
    """A method of the API.

    Attributes:
        answer: the type of what it answers; `Escaped` is an XML document.
        is_supported: whether it is built (methods/not_supported.py has the others).
    """

    name: str
    handler: Handler
    parameters: tuple[Parameter, ...]
    summary: str
    answer: Any
    is_supported: bool = True

    def arguments(self, given: list[Any]) -> list[Any]:
        """Return the arguments to call the handler with.

        Raises:
            WrongArguments: one is missing or has another type; says which, and what was expected.
        """
        taken = []
        for number, parameter in enumerate(self.parameters):
            if number >= len(given):
                if parameter.is_required:
                    raise WrongArguments(f"{self.name}: Not enough parameters: {parameter.name} is missing")
                taken.append(parameter.default)
                continue
            value = given[number]
            if type(value) is not parameter.type:
                raise WrongArguments(
                    f"{self.name}: parameter {number + 2} ({parameter.name}) must be "
                    f"{parameter.type.__name__}, is {type(value).__name__}"
                )
            taken.append(value)
        return taken


METHODS: dict[str, Method] = {}


def method(name: str, **called: str) -> Callable[[Handler], Handler]:
    """Declare a method of the API.

    Args:
        called: parameter -> how the API calls it, for a function that is declared for several kinds of objects.
    """

    def declare(handler: Handler) -> Handler:
        assert name not in METHODS, f"{name} is declared twice"
        signature = inspect.signature(handler, eval_str=True)
        assert called.keys() <= signature.parameters.keys(), f"{name} has no such parameters: {', '.join(called)}"
        parameters = tuple(
            Parameter(called.get(p.name, p.name), p.annotation, p.default, p.default is inspect.Parameter.empty)
            for p in list(signature.parameters.values())[1:]
        )
        summary = (inspect.getdoc(handler) or "").partition("\n")[0]
        assert summary, f"{name} has no docstring"
        METHODS[name] = Method(name, handler, parameters, summary, signature.return_annotation)
        return handler

    return declare
