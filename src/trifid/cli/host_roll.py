"""`onehost roll`: hosts are worked on one after the other, each emptied before and enabled again after.

How far a host is stands in its own attributes (ROLL), so that the same command goes on where one was ended.
"""

import re
from typing import Any, NamedTuple

import click

from trifid.cli import cluster
from trifid.cli.command import WAITS_FOR, Argument, Command, Given
from trifid.cli.dry_run import DRY_RUN
from trifid.cli.failure import Failure
from trifid.cli.kinds import HOST
from trifid.cli.shell import Shell

MARK = "ROLL"
BEGUN, DONE = "BEGUN", "DONE"
MONITORED, DISABLED, OFFLINE = "2", "4", "8"
_LABEL = re.compile(r"[A-Za-z0-9._-]{1,64}\Z", re.ASCII)
_ASK_FOR_ONE = 'name hosts ("onehost roll host1,host2"), or give --cluster NAME or --all'


class Member(NamedTuple):
    """A host that was asked for.

    Attributes:
        vms: how many it carries.
        state: STATE of its document.
        error: why it is in error, empty when it is not.
        label, mark: of its ROLL attribute, empty when it has none.
    """

    id: int
    name: str
    vms: int
    state: str
    error: str
    label: str
    mark: str

    @property
    def is_begun(self) -> bool:
        """Whether it was disabled by a roll that did not come to its end."""
        return self.mark == BEGUN and self.state == DISABLED

    def is_done(self, label: str) -> bool:
        """Whether a roll of this label has been through with it."""
        return bool(label) and self.label == label and self.mark == DONE

    @property
    def is_kept_out(self) -> bool:
        """Whether somebody has disabled it, who alone knows when it may come back."""
        return self.state in (DISABLED, OFFLINE) and not self.is_begun


def member_of(host: dict[str, Any]) -> Member:
    """Return what matters of a host's document."""
    template = host.get("TEMPLATE") or {}
    mark = template.get(MARK)
    mark = mark if isinstance(mark, dict) else {}
    return Member(
        int(host["ID"]),
        str(host["NAME"]),
        int(host["HOST_SHARE"]["RUNNING_VMS"]),
        str(host["STATE"]),
        str(template.get("ERROR") or ""),
        str(mark.get("LABEL") or ""),
        str(mark.get("STATE") or ""),
    )


def asked_for(shell: Shell, given: Given) -> list[Member]:
    """Return the hosts that were asked for, in the order in which they are worked on.

    Those that are named come as they are named.  Of a cluster, or of all, the emptiest come first: what they carry
    goes to others, which then is moved again, and later VMs find hosts that have been worked on.  Before all others
    come those that an earlier roll has begun.

    Raises:
        Failure: none were named, or in more than one way.
    """
    if sum((bool(given.host), given.cluster is not None, given.all)) != 1:
        raise Failure("which hosts shall be worked on?", _ASK_FOR_ONE)
    documents = shell.all(HOST)
    members = {int(host["ID"]): member_of(host) for host in documents}
    if given.host:
        if missing := [host_id for host_id in given.host if host_id not in members]:
            raise Failure(f"there is no host {missing[0]}", 'see "onehost list"')
        chosen = [members[host_id] for host_id in given.host]
    else:
        cluster_id = cluster.chosen(shell, given) if given.cluster is not None else None
        inside = {int(host["ID"]) for host in documents if cluster_id in (None, int(host["CLUSTER_ID"]))}
        chosen = sorted((members[host_id] for host_id in inside), key=lambda member: (member.vms, member.id))
    return sorted(chosen, key=lambda member: not member.is_begun)


def checked_label(given: Given) -> str:
    """Return the label, empty when none was given.

    Raises:
        Failure: it is none.
    """
    label: str = given.label or ""
    if label and not _LABEL.match(label):
        raise Failure(f"{label!r} is no label", "write up to 64 letters, digits, dots, dashes and underscores")
    return label


def _roll(shell: Shell, given: Given) -> None:
    from trifid.cli.host_roll_dry import dry_roll
    from trifid.cli.host_rolling import Rolling

    label = checked_label(given)
    members = asked_for(shell, given)
    if given.dry_run:
        dry_roll(shell, given, [one for one in members if not one.is_done(label) and not one.is_kept_out])
        return
    Rolling(shell, given, label, members).run()


ROLL = Command(
    "roll",
    "Work on hosts one after the other: empty one, do the work, enable it again, go on with the next.",
    (Argument("HOST", HOST, many=True, optional=True),),
    run=_roll,
    options=(
        cluster.OPTION,
        click.Option(["--all"], is_flag=True, help="All hosts."),
        click.Option(
            ["--command", "program"],
            metavar="PROGRAM",
            help="The work: a program of this machine, run as PROGRAM NAME ID.  Without one, Enter is waited for, or "
            '"onehost enable" by anybody.',
        ),
        click.Option(["--label"], metavar="WORD", help="What the work is called: hosts that had it are left out."),
        WAITS_FOR,
        click.Option(["-j", "--json"], is_flag=True, help="The result as JSON; progress goes to standard error."),
        DRY_RUN,
    ),
    more="Running VMs are moved live, as by onehost maintenance.  The first trouble ends it: the host that it is about "
    "stays disabled, and the same command goes on with it when the trouble is mended.  PROGRAM is done when it ends "
    "with 0, and may be run again for a host.  A host that somebody has disabled is left out.  --timeout is for "
    "emptying one host, and for its return.",
    examples=(
        "roll --all --dry-run",
        "roll --cluster production --command /usr/local/sbin/upgrade-host --label kernel-6.1",
        "roll host1,host2",
    ),
)
