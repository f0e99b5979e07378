"""`onehook`: what shall be done when something happens, and what came of it.

Source: reference/api-modern.md §4 (the calls).
"""

from typing import Any

import click

from trifid.cli.columns import Column, Columns, Row, View, number, table, text
from trifid.cli.command import Argument, Command, CommandTable, Given, WholeNumber
from trifid.cli.editing import read_all, rename_command, update_command
from trifid.cli.failure import Failure, explain
from trifid.cli.figures import full_moment
from trifid.cli.kinds import HOOK
from trifid.cli.listing import LIST_OPTIONS, SHOW_OPTIONS, Listing, has_colours, pairs, print_template, section, show
from trifid.cli.locks import lock_commands, lock_word
from trifid.cli.moments import epoch_seconds
from trifid.cli.shell import Shell

HOOKS = Argument("HOOK", HOOK, many=True)
_ONE = Argument("HOOK", HOOK)
_ANY = -1
_FAILED, _ALL, _SUCCEEDED = -1, 0, 1


def _create(shell: Shell, given: Given) -> None:
    from trifid.client import ApiError

    for what, template in read_all(given.file):
        try:
            hook_id = shell.call("one.hook.allocate", template)
        except ApiError as refused:
            told = explain(refused, HOOK.command)
            shell.complain(told.about(what))
        else:
            shell.made(HOOK, hook_id)


def _waits_for(row: Row, view: View) -> str:
    template = row.get("TEMPLATE")
    told: dict[str, Any] = template if isinstance(template, dict) else {}
    if row.get("TYPE") == "api":
        return str(told.get("CALL", ""))
    if row.get("TYPE") == "webhook":
        return str(told.get("ARGUMENTS", "everything"))
    parts = (told.get("RESOURCE"), told.get("STATE"), told.get("LCM_STATE"))
    return " ".join(str(part) for part in parts if part and part != "LCM_INIT")


def _command(row: Row, view: View) -> str:
    template = row.get("TEMPLATE")
    return str(template.get("COMMAND", "")) if isinstance(template, dict) else ""


HOOK_COLUMNS = Columns(
    "onehook list",
    "ID,NAME,TYPE,WAITS_FOR,COMMAND",
    (
        Column("ID", 4, "number", number("ID")),
        Column("NAME", 20, "name", text("NAME"), left=True),
        Column("TYPE", 7, "state, api or webhook", text("TYPE"), left=True),
        Column("WAITS_FOR", 25, "what it waits for", _waits_for, left=True),
        Column("COMMAND", 30, "what is run, or the URL", _command, left=True),
    ),
)
_LISTING = Listing(HOOK, HOOK_COLUMNS, lambda shell, given: ("one.hookpool.info",))


def _result(record: Row, name: str) -> str:
    found = record.get("EXECUTION_RESULT")
    return str(found.get(name) or "") if isinstance(found, dict) else ""


def _outcome(record: Row, view: View) -> str:
    return "done" if _result(record, "CODE") == "0" else f"failed {_result(record, 'CODE')}"


_LOG_COLUMNS = (
    Column("HOOK", 4, "", number("HOOK_ID")),
    Column("ID", 5, "", number("EXECUTION_ID")),
    Column("TIME", 20, "", lambda record, view: full_moment(record["TIMESTAMP"]), left=True),
    Column("OUTCOME", 11, "", _outcome, left=True),
    Column("AGAIN", 5, "", lambda record, view: record.get("RETRY") or "", left=True),
    Column("HOST", 12, "", lambda record, view: record.get("REMOTE_HOST") or "-", left=True),
    Column("COMMAND", 30, "", lambda record, view: _result(record, "COMMAND"), left=True),
)


def _print_log(shell: Shell, records: list[Row]) -> None:
    shell.say(table(records, _LOG_COLUMNS, View(), header=True, colour=has_colours()))


def _print(shell: Shell, hook: dict[str, Any]) -> None:
    from trifid.wire.elements import several

    section(shell, f"HOOK {hook['ID']} INFORMATION")
    about = {"ID": hook["ID"], "NAME": hook["NAME"], "TYPE": hook["TYPE"]}
    pairs(shell, about | ({"LOCK": lock_word(hook["LOCK"])} if hook.get("LOCK") else {}))
    print_template(shell, "HOOK TEMPLATE", hook.get("TEMPLATE"))
    log = hook.get("HOOKLOG")
    section(shell, "EXECUTION LOG")
    _print_log(shell, several(log.get("HOOK_EXECUTION_RECORD")) if isinstance(log, dict) else [])


def _show(shell: Shell, given: Given) -> None:
    if given.execution is None:
        show(HOOK, "hook", _print)(shell, given)
        return
    for hook_id in given.hook:
        _print_execution(shell, _execution(shell, hook_id, given.execution))


