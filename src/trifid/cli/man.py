"""Manual pages, made from the tables that the commands are made of: `python -m trifid.cli.man DIR`.

Source: groff_man(7), man-pages(7) (the sections and their order).
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from trifid import __version__
from trifid.cli.columns import Columns
from trifid.cli.command import Command, CommandTable, SubCommand
from trifid.cli.docs import EVERYWHERE, PROGRAMS

_ENVIRONMENT = (
    ("ONE_XMLRPC", "Where the engine answers: http://localhost:2633/RPC2 when nothing else says so."),
    ("ONE_AUTH", "A file whose first line is USER:PASSWORD, or USER:TOKEN; ~/.one/one_auth when nothing else says so."),
    ("TRIFID_HOME", "The home of an engine of this machine: its address and its administrator are found there."),
    ("NO_COLOR", "Nothing is coloured when it is set; elsewhere than on terminals nothing ever is."),
)
_STATUS = (
    ("0", "Done."),
    ("255", "Not done, or not all of it: standard error tells what is wrong, and on the next line what to do."),
    ("130", "Interrupted.  What an engine was asked for goes on."),
)


def pages() -> Iterator[tuple[str, str]]:
    """Yield the name of each page's file, and its text."""
    names = [str(program.name) for program, _ in PROGRAMS]
    for program, columns in PROGRAMS:
        others = [name for name in names if name != program.name]
        text = "\n".join(_page(program, columns, others))
        yield f"{_file(str(program.name))}.1", f"{text}\n"


def _file(name: str) -> str:
    return name.replace(" ", "-")


def _page(program: CommandTable, columns: tuple[Columns, ...], others: list[str]) -> Iterator[str]:
    name = str(program.name)
    about = str(program.help)
    first, _, rest = about.partition(".")
    yield f'.TH "{_file(name).upper()}" "1" "" "Trifid {__version__}" "Trifid"'
    yield ".SH NAME"
    yield f"{_escaped(_file(name))} \\- {_escaped(first[:1].lower() + first[1:])}"
    yield ".SH SYNOPSIS"
    yield f".B {_escaped(name)}"
    yield r"\fICOMMAND\fR [\fIARGUMENT\fR ...] [\fIOPTION\fR ...]"
    yield ".SH DESCRIPTION"
    yield _escaped(f"{first}.{rest}")
    yield from _shared(program)
    yield ".SH COMMANDS"
    for row in program.rows:
        yield from _command(program, row)
    for one in columns:
        yield from _columns(one)
    yield ".SH EXIT STATUS"
    yield from _entries(_STATUS if name != "trifid" else (*_STATUS[:1], ("1", _STATUS[1][1]), _STATUS[2]))
    yield ".SH ENVIRONMENT"
    yield from _entries(_ENVIRONMENT)
    yield ".SH SEE ALSO"
    yield ", ".join(f"\\fB{_escaped(_file(other))}\\fR(1)" for other in others)


def _shared(program: CommandTable) -> Iterator[str]:
    """Yield the options that every command has."""
    plain = (row for row in program.rows if not {option.name for option in row.options} & EVERYWHERE)
    row = next(plain, program.rows[0])
    command = SubCommand(row, program.kind, str(program.name), calls=program.calls)
    context = click.Context(command, info_name=row.word)
    yield ".SH OPTIONS"
    yield "Every command has these:"
    yield from _options(command, context, everywhere=True)


def _command(program: CommandTable, row: Command) -> Iterator[str]:
    command = SubCommand(row, program.kind, str(program.name), calls=program.calls)
    context = click.Context(command, info_name=row.word, parent=click.Context(program, info_name=program.name))
    words = [piece for piece in command.collect_usage_pieces(context) if piece != command.options_metavar]
    yield f".SS {_escaped(' '.join([row.word, *words]))}"
    yield _escaped(f"{row.about}{f'  {row.more}' if row.more else ''}")
    if row.aliases:
        yield f".PP\nAlso called {_escaped(', '.join(row.aliases))}."
    yield from _options(command, context, everywhere=False)
    if row.examples:
        yield ".PP\n.EX"
        yield from (_escaped(f"{program.name} {example}") for example in row.examples)
        yield ".EE"


def _options(command: SubCommand, context: click.Context, *, everywhere: bool) -> Iterator[str]:
    for parameter in command.params:
        if not isinstance(parameter, click.Option) or parameter.hidden:
            continue
        if (parameter.name in EVERYWHERE) is everywhere:
            value = "" if parameter.is_flag else f" \\fI{_escaped(parameter.make_metavar(context))}\\fR"
            yield f".TP\n\\fB{_escaped(', '.join(parameter.opts))}\\fR{value}\n{_escaped(parameter.help or '')}"


def _columns(columns: Columns) -> Iterator[str]:
    yield f".SH {_escaped(f'COLUMNS OF {columns.command.upper()}')}"
    yield _escaped(f"By default {columns.default.replace(',', ', ')}; -l chooses.")
    yield from _entries(tuple((column.name, column.about) for column in columns.all))


def _entries(entries: tuple[tuple[str, str], ...]) -> Iterator[str]:
    yield from (f".TP\n.B {_escaped(name)}\n{_escaped(about)}" for name, about in entries)


def _escaped(text: str) -> str:
    """Return a text as roff has it: no letter of it is a command, and hyphens of options are no dashes."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = text.replace("'", "\\(aq").replace("`", "\\(ga").replace("^", "\\(ha").replace("~", "\\(ti")
    text = "".join(letter if letter.isascii() else f"\\[u{ord(letter):04X}]" for letter in text)
    return re.sub(r"^(?=\.)", r"\\&", text, flags=re.MULTILINE)


def main() -> None:
    """Write the pages into a directory."""
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in pages():
        (directory / name).write_text(text, encoding="ascii")
        click.echo(directory / name)


if __name__ == "__main__":
    main()
