"""`--dry-run`: what would become of VMs, told and not done."""

import json
from collections import Counter
from typing import Any

import click

from trifid.cli import columns as c
from trifid.cli.listing import has_colours
from trifid.cli.shell import Shell
from trifid.cli.vm_explain import not_asked

DRY_RUN = click.Option(["--dry-run"], is_flag=True, help="Only tell whether it would fit, where, and why not.")

_COLUMNS = (
    c.Column("VMS", 4, "", lambda row, view: row["count"]),
    c.Column("WHAT", 12, "", lambda row, view: row["what"], left=True),
    c.Column("FITS", 4, "", lambda row, view: "yes" if row["fits"] else "no", left=True, colours={"no": "red"}),
    c.Column("HOST", 12, "", lambda row, view: row["host"] or "-", left=True),
    c.Column("WHY", 0, "", lambda row, view: row["why"], left=True),
)


def dry_run(shell: Shell, items: list[dict[str, Any]]) -> None:
    """Try a batch and print what would become of it; the command ends as failed unless all of it would fit.

    Args:
        items: as trifid.placement.dry_run takes them.
    """
    answer = json.loads(shell.call("trifid.placement.dry_run", json.dumps({"vms": items})))
    rows = Counter((one["what"], one["fits"], one["host"], reason(one)) for one in answer["results"])
    table = [dict(zip(("what", "fits", "host", "why"), row, strict=True), count=count) for row, count in rows.items()]
    if table:
        shell.say(c.table(table, _COLUMNS, c.View(), header=True, colour=has_colours()))
    shell.say(f"{answer['fitting']} of {answer['asked']} would fit; nothing was changed")
    if others := not_asked(answer):
        shell.say(f"Not asked: {others}")
    shell.is_failed = shell.is_failed or answer["fitting"] < answer["asked"]


def dry_flush(shell: Shell, host_ids: list[int]) -> None:
    """Tell where the VMs of hosts would go if these were emptied."""
    dry_run(shell, [{"action": "flush", "host": host_id} for host_id in host_ids])


def reason(result: dict[str, Any]) -> str:
    """Return what would help when that is known, else what is in the way, else what is to be said of the host."""
    return str(result["change"] or result["why"] or "; ".join(result["notes"]))