def _execution(shell: Shell, hook_id: int, execution_id: int) -> Row:
    from trifid.wire.elements import iter_elements

    log = shell.call("one.hooklog.info", _ANY, _ANY, hook_id, _ALL)
    for record in iter_elements(log, "HOOK_EXECUTION_RECORD"):
        if record["EXECUTION_ID"] == str(execution_id):
            return record
    raise Failure(f"hook {hook_id} has no execution {execution_id} in its log", f'see "onehook show {hook_id}"')


def _print_execution(shell: Shell, record: Row) -> None:
    section(shell, f"HOOK {record['HOOK_ID']} EXECUTION {record['EXECUTION_ID']}")
    pairs(
        shell,
        {
            "TIME": full_moment(record["TIMESTAMP"]),
            "COMMAND": _result(record, "COMMAND"),
            "ARGUMENTS": record["ARGUMENTS"],
            "HOST": record.get("REMOTE_HOST") or "-",
            "CODE": _result(record, "CODE"),
        },
    )
    for title, name in (("OUTPUT", "STDOUT"), ("ERRORS", "STDERR")):
        section(shell, title)
        shell.say(_result(record, name).rstrip("\n") or "-")


def _log(shell: Shell, given: Given) -> None:
    from trifid.wire.elements import iter_elements

    if given.error and given.success:
        raise Failure("--error and --success are each other's opposite", "leave one out, or both for all")
    document = shell.call(
        "one.hooklog.info",
        _ANY if given.since is None else epoch_seconds(given.since),
        _ANY if given.until is None else epoch_seconds(given.until),
        _ANY if given.hook is None else shell.id(HOOK, given.hook),
        _FAILED if given.error else _SUCCEEDED if given.success else _ALL,
    )
    if given.xml:
        shell.say(document)
        return
    records = list(iter_elements(document, "HOOK_EXECUTION_RECORD"))
    if given.json:
        import json

        shell.say(json.dumps(records, indent=2, ensure_ascii=False))
        return
    _print_log(shell, records)


def _retry(shell: Shell, given: Given) -> None:
    if not (given.execution.isascii() and given.execution.isdigit()):
        raise Failure(f"{given.execution} is no execution", f'write its number: see "onehook show {given.hook}"')
    shell.call("one.hook.retry", given.hook, int(given.execution))


ROWS = (
    Command(
        "create",
        "Add a hook described by a template FILE, - for standard input.",
        (Argument("FILE", many=True),),
        run=_create,
        examples=("create running.hook",),
    ),
    Command("delete", "Remove a hook, and its log.", (HOOKS,), "one.hook.delete", examples=("delete tell",)),
    Command(
        "log",
        "List what hooks did, the newest last.",
        run=_log,
        options=(
            click.Option(["--hook", "--hook-id"], metavar="HOOK", help="Only what this one did."),
            click.Option(["-s", "--since"], metavar="TIME", help='From this time on, such as "2026-11-26 14:00".'),
            click.Option(["-u", "--until"], metavar="TIME", help="Up to this time."),
            click.Option(["-e", "--error"], is_flag=True, help="Only what failed."),
            click.Option(["--success"], is_flag=True, help="Only what succeeded."),
            *SHOW_OPTIONS,
        ),
        examples=("log", "log --hook tell --error", 'log --since "2026-11-26 14:00" -j'),
    ),
    Command(
        "retry",
        "Do once more what a hook did, with the arguments that it had.",
        (_ONE, Argument("EXECUTION")),
        run=_retry,
        examples=("retry tell 12",),
    ),
    rename_command(HOOK, "HOOK"),
    update_command(HOOK, "HOOK", "TEMPLATE"),
    *lock_commands(HOOK, "HOOK"),
    Command(
        "list",
        "List the hooks, the newest first.",
        run=_LISTING.run,
        options=LIST_OPTIONS,
        examples=("list", "list -j"),
    ),
    Command(
        "show",
        "Tell everything about a hook, and what it did; with --execution about one execution.",
        (HOOKS,),
        run=_show,
        options=(
            click.Option(
                ["-e", "--execution"], type=WholeNumber(min=0), metavar="ID", help="What this execution came to."
            ),
            *SHOW_OPTIONS,
        ),
        examples=("show tell", "show 0 --execution 12", "show 0 -x"),
    ),
)


main = CommandTable(
    "onehook",
    "Manage hooks and webhooks: what is done when something happens.  HOOK stands for ids, names, and lists of them "
    "such as 0,2..4.",
    ROWS,
    HOOK,
)

if __name__ == "__main__":
    main()
