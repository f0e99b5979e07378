"""What a VM template asks of whoever instantiates it: from --user-inputs, or at the terminal."""

import sys

import click

from trifid.cli.failure import Failure
from trifid.cli.shell import Shell
from trifid.cli.template_options import assignments
from trifid.core.template.inputs import UserInput, user_inputs, value_of
from trifid.core.template.model import Template
from trifid.errors import BadTemplate

OPTION = click.Option(
    ["--user-inputs"],
    metavar="A=1,B=2",
    help="Values that the template asks for; what is missing is asked at the terminal, else taken as its default.",
)


def answers(shell: Shell, template: Template, text: str | None) -> Template:
    """Return the attributes that the inputs of a template become.

    Args:
        text: of --user-inputs.

    Raises:
        Failure: an input has no value that it takes, or there is none of that name.
    """
    given = assignments(text) if text else {}
    try:
        asked = user_inputs(template)
        if unknown := sorted(given.keys() - {one.name for one in asked}):
            names = ", ".join(one.name for one in asked) or "none"
            raise Failure(f"the template has no user input {unknown[0]}", f"it has: {names}")
        can_ask = is_terminal()
        values = [(one.name, _value(shell, one, given.get(one.name), can_ask)) for one in asked]
    except BadTemplate as bad:
        raise Failure(bad.message, "give --user-inputs NAME=VALUE, or answer at a terminal") from bad
    return Template(tuple((name, value) for name, value in values if value is not None))


def is_terminal() -> bool:
    """Tell whether there is somebody to ask."""
    return sys.stdin.isatty()


def _value(shell: Shell, asked: UserInput, given: str | None, can_ask: bool) -> str | None:
    if given is not None or not asked.is_asked or not can_ask:
        return value_of(asked, given)
    while True:
        try:
            return value_of(asked, _prompt(asked))
        except BadTemplate as bad:
            shell.tell(bad.message)


def _prompt(asked: UserInput) -> str:
    needed = "" if asked.is_mandatory else ", may be left out"
    text = f"{asked.description or asked.name} ({asked.name}: {asked.expected}{needed})"
    answer = click.prompt(
        text,
        default=asked.default,
        show_default=bool(asked.default) and not asked.is_secret,
        hide_input=asked.is_secret,
        err=True,
    )
    return str(answer)
