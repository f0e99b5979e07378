"""`onezone`: the one zone that an engine is, and which one commands go to.

Source: reference/api-modern.md §4 (the calls).
"""

from pathlib import Path
from typing import Any

import click

from trifid.cli.columns import Column, Columns, number, text
from trifid.cli.command import Argument, Command, CommandTable, Given
from trifid.cli.editing import rename_command, update_command
from trifid.cli.failure import Failure
from trifid.cli.kinds import ZONE
from trifid.cli.listing import LIST_OPTIONS, SHOW_OPTIONS, Listing, pairs, print_template, section, show
from trifid.cli.shell import Shell
from trifid.client.session import endpoint_file

_UNSET = click.Option(["--unset"], is_flag=True, help="Forget the zone that was set.")
_STATES = {"0": "ENABLED", "1": "DISABLED"}

ZONE_COLUMNS = Columns(
    "onezone list",
    "ID,NAME,ENDPOINT,STAT",
    (
        Column("ID", 5, "number", number("ID")),
        Column("NAME", 25, "name", text("NAME"), left=True),
        Column("ENDPOINT", 45, "URL at which it is called", text("TEMPLATE/ENDPOINT"), left=True),
        Column("STAT", 8, "state", lambda row, view: _state(row), left=True),
    ),
)
_LISTING = Listing(ZONE, ZONE_COLUMNS, lambda shell, given: ("one.zonepool.info",))


def _state(zone: Any) -> str:
    return _STATES.get(str(zone.get("STATE")), str(zone.get("STATE")))


def _print(shell: Shell, zone: dict[str, Any]) -> None:
    section(shell, f"ZONE {zone['ID']} INFORMATION")
    pairs(shell, {"ID": zone["ID"], "NAME": zone["NAME"], "STATE": _state(zone)})
    print_template(shell, "ZONE TEMPLATE", zone.get("TEMPLATE"))


def _set(shell: Shell, given: Given) -> None:
    """Write the endpoint of a zone where clients look for it when the environment names none."""
    path = endpoint_file()
    if given.unset:
        path.unlink(missing_ok=True)
        shell.tell("No zone is set any more.")
        return
    if given.zone is None:
        raise Failure("no zone is named", "name one, or give --unset")
    zone = shell.one(ZONE, given.zone)
    endpoint = str(zone.get("TEMPLATE", {}).get("ENDPOINT") or "")
    if not endpoint:
        raise Failure(f"zone {zone['NAME']} tells no ENDPOINT", "set endpoint in [api] of its trifid.toml")
    _write(path, endpoint)
    shell.tell(f"Commands go to {endpoint} from now on, where ONE_XMLRPC and TRIFID_HOME name no other engine.")


def _write(path: Path, endpoint: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{endpoint}\n", encoding="utf-8")
    except OSError as fault:
        raise Failure(f"{path}: {fault.strerror}", "make it writable, or set ONE_XMLRPC") from fault


def _enable(word: str, about: str, is_open: bool) -> Command:
    return Command(
        word,
        about,
        (Argument("ZONE", ZONE, many=True),),
        "one.zone.enable",
        lambda zone_id, given: (zone_id, is_open),
        examples=(f"{word} 0",),
    )


ROWS = (
    Command(
        "list",
        "List the zones: there is one, the engine that answers.",
        run=_LISTING.run,
        options=LIST_OPTIONS,
        examples=("list", "list -j"),
    ),
    Command(
        "show",
        "Tell everything about a zone.",
        (Argument("ZONE", ZONE, many=True),),
        run=show(ZONE, "zone", _print),
        options=SHOW_OPTIONS,
        examples=("show 0", "show OpenNebula -x"),
    ),
    Command(
        "set",
        "Let commands go to a zone when the environment names no engine: ~/.one/one_endpoint keeps its endpoint.",
        (Argument("ZONE", ZONE, optional=True),),
        run=_set,
        options=(_UNSET,),
        examples=("set 0", "set --unset"),
    ),
    _enable("enable", "Say that a zone takes calls, which it does.", True),
    _enable("disable", "Close a zone to calls; the only one stays open, and says so.", False),
    rename_command(ZONE, "ZONE"),
    update_command(ZONE, "ZONE", "TEMPLATE"),
)

main = CommandTable(
    "onezone",
    "Show the zone that an engine is.  Its name and endpoint are settings, zone_name and endpoint in [api] of "
    "trifid.toml: rename and update say so.",
    ROWS,
    ZONE,
    {
        "create": "not supported: an engine is one zone, and there is no federation",
        "delete": "not supported: an engine is one zone, and there is no federation",
        "server-add": "not supported: one engine serves a zone",
        "server-del": "not supported: one engine serves a zone",
        "server-reset": "not supported: one engine serves a zone",
    },
)

if __name__ == "__main__":
    main()
