"""What turns rows (trifid.cli.rows) into a program.

`CommandTable` builds the row that was asked for, and nothing else.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from trifid.cli.failure import FAILED, INTERRUPTED, Failure, explain
from trifid.cli.follow import Follower, is_state
from trifid.cli.forms import FORM_OPTIONS, FORMS, form_in, form_of, text_of
from trifid.cli.kinds import Kind
from trifid.cli.rows import (
    ENDPOINT,
    HOME,
    LONG_VERBOSE,
    TIMEOUT,
    VERBOSE,
    WAIT,
    WAIT_FOR_GOAL,
    WAITS_FOR,
    Argument,
    Command,
    Given,
    Number,
    WholeNumber,
    wait_goal,
    word_after_wait,
)
from trifid.cli.shell import Shell, complain

__all__ = [
    "TIMEOUT",
    "WAITS_FOR",
    "Argument",
    "Command",
    "CommandTable",
    "Given",
    "Number",
    "SubCommand",
    "WholeNumber",
    "wait_goal",
    "word_after_wait",
]


_ALIKE_MAX = 3


class SubCommand(click.Command):
    """A sub-command built from its row.

    Args:
        program: what is typed before its word.
        calls: it calls an engine, whose address can be given.
    """

    def __init__(self, row: Command, kind: Kind | None, program: str, *, calls: bool) -> None:
        self.row = row
        self.kind = kind
        short = {option for declared in row.options for option in declared.opts}
        shared = [HOME, *([ENDPOINT] if calls else []), LONG_VERBOSE if "-v" in short else VERBOSE]
        waiting = [WAIT, TIMEOUT] if row.goal else []
        self._program = program
        own = {option.name for option in row.options}
        self._answers = calls and not own & set(FORMS)
        self._converts = "json" in own and "yaml" not in own
        forms = [_without(option, short) for option in FORM_OPTIONS if option.name not in own]
        shared = [*(forms if self._answers or self._converts else []), *shared]
        super().__init__(
            row.word,
            params=[*map(_parameter, row.arguments, [row] * len(row.arguments)), *row.options, *waiting, *shared],
            callback=self._run,
            help="\n\n".join(part for part in (row.about, row.more) if part),
            short_help=row.about,
            epilog=_epilog(row, program),
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, with the words about missing arguments that the commands always had."""
        try:
            return super().parse_args(ctx, self._with_wait_value(args))
        except click.MissingParameter as missing:
            if not isinstance(missing.param, click.Argument):
                raise
            count = sum(not argument.optional for argument in self.row.arguments)
            needs = "one parameter" if count == 1 else f"{count} parameters"
            raise click.UsageError(f"Command {self.row.word} requires {needs} to run.", ctx) from None

    def _with_wait_value(self, args: list[str]) -> list[str]:
        """Give --wait a value, so that in `--wait FILE` the file is not taken for a state."""
        out: list[str] = []
        rest = list(args)
        while rest and self.row.goal:
            word = rest.pop(0)
            if word == "--":
                return [*out, word, *rest]
            if word != "--wait":
                out.append(word)
            elif rest and is_state(rest[0]):
                out.append(f"--wait={rest.pop(0).upper()}")
            else:
                out.append(f"--wait={WAIT_FOR_GOAL}{rest[0] if rest else ''}")
        return [*out, *rest]

    def _run(self, home: Path | None, verbose: bool, endpoint: str | None = None, **values: Any) -> None:
        shell = click.get_current_context().find_object(Shell)
        assert shell is not None
        shell.home = home or shell.home
        shell.endpoint = endpoint or shell.endpoint
        shell.verbose = verbose or shell.verbose
        shell.form = form_of(Given(values))
        for argument in self.row.arguments:
            values[argument.name.lower()] = _resolved(shell, argument, values[argument.name.lower()])
        given = Given(values)
        if shell.form and self._answers:
            self._answer(shell, given)
        elif shell.form in ("yaml", "xml") and self._converts:
            self._convert(shell, given)
        else:
            self._do(shell, given)
        if shell.is_failed:
            click.get_current_context().exit(FAILED)

    def _do(self, shell: Shell, given: Given) -> None:
        is_done = self.row.instead is not None and self.row.instead(shell, given)
        if not is_done and self.row.run is not None:
            self.row.run(shell, given)
        elif not is_done:
            self._perform(shell, given)

    def _answer(self, shell: Shell, given: Given) -> None:
        """Do it, and tell as data what was done, also when it broke off in the middle."""
        from trifid.cli.answer import Answer

        shell.answer = answer = Answer(f"{self._program} {self.row.word}", shell.form)
        is_whole = False
        try:
            self._do(shell, given)
            is_whole = True
        finally:
            if is_whole and answer.is_empty and not shell.is_failed:
                self._note_named(answer, given)
            if is_whole or not answer.is_empty:
                click.echo(answer.text(is_done=is_whole and not shell.is_failed))

    def _note_named(self, answer: Any, given: Given) -> None:
        """Note the objects that the first argument names."""
        first = self.row.arguments[0] if self.row.arguments else None
        if first is not None and first.kind is not None:
            ids = getattr(given, first.name.lower())
            for object_id in ids if isinstance(ids, list) else [ids]:
                if object_id is not None:
                    answer.add(first.kind.element, object_id)

    def _convert(self, shell: Shell, given: Given) -> None:
        """Do what tells JSON itself, and write that in another form."""
        import json

        shell.held = []
        self._do(shell, Given({**vars(given), "json": True}))
        root = self.row.word.upper().replace("-", "_")
        found = [text_of(json.loads(text), shell.form, root) for text in shell.held]
        click.echo(("\n---\n" if shell.form == "yaml" else "\n").join(found))

    def _perform(self, shell: Shell, given: Given) -> None:
        """Send every object to the method; one that is refused does not keep the others from it."""
        assert self.kind is not None
        row, kind = self.row, self.kind
        ids: list[int] = getattr(given, row.arguments[0].name.lower())
        goal = wait_goal(given, row.goal_of(given) if row.goal_of else row.goal, row.word)
        follower = Follower(shell) if goal else None
        done = [one for one in ids if shell.attempt(kind, one, row.method, *row.send(one, given))]
        for object_id in done:
            shell.mention(f"{kind.label} {object_id}: {row.word}")
        if follower and goal and done:
            follower.until(done, goal, given.timeout)


