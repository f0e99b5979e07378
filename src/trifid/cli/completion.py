"""`trifid completion`: what makes shells complete the words, options and names of all commands.

Click answers what can be typed next; names and columns come from trifid.cli.candidates.
"""

import click

from trifid.cli.command import Argument, Command, Given
from trifid.cli.failure import Failure
from trifid.cli.shell import Shell

SHELLS = ("bash", "zsh", "fish")


def _completion(shell: Shell, given: Given) -> None:
    if given.shell not in SHELLS:
        raise Failure(f"there is no completion for {given.shell}", f"there is for {', '.join(SHELLS)}")
    from click.shell_completion import ShellComplete, get_completion_class

    kind = get_completion_class(given.shell)
    assert kind is not None
    for program in programs():
        variable = f"_{program.upper()}_COMPLETE"
        # Not its own source(), which starts a shell to see how old it is.
        shell.say(ShellComplete.source(kind(click.Command(program), {}, program, variable)))


def programs() -> list[str]:
    """Return the commands that are installed with this package."""
    from importlib.metadata import entry_points

    found = entry_points(group="console_scripts")
    return sorted({one.name for one in found if one.value.startswith("trifid.cli.")})


COMPLETION = Command(
    "completion",
    "Print what makes a shell complete words, options and the names of objects: bash, zsh or fish.",
    (Argument("SHELL"),),
    run=_completion,
    more='In the file that your shell reads when it starts: eval "$(trifid completion bash)".  For fish: trifid '
    "completion fish > ~/.config/fish/completions/trifid.fish.",
    examples=("completion bash", "completion zsh"),
)
