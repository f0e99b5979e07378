"""docs/cli.md, made from the tables that the commands are made of: `python -m trifid.cli.docs > docs/cli.md`."""

from collections.abc import Iterator

import click

from trifid.cli import (
    acct,
    acl,
    cluster,
    datastore,
    engine,
    group,
    hook,
    host,
    image,
    network,
    network_template,
    sched,
    security_group,
    showback,
    template,
    user,
    vdc,
    vm,
    vm_group,
    zone,
)
from trifid.cli.columns import Columns
from trifid.cli.command import Command, CommandTable, SubCommand
from trifid.cli.image_columns import IMAGE_COLUMNS
from trifid.cli.vm_columns import HISTORY_COLUMNS, VM_COLUMNS

PROGRAMS: tuple[tuple[CommandTable, tuple[Columns, ...]], ...] = (
    (engine.main, ()),
    (sched.main, ()),
    (vm.main, (VM_COLUMNS, HISTORY_COLUMNS)),
    (host.main, (host.HOST_COLUMNS,)),
    (network.main, (network.NETWORK_COLUMNS,)),
    (network_template.main, (network_template.TEMPLATE_COLUMNS,)),
    (security_group.main, (security_group.GROUP_COLUMNS,)),
    (vm_group.main, (vm_group.GROUP_COLUMNS,)),
    (cluster.main, (cluster.CLUSTER_COLUMNS,)),
    (user.main, (user.USER_COLUMNS,)),
    (group.main, (group.GROUP_COLUMNS,)),
    (acl.main, (acl.RULE_COLUMNS,)),
    (vdc.main, (vdc.VDC_COLUMNS,)),
    (zone.main, (zone.ZONE_COLUMNS,)),
    (acct.main, (acct.COLUMNS,)),
    (showback.main, (showback.COLUMNS,)),
    (image.main, (IMAGE_COLUMNS,)),
    (datastore.main, (datastore.DATASTORE_COLUMNS,)),
    (template.main, (template.TEMPLATE_COLUMNS,)),
    (hook.main, (hook.HOOK_COLUMNS,)),
)

_HEAD = """\
# Commands

Made from the commands themselves by `python -m trifid.cli.docs`; do not edit.

All commands find the engine by `--home DIR`, else by `ONE_XMLRPC` (a URL) and `ONE_AUTH` (a file with
`USER:PASSWORD`), else by `TRIFID_HOME`.  `--endpoint URL` names another engine for one command, `-v` tells more.

`-j --json`, `-y --yaml` and `-x --xml` go with every command that calls an engine.  What lists and shows answers
the engine's documents; what makes or changes something answers `command`, `done`, `objects` (their `kind`, `id` and,
after `--wait`, `state`) and `text`.  With `--json` every line of standard error is JSON too: `error`, `next`, `code`,
`id`, or a `note`.

Exit status: 0 done, 255 not done (1 from `trifid`; 3 from `trifid status` when no engine runs), 130 interrupted.
Errors go to standard error: what is wrong, and on the next line what to do.
"""
EVERYWHERE = {"home", "endpoint", "verbose", "xml", "json", "yaml"}


def document() -> str:
    """Return the text of docs/cli.md."""
    parts = [_HEAD]
    for program, columns in PROGRAMS:
        parts.append(f"## {program.name}\n\n{program.help}\n")
        parts.extend("\n".join(_command(program, row)) for row in program.rows)
        parts.extend("\n".join(_columns(one)) for one in columns)
    return "\n".join(parts)


def _command(program: CommandTable, row: Command) -> Iterator[str]:
    command = SubCommand(row, program.kind, str(program.name), calls=program.calls)
    context = click.Context(command, info_name=row.word, parent=click.Context(program, info_name=program.name))
    # Asked without options, of which every command has some.
    words = [piece for piece in command.collect_usage_pieces(context) if piece != command.options_metavar]
    yield f"### {program.name} {' '.join([row.word, *words])}\n"
    yield f"{row.about}{f'  {row.more}' if row.more else ''}\n"
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden and parameter.name not in EVERYWHERE:
            words = [*parameter.opts]
            shown = ", ".join(words) if parameter.is_flag else f"{', '.join(words)} {parameter.make_metavar(context)}"
            yield f"- `{shown}`: {parameter.help}"
    if row.aliases:
        yield f"- also called {', '.join(f'`{alias}`' for alias in row.aliases)}"
    yield "\n```"
    yield from (f"{program.name} {example}" for example in row.examples)
    yield "```\n"


def _columns(columns: Columns) -> Iterator[str]:
    yield f"### Columns of {columns.command}\n"
    yield f"By default `{columns.default}`; `-l X,Y` chooses.\n"
    yield "| column | |\n|---|---|"
    yield from (f"| {column.name} | {column.about} |" for column in columns.all)
    yield ""


if __name__ == "__main__":
    click.echo(document(), nl=False)
