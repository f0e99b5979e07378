"""`trifid audit`: who asked for what, from where, and on what ground it was done or refused."""

import json
from datetime import UTC, datetime
from typing import Any

import click

from trifid.cli.command import Command, Given, WholeNumber
from trifid.cli.failure import Failure
from trifid.cli.kinds import USER
from trifid.cli.moments import epoch_seconds
from trifid.cli.shell import Shell

_PAGE = 500
_LINE = "{time:<19} {user:<12.12} {peer:<21.21} {method:<26} {about:>6} {outcome:<8} {ground}"
_ANYBODY, _STRANGERS = -2, -1


def audit(shell: Shell, given: Given) -> None:
    """Print entries of the audit, oldest first, or as JSON, one a line."""
    found = _found(shell, given)
    if given.json:
        for entry in found:
            shell.say(json.dumps(entry))
        return
    if not found:
        shell.tell("no call fits")
        return
    titles = ("TIME", "USER", "FROM", "METHOD", "OBJECT", "OUTCOME", "GROUND")
    words = ("time", "user", "peer", "method", "about", "outcome", "ground")
    shell.say(_LINE.format(**dict(zip(words, titles, strict=True))))
    for entry in found:
        shell.say(_row(entry, is_full=given.full))


def _found(shell: Shell, given: Given) -> list[dict[str, Any]]:
    """Return the newest entries that are asked for, oldest first."""
    if given.refused and given.done:
        raise Failure("--refused and --done are each other's opposite", "leave one out, or both for all calls")
    outcome = 2 if given.refused else 1 if given.done else 0
    uid = _uid(shell, given.user)
    since, until = _moment(given.since), _moment(given.until)
    about = -1 if given.object is None else given.object
    found: list[dict[str, Any]] = []
    before = -1
    while len(found) < given.count:
        wanted = min(_PAGE, given.count - len(found))
        asked = (before, wanted, uid, given.method or "", about, since, until, outcome)
        page = json.loads(shell.call("trifid.audit.list", *asked))
        found += page
        if len(page) < wanted:
            break
        before = page[-1]["id"]
    return found[::-1]


def _uid(shell: Shell, word: str | None) -> int:
    if word is None:
        return _ANYBODY
    return _STRANGERS if word == "-" else shell.id(USER, word)


def _moment(word: str | None) -> int:
    return -1 if word is None else epoch_seconds(word)


def _row(entry: dict[str, Any], *, is_full: bool) -> str:
    at = datetime.fromtimestamp(entry["at"], UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    line = _LINE.format(
        time=at,
        user=entry["user"] if entry["uid"] >= 0 else "-",
        peer=entry["peer"],
        method=entry["method"],
        about=entry["object_id"] if entry["object_id"] >= 0 else "-",
        outcome="refused" if entry["code"] else "done",
        ground=entry["ground"],
    ).rstrip()
    if is_full:
        more = (entry["arguments"], entry["text"], f"request {entry['request_id']}" if entry["request_id"] else "")
        line += "".join(f"\n    {text}" for text in more if text)
    return line


COMMAND = Command(
    "audit",
    "Tell who asked for what, from where, and what allowed or refused it; secrets are masked.",
    run=audit,
    options=(
        click.Option(["--user"], metavar="USER", help="Only what this user asked; - for whoever was not let in."),
        click.Option(["--method"], metavar="NAME", help="Only this method, or those that begin so: one.vm."),
        click.Option(["--object"], type=WholeNumber(min=0), metavar="ID", help="Only what was about this id."),
        click.Option(["--since"], metavar="TIME", help='From this time on, such as "2026-11-26 14:00".'),
        click.Option(["--until"], metavar="TIME", help="Up to this time."),
        click.Option(["--refused"], is_flag=True, help="Only what was refused."),
        click.Option(["--done"], is_flag=True, help="Only what was done."),
        click.Option(["--full"], is_flag=True, help="With arguments, answers and reasons."),
        click.Option(
            ["-n", "--count"],
            type=WholeNumber(1, 100_000),
            default=50,
            metavar="N",
            help="How many, the newest ones (50).",
        ),
        click.Option(["-j", "--json"], is_flag=True, help="As JSON, one entry a line, with everything."),
    ),
    examples=(
        "audit",
        "audit --refused --full",
        "audit --user alice --method one.vm. --since 2026-11-26",
        "audit --object 12 --json",
    ),
)
