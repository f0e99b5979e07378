"""`onevm explain`: why a VM waits, or where it could go, host by host and rule by rule."""

import json
from typing import Any

import click

from trifid.cli import columns as c
from trifid.cli.command import Given
from trifid.cli.figures import memory
from trifid.cli.listing import has_colours, pairs, section
from trifid.cli.shell import Shell

ALL = click.Option(["-a", "--all"], is_flag=True, help="All hosts, not only the best and the nearest 10.")
JSON = click.Option(["-j", "--json"], is_flag=True, help="As JSON.")

_NEAREST, _EVERY = 10, -1
_KIB_PER_MIB = 1024


def explain(shell: Shell, given: Given) -> None:
    """Print what every rule says of the hosts for VMs."""
    for vm_id in given.vm:
        text = shell.call("trifid.vm.explain", vm_id, _EVERY if given.all else _NEAREST)
        told = json.loads(text)
        if given.json:
            shell.say(json.dumps(told, indent=2, ensure_ascii=False))
        else:
            _print(shell, told)


def _print(shell: Shell, told: dict[str, Any]) -> None:
    section(shell, f"VIRTUAL MACHINE {told['id']} {told['name']}")
    cores = told["cpu_percent"] / 100
    chosen = told["chosen"]
    lines = {
        "STATE": told["state"] + (f" on {_host(told)}" if told["moves"] else ""),
        "NEEDS": f"{cores:g} core{'' if cores == 1 else 's'}, {memory(told['memory_mib'] * _KIB_PER_MIB)}",
        "HOSTS": f"{told['hosts_fitting']} of {told['hosts_total']} would take it"
        f"{' if it moved' if told['moves'] else ''}{_hidden(told)}",
        "RANKED BY": " ".join(filter(None, told["ranked_by"].values())) if told["hosts_fitting"] else "",
        "WOULD TAKE": f"{chosen['name']} [{chosen['id']}], datastore {chosen['datastore_id']}" if chosen else "",
        "WHY": told["why"],
        "WARNING": told["warning"],
        "CHANGE": told["change"],
        "SCHEDULER": told["message"] if told["message"] != told["why"] else "",
        "NOT ASKED": not_asked(told),
        "DECISION": told["decision"],
    }
    pairs(shell, {label: value for label, value in lines.items() if value})
    if told["hosts"]:
        section(shell, "HOSTS")
        shell.say(c.table(told["hosts"], _columns(told["hosts"]), c.View(), header=True, colour=has_colours()))
    left = told["hosts_total"] - told["hosts_hidden"] - len(told["hosts"])
    if left > 0:
        shell.say(f"and {left} more: --all shows all")


def not_asked(answer: dict[str, Any]) -> str:
    """Return what else decides, in settings of the scheduler, and was not asked for an answer; may be empty."""
    kinds = ", ".join(answer.get("not_asked", ()))
    return f"{kinds} of your own, which only the scheduler knows" if kinds else ""


def _host(told: dict[str, Any]) -> str:
    """Return where a VM is; whoever may not see the host is told no name."""
    return f"{told['host']} [{told['host_id']}]" if told["host"] else f"host {told['host_id']}"


def _hidden(told: dict[str, Any]) -> str:
    hidden = told["hosts_hidden"]
    return f" ({hidden} that you may not see {'is' if hidden == 1 else 'are'} only counted)" if hidden else ""


def _columns(hosts: list[dict[str, Any]]) -> list[c.Column]:
    """Return a column for each rule between those of every table; a rule that does not concern the VM has none."""
    rules = dict.fromkeys(one["rule"] for host in hosts for one in host["rules"])
    return [
        c.Column("ID", 3, "", lambda row, view: row["id"]),
        c.Column("HOST", 12, "", lambda row, view: row["name"], left=True),
        c.Column("FITS", 4, "", lambda row, view: "yes" if row["fits"] else "no", left=True, colours={"yes": "green"}),
        c.Column("RANK", 4, "", lambda row, view: "-" if row["rank"] is None else row["rank"]),
        *(_rule_column(rule) for rule in rules),
        c.Column("WHY NOT", 0, "", lambda row, view: _why_not(row), left=True),
    ]


def _rule_column(rule: str) -> c.Column:
    def value(row: c.Row, view: c.View) -> str:
        found = next((one for one in row["rules"] if one["rule"] == rule), None)
        return "-" if found is None else "ok" if found["holds"] else "no"

    return c.Column(rule.upper(), 2, "", value, left=True, colours={"no": "red"})


def _why_not(host: c.Row) -> str:
    return "; ".join(f"{one['rule']}: {one['text']}" for one in host["rules"] if not one["holds"])