class CommandTable(click.Group):
    """A program made of rows.

    Args:
        kind: what its objects are; None for `trifid`.
        not_here: words that users may know, with what to tell about them.
        failed: exit status of what could not be done.
        calls: its commands call an engine, whose address can be given; those of a kind always do.
        groups: word to a table of further commands.
    """

    def __init__(
        self,
        name: str,
        about: str,
        rows: Sequence[Command],
        kind: Kind | None = None,
        not_here: dict[str, str] | None = None,
        failed: int = FAILED,
        calls: bool = False,
        groups: "dict[str, CommandTable] | None" = None,
    ) -> None:
        self.calls = calls or kind is not None
        super().__init__(
            name,
            params=[HOME, *([ENDPOINT] if self.calls else []), VERBOSE, _version_option()],
            callback=_remember,
            help=about,
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
            epilog=_other_words(rows) + f"See also: {name} COMMAND --help",
        )
        self.kind = kind
        self.rows = rows
        self.not_here = not_here or {}
        self.failed = failed
        self.groups = groups or {}
        self._by_word = {word: row for row in rows for word in (row.word, *row.aliases)}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the words, without aliases."""
        return [*(row.word for row in self.rows), *self.groups]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the sub-command of a word, built now."""
        if cmd_name in self.not_here and not ctx.resilient_parsing:
            raise Failure(f"{self.name} {cmd_name}: {self.not_here[cmd_name]}", f'see "{self.name} --help"')
        if cmd_name in self.groups:
            return self.groups[cmd_name]
        row = self._by_word.get(cmd_name)
        return SubCommand(row, self.kind, str(self.name), calls=self.calls) if row else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the sub-command that is meant; raises Failure for an unknown word, with those that are like it."""
        word = args[0]
        if ctx.resilient_parsing or word.startswith("-") or self.get_command(ctx, word) is not None:
            return super().resolve_command(ctx, args)
        from difflib import get_close_matches

        known = [*self._by_word, *self.groups]
        begun = sorted(one for one in known if one.startswith(word))
        alike = [*begun[:_ALIKE_MAX]] or get_close_matches(word, known, _ALIKE_MAX)
        meant = f"did you mean {' or '.join(alike)}?  " if alike else ""
        raise Failure(f"{self.name} has no command {word}", f'{meant}See "{self.name} --help"')

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run and end the process: 0 done, `failed` not done, 130 interrupted."""
        shell = extra["obj"] = extra.get("obj") or Shell()
        try:
            status = super().main(args, prog_name or self.name, complete_var, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as nothing:
            click.echo(nothing.format_message(), err=True)
            raise SystemExit(self.failed) from None
        except (click.Abort, KeyboardInterrupt):
            raise SystemExit(INTERRUPTED) from None
        except Exception as error:
            import sys

            complain(self._explained(error), shell.form or form_in(sys.argv[1:] if args is None else args))
            raise SystemExit(self.failed) from None
        raise SystemExit(status if isinstance(status, int) else 0)

    def _usage(self, usage: click.UsageError) -> Failure:
        path = usage.ctx.command_path if usage.ctx else self.name
        line = usage.ctx.get_usage().strip() if usage.ctx else ""
        return Failure(usage.format_message(), f'{line}\n  see "{path} --help"'.strip())

    def _explained(self, error: Exception) -> Failure:
        """Return what to tell about an error; what is not the client's is a bug, and stays one."""
        from trifid.client.errors import ClientError
        from trifid.errors import BadTemplate
        from trifid.wire.elements import BadDocument

        if isinstance(error, Failure):
            return error
        if isinstance(error, click.UsageError):
            return self._usage(error)
        if isinstance(error, click.ClickException):
            return Failure(error.format_message())
        if isinstance(error, ClientError):
            return explain(error, self.kind.command if self.kind else self.name or "trifid")
        if isinstance(error, BadTemplate):
            return Failure(error.message)
        if isinstance(error, BadDocument):
            return Failure(
                f"the engine's answer cannot be read: {error}", "ask again; compare versions with trifid status"
            )
        if isinstance(error, OSError):
            return Failure(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        raise error


def _remember(home: Path | None, verbose: bool, endpoint: str | None = None) -> None:
    shell = click.get_current_context().find_object(Shell)
    assert shell is not None
    # Of a group inside another, either may have been told.
    shell.home, shell.endpoint, shell.verbose = home or shell.home, endpoint or shell.endpoint, verbose or shell.verbose


def _version_option() -> click.Option:
    def show(ctx: click.Context, _option: click.Parameter, asked: bool) -> None:
        if asked:
            from trifid import __version__

            click.echo(f"Trifid {__version__}")
            ctx.exit()

    return click.Option(
        ["-V", "--version"], is_flag=True, expose_value=False, is_eager=True, callback=show, help="Tell the version."
    )


def _parameter(argument: Argument, row: Command) -> click.Argument:
    several = argument.many and len(row.arguments) == 1
    shown = f"{argument.name}..." if several else argument.name
    return click.Argument(
        [argument.name.lower()],
        nargs=-1 if several else 1,
        required=not argument.optional,
        metavar=f"[{shown}]" if argument.optional else shown,
        shell_complete=_candidates(argument),
    )


def _candidates(argument: Argument) -> Any:
    """Return what completes an argument, loaded when a shell asks for it."""

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> Any:
        from trifid.cli import candidates

        if argument.kind is not None:
            return candidates.objects(ctx, argument.kind, incomplete, many=argument.many)
        return candidates.file(incomplete) if argument.name == "FILE" else []

    return complete


def _resolved(shell: Shell, argument: Argument, value: Any) -> Any:
    """Return the ids (many), the id, or the text that an argument means."""
    if argument.kind is None or value is None:
        return value
    if argument.many:
        return shell.ids(argument.kind, value if isinstance(value, tuple) else (value,))
    return shell.id(argument.kind, value)


def _without(option: click.Option, taken: set[str]) -> click.Option:
    """Return an option without the letters that a command has for something else."""
    words = [word for word in option.opts if word not in taken]
    return option if words == option.opts else click.Option(words, is_flag=True, help=option.help)


def _other_words(rows: Sequence[Command]) -> str:
    """Return the paragraph of a program's help that tells the aliases; empty when there are none."""
    words = [f"{alias} ({row.word})" for row in rows for alias in row.aliases]
    return f"Other words for the same: {', '.join(words)}.\n\n" if words else ""


def _epilog(row: Command, program: str) -> str:
    lines = [f"  {program} {example}" for example in row.examples]
    parts = ["\b\nExamples:\n" + "\n".join(lines)] if lines else []
    if row.aliases:
        parts.append("Also called: " + ", ".join(row.aliases))
    return "\n\n".join(parts)
