"""`onesecgroup`: which traffic NICs may have.

Source: reference/api-modern.md §4 (the calls).
"""

from typing import TYPE_CHECKING, Any

import click

from trifid.cli.columns import Column, Columns, Row, View, named_or_id, number, text
from trifid.cli.command import Argument, Command, CommandTable, Given
from trifid.cli.courses import SECURITY_GROUP_COURSE
from trifid.cli.editing import access_commands, read_all, rename_command, update_command
from trifid.cli.failure import Failure, explain
from trifid.cli.kinds import GROUP, NETWORK, SECURITY_GROUP, USER
from trifid.cli.listing import LIST_OPTIONS, SHOW_OPTIONS, WHOSE_HELP, Listing, show, whose
from trifid.cli.settle import waited
from trifid.cli.shell import Shell

if TYPE_CHECKING:
    from trifid.core.template.model import Template

_ALL_IDS = (-1, -1)
GROUPS = Argument("SECGROUP", SECURITY_GROUP, many=True)
RULE_HELP = (
    "A rule is PROTOCOL[:PORTS][@PEER]: tcp, udp, icmp, icmpv6, ipsec or all; ports like 22,80:90, for icmp a type; "
    "a peer is an address, ADDRESS+COUNT for several, or a virtual network.  What no rule names does not pass."
)
_OPTIONS = (
    click.Option(["--name"], metavar="NAME", help="What it is called."),
    click.Option(["--description"], metavar="TEXT", help="What it is for."),
    click.Option(["--inbound"], metavar="RULE", multiple=True, help="What may come to a VM; may be given many times."),
    click.Option(["--outbound"], metavar="RULE", multiple=True, help="What may leave it; may be given many times."),
)
_ICMP = {"ICMP": "ICMP_TYPE", "ICMPV6": "ICMPV6_TYPE"}


def _create(shell: Shell, given: Given) -> None:
    from trifid.client import ApiError
    from trifid.core.template.scanner import render

    described = _of_options(shell, given)
    if given.file and len(described):
        raise Failure("a FILE and options do not go together", "write everything in the file, or leave it out")
    if not given.file and "NAME" not in described:
        raise Failure(
            "a security group needs a FILE, or --name and its rules",
            'such as "onesecgroup create --name web --inbound tcp:80,443 --outbound all"',
        )
    for what, template in read_all(given.file) if given.file else [("options", render(described))]:
        try:
            group_id = shell.call("one.secgroup.allocate", template)
        except ApiError as refused:
            told = explain(refused, SECURITY_GROUP.command)
            shell.complain(told.about(what))
        else:
            shell.made(SECURITY_GROUP, group_id)


def _of_options(shell: Shell, given: Given) -> "Template":
    from trifid.core.template.model import Template

    pairs = [(name, value) for name, value in (("NAME", given.name), ("DESCRIPTION", given.description)) if value]
    rules = [("INBOUND", rule) for rule in given.inbound] + [("OUTBOUND", rule) for rule in given.outbound]
    return Template((*pairs, *(("RULE", rule_of(shell, word, direction)) for direction, word in rules)))


def rule_of(shell: Shell, word: str, direction: str) -> dict[str, str]:
    """Return the RULE of `PROTOCOL[:PORTS][@PEER]`; raises Failure when a network of the peer's name is not found."""
    what, _, peer = word.partition("@")
    protocol, _, detail = what.partition(":")
    rule = {"PROTOCOL": protocol.upper(), "RULE_TYPE": direction}
    if detail:
        rule[_ICMP.get(rule["PROTOCOL"], "RANGE")] = detail
    if peer:
        rule |= _peer(shell, peer)
    return rule


def _peer(shell: Shell, peer: str) -> dict[str, str]:
    import ipaddress

    address, _, count = peer.partition("+")
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return {"NETWORK_ID": str(shell.id(NETWORK, peer))}
    return {"IP": address, "SIZE": count or "1"}


def _rules(row: Row) -> list[dict[str, str]]:
    from trifid.wire.elements import several

    template = row.get("TEMPLATE")
    return several(template.get("RULE")) if isinstance(template, dict) else []


