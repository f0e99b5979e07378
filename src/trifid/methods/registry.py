"""What can be asked: API methods as declared functions.

A method is a coroutine function with a `Call` first; its further parameters, with their types and
defaults, are its arguments on the wire.  Types are strict, trailing defaults may be left out, extra
arguments are ignored (reference/api-modern.md §1).
"""

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from trifid.core.access import Caller
from trifid.core.vm.effects import Moment
from trifid.placement.settings import Settings

if TYPE_CHECKING:
    from trifid.engine.engine import Engine


class Call(msgspec.Struct):
    """One request under way.

    Attributes:
        engine: what the method may use.
        method: its name, for messages.
        caller: who asks, authenticated.
        request_id: ties journal, history and log together.
        placement: how the scheduler decides, for explanations and trials.
    """

    engine: "Engine"
    method: str
    caller: Caller
    request_id: str
    placement: Settings = Settings()

    def moment(self, now: int) -> Moment:
        """Return when and on whose behalf, for a VM's step."""
        return Moment(now, self.caller, self.request_id)


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
