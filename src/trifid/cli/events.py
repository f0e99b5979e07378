"""`trifid events`: what happens, as it happens."""

import json
from typing import Any

import click

from trifid.cli.command import Command, Given, WholeNumber
from trifid.cli.failure import Failure
from trifid.cli.figures import full_moment
from trifid.cli.shell import Shell

_COUNT = 50


def events(shell: Shell, given: Given) -> None:
    """Print events, oldest first; with --follow for ever, over restarts of the engine."""
    from trifid.client import from_environment
    from trifid.client.events import Events, StreamRefused

    endpoint, session = from_environment(shell.home)
    stream = Events(shell.endpoint or endpoint, session, shell.sleep, lambda why: shell.tell(f"cut ({why}): again"))
    after = str(given.after) if given.after is not None else "" if given.follow else f"-{_COUNT}"
    found = False
    try:
        for event in stream.read(after, _query(given.filter), follow=given.follow):
            found, told = True, json.loads(event.data)
            if event.name == "gap":
                shell.tell(f"events after {told['after']} are lost: the oldest one is {told['first']}")
            else:
                shell.say(json.dumps(told) if given.json else _line(told))
    except StreamRefused as refused:
        advice = {401: "check USER:PASSWORD in the credentials file", 404: "this engine has no event stream"}
        raise Failure(str(refused), advice.get(refused.status, "")) from None
    if not found:
        among = f" among the last {_COUNT}: --after 0 looks at all" if given.after is None else ""
        shell.tell(f"there is no event that fits and that you may see{among}")


def _query(filters: tuple[str, ...]) -> dict[str, str]:
    """Return `kind=VM` … as the fields of a query; values of a key that is repeated are joined."""
    query: dict[str, str] = {}
    for word in filters:
        for part in word.split("&"):
            key, equals, value = part.partition("=")
            if not equals or not key or not value:
                raise Failure(f"{part} is no filter", "write KEY=VALUE, such as kind=VM or new=RUNNING,POWEROFF")
            query[key] = f"{query[key]},{value}" if key in query else value
    return query


def _line(event: dict[str, Any]) -> str:
    states = f"{event['old']} -> {event['new']}" if event["old"] and event["new"] else event["old"] or event["new"]
    who = f"by {event['uid']}" if event["uid"] >= 0 else ""
    about = f"{event['kind']} {event['object_id']}"
    parts = (f"{event['id']:>8}", full_moment(event["at"]), f"{about:<14}", f"{event['what']:<12}", states, who)
    told = "  ".join(part for part in (*parts, event["text"]) if part)
    return " ".join(told.split("\n")).rstrip()


COMMAND = Command(
    "events",
    "Tell what happened to the objects that you may use, and with --follow what happens.",
    run=events,
    options=(
        click.Option(["--after"], type=WholeNumber(min=0), metavar="ID", help="Those after this event; 0 = all."),
        click.Option(["--follow"], is_flag=True, help="Go on with what happens; begins now if --after is not given."),
        click.Option(
            ["--filter"],
            metavar="KEY=VALUE",
            multiple=True,
            help="Only those: kind, id, uid, what, old or new; several values with commas; may be given many times.",
        ),
        click.Option(["-j", "--json"], is_flag=True, help="As JSON, one event a line, with everything."),
    ),
    more=f"Without --after and --follow the last {_COUNT}, of which those are told that you may see.",
    examples=(
        "events",
        "events --follow --filter kind=VM --filter new=RUNNING,POWEROFF",
        "events --after 0 --json",
    ),
)
