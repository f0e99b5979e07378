"""USER_INPUTS of a VM template: what whoever instantiates it is asked for, and which values are taken.

`USER_INPUTS = [ NAME = "M|TYPE|DESCRIPTION|PARAMETERS|DEFAULT" ]`, M for an input that must have a value, O for
one that may be left out; fields at the end may be missing.  Clients ask and check, and send the values as
attributes of the extra template; the engine reads none of this.
Source: upstream's documentation of VM templates, release 7.0, "User Inputs".
"""

import base64
import re
from collections.abc import Callable

import msgspec

from trifid.core.template.model import Template
from trifid.core.template.validate import shown
from trifid.errors import BadTemplate

USER_INPUTS, INPUTS_ORDER = "USER_INPUTS", "INPUTS_ORDER"
_SYNTAX = '"M|TYPE|DESCRIPTION|PARAMETERS|DEFAULT", with O instead of M for one that may be left out'
_WHOLE = re.compile(r"[+-]?[0-9]+", re.ASCII)
_DECIMAL = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?", re.ASCII)


class UserInput(msgspec.Struct, frozen=True):
    """One value that is asked for.

    Attributes:
        type: a key of `TYPES`.
        parameters: `LOWEST..HIGHEST` of a range, the choices of a list with commas between.
        default: taken when nothing is given; the value of a fixed one.
    """

    name: str
    is_mandatory: bool
    type: str
    description: str = ""
    parameters: str = ""
    default: str = ""

    @property
    def choices(self) -> list[str]:
        """The choices of a list."""
        return [one.strip() for one in self.parameters.split(",")] if self.type.startswith("list") else []

    @property
    def is_secret(self) -> bool:
        """Whether it is not shown while it is typed."""
        return self.type == "password"

    @property
    def is_asked(self) -> bool:
        """Whether there is anything to choose."""
        return self.type != "fixed"

    @property
    def expected(self) -> str:
        """What a value must be, for people."""
        return TYPES[self.type][0].format(self.parameters)


def user_inputs(template: Template) -> list[UserInput]:
    """Return what a template asks for, in the order of INPUTS_ORDER, then as written.

    Raises:
        BadTemplate: an input is not written as it must be.
    """
    found = {name: parse_input(name, text) for name, text in template.vector(USER_INPUTS).items()}
    ordered = [name.strip().upper() for name in template.single(INPUTS_ORDER).split(",")]
    names = dict.fromkeys([*(name for name in ordered if name in found), *found])
    return [found[name] for name in names]


def parse_input(name: str, text: str) -> UserInput:
    """Return the input that one key of USER_INPUTS describes; raises BadTemplate."""
    fields = [field.strip() for field in text.split("|", 4)]
    if len(fields) < 2 or fields[0].upper() not in ("M", "O") or fields[1].lower() not in TYPES:
        known = ", ".join(TYPES)
        raise BadTemplate(f'USER_INPUTS: {name} must be {_SYNTAX}, TYPE one of {known}; is "{shown(text)}"')
    made = UserInput(name, fields[0].upper() == "M", fields[1].lower(), *fields[2:])
    if made.type.startswith("range"):
        _bounds(made)
    return made


def value_of(asked: UserInput, given: str | None) -> str | None:
    """Return what an input's attribute shall be, or None when it is left out.

    Args:
        given: as typed; None or empty = the default.

    Raises:
        BadTemplate: it must have a value and has none, or takes no such value.
    """
    value = given or asked.default
    if asked.type == "fixed" and value != asked.default:
        raise BadTemplate(f'{asked.name} is fixed to "{shown(asked.default)}", is "{shown(value)}"')
    if not value:
        if asked.is_mandatory:
            raise BadTemplate(f"{asked.name} must have a value: {asked.expected}")
        return None
    if not TYPES[asked.type][1](asked, value):
        told = "what was given is not" if asked.is_secret else f'is "{shown(value)}"'
        raise BadTemplate(f"{asked.name} must be {asked.expected}, {told}")
    if asked.type == "text64" and given:
        return base64.b64encode(given.encode()).decode()
    return value.upper() if asked.type == "boolean" else value


def _bounds(asked: UserInput) -> tuple[float, float]:
    lowest, _, highest = (part.strip() for part in asked.parameters.partition(".."))
    form = _DECIMAL if asked.type == "range-float" else _WHOLE
    if not all(form.fullmatch(bound) for bound in (lowest, highest)):
        raise BadTemplate(
            f'USER_INPUTS: the PARAMETERS of {asked.name} must be LOWEST..HIGHEST, are "{shown(asked.parameters)}"'
        )
    return float(lowest), float(highest)


def _is_within(asked: UserInput, value: str) -> bool:
    form = _DECIMAL if asked.type == "range-float" else _WHOLE
    lowest, highest = _bounds(asked)
    return form.fullmatch(value) is not None and lowest <= float(value) <= highest


def _any(asked: UserInput, value: str) -> bool:
    return True


TYPES: dict[str, tuple[str, Callable[[UserInput, str], bool]]] = {
    "text": ("a text", _any),
    "text64": ("a text", _any),
    "password": ("a password", _any),
    "number": ("a whole number", lambda asked, value: _WHOLE.fullmatch(value) is not None),
    "number-float": ("a number", lambda asked, value: _DECIMAL.fullmatch(value) is not None),
    "range": ("a whole number from {}", _is_within),
    "range-float": ("a number from {}", _is_within),
    "list": ("one of {}", lambda asked, value: value in asked.choices),
    "list-multiple": (
        "some of {}, with commas between",
        lambda asked, value: all(one.strip() in asked.choices for one in value.split(",")),
    ),
    "boolean": ("YES or NO", lambda asked, value: value.upper() in ("YES", "NO")),
    "fixed": ("as it is", _any),
}
"""Types of inputs: what messages say they take, with the parameters put in, and the test of a value."""