def _vms(*states: str) -> Any:
    def value(row: Row, view: View) -> int:
        from trifid.wire.elements import numbers

        return sum(len(numbers(row.get(f"{state}_VMS"))) for state in states)

    return value


GROUP_COLUMNS = Columns(
    "onesecgroup list",
    "ID,USER,GROUP,NAME,UPDATED,OUTDATED,ERROR",
    (
        Column("ID", 4, "number", number("ID")),
        Column("USER", 15, "owner", named_or_id("UNAME", "UID"), left=True),
        Column("GROUP", 15, "group", named_or_id("GNAME", "GID"), left=True),
        Column("NAME", 20, "name", text("NAME"), left=True),
        Column("UPDATED", 8, "VMs whose hosts apply its rules", _vms("UPDATED")),
        Column("OUTDATED", 8, "VMs whose hosts do not yet", _vms("OUTDATED", "UPDATING")),
        Column("ERROR", 8, "VMs whose hosts could not", _vms("ERROR")),
        Column("RULES", 5, "rules it has", lambda row, view: len(_rules(row))),
    ),
)
_LISTING = Listing(
    SECURITY_GROUP, GROUP_COLUMNS, lambda shell, given: ("one.secgrouppool.info", whose(shell, given.whose), *_ALL_IDS)
)


def _show(shell: Shell, given: Given) -> None:
    from trifid.cli.security_group_show import print_group

    show(SECURITY_GROUP, "secgroup", print_group)(shell, given)


def _clone(shell: Shell, given: Given) -> None:
    shell.made(SECURITY_GROUP, shell.call("one.secgroup.clone", given.secgroup, given.name))


ROWS = (
    Command(
        "create",
        "Add a security group described by a template FILE, - for standard input, or by options.",
        (Argument("FILE", many=True, optional=True),),
        run=_create,
        options=_OPTIONS,
        more=RULE_HELP,
        examples=(
            "create web.group",
            "create --name web --inbound tcp:80,443 --inbound icmp:8 --outbound all",
            "create --name db --inbound tcp:5432@private --inbound tcp:22@10.0.0.1+8",
        ),
    ),
    Command(
        "delete",
        "Remove a security group that no VM and no network has.",
        (GROUPS,),
        "one.secgroup.delete",
        examples=("delete web",),
    ),
    Command(
        "clone",
        "Copy a security group; the copy is yours.",
        (Argument("SECGROUP", SECURITY_GROUP), Argument("NAME")),
        run=_clone,
        examples=("clone web my-web",),
    ),
    waited(
        Command(
            "commit",
            "Tell the hosts of its VMs the rules of a security group once more.",
            (GROUPS,),
            "one.secgroup.commit",
            lambda group_id, given: (group_id, given.recover),
            options=(click.Option(["-r", "--recover"], is_flag=True, help="Only those that have not got them."),),
            examples=("commit web --wait", "commit 100 --recover"),
        ),
        SECURITY_GROUP_COURSE,
    ),
    rename_command(SECURITY_GROUP, "SECGROUP"),
    waited(update_command(SECURITY_GROUP, "SECGROUP", "TEMPLATE"), SECURITY_GROUP_COURSE),
    *access_commands(SECURITY_GROUP, "SECGROUP", USER, GROUP),
    Command(
        "list",
        "List the security groups, the newest first.",
        (Argument("WHOSE", optional=True),),
        run=_LISTING.run,
        options=LIST_OPTIONS,
        more=WHOSE_HELP,
        examples=("list", "list m -l ID,NAME,RULES"),
    ),
    Command(
        "show",
        "Tell everything about a security group: its rules, and which VMs have it.",
        (GROUPS,),
        run=_show,
        options=SHOW_OPTIONS,
        examples=("show default", "show 100 -j"),
    ),
)

main = CommandTable(
    "onesecgroup",
    "Manage security groups.  SECGROUP stands for ids, names, and lists of them such as 0,100..102.",
    ROWS,
    SECURITY_GROUP,
)

if __name__ == "__main__":
    main()
