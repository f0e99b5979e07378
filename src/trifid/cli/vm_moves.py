"""onevm migrate: where a VM goes and how, taken back, and how far it is."""

from typing import Any

import click

from trifid.cli.command import Given, wait_goal
from trifid.cli.dry_run import dry_run
from trifid.cli.failure import Failure
from trifid.cli.follow import Follower
from trifid.cli.kinds import VM
from trifid.cli.shell import Shell

LIVE = click.Option(["--live"], is_flag=True, help="Without stopping it; disks that the host has not come along.")
POFF = click.Option(["--poff"], is_flag=True, help="Shut it down, and boot it there.")
POFF_HARD = click.Option(["--poff-hard"], is_flag=True, help="Switch it off at once, and boot it there.")
CANCEL = click.Option(["--cancel"], is_flag=True, help="Let a VM that is moving live stay where it is.")
ANY_DATASTORE, MIGRATE_OFF, MIGRATE_OFF_HARD = -1, 1, 2


def deploy_arguments(vm_id: int, given: Given) -> tuple[Any, ...]:
    """Return the arguments of one.vm.deploy."""
    to_datastore = () if given.datastore is None else (given.datastore,)
    return vm_id, given.host, given.enforce, *to_datastore


def migrate_arguments(vm_id: int, given: Given) -> tuple[Any, ...]:
    """Return the arguments of one.vm.migrate; raises Failure."""
    kinds = [word for word in ("live", "poff", "poff_hard") if getattr(given, word)]
    if len(kinds) > 1:
        raise Failure("--live, --poff and --poff-hard do not go together", "choose one")
    if given.host is None:
        raise Failure("migrate needs a host", f'such as "onevm migrate {vm_id} host2"; only --cancel needs none')
    datastore = ANY_DATASTORE if given.datastore is None else given.datastore
    if given.poff or given.poff_hard:
        kind = MIGRATE_OFF if given.poff else MIGRATE_OFF_HARD
        return vm_id, given.host, False, given.enforce, datastore, kind
    to_datastore = () if given.datastore is None else (datastore,)
    return vm_id, given.host, given.live, given.enforce, *to_datastore


def instead_of_migrate(shell: Shell, given: Given) -> bool:
    """Take migrations back, or only try one, when that is what was asked; tell whether it was."""
    if given.cancel:
        _cancel(shell, given)
    elif given.dry_run:
        names = ("vm", "host", "live", "enforce", "datastore", "kind")
        calls = [migrate_arguments(vm_id, given) for vm_id in given.vm]
        dry_run(shell, [{"action": "migrate", **dict(zip(names, call, strict=False))} for call in calls])
    return bool(given.cancel or given.dry_run)


def _cancel(shell: Shell, given: Given) -> None:
    if given.host is not None or given.live or given.poff or given.poff_hard or given.dry_run:
        raise Failure("--cancel takes neither a host nor another option of migrate", "name the VMs only")
    goal = wait_goal(given, "RUNNING", "migrate")
    follower = Follower(shell) if goal else None
    done = [one for one in given.vm if shell.attempt(VM, one, "trifid.vm.migrate_cancel", one)]
    for vm_id in done:
        shell.mention(f"VM {vm_id}: its migration is taken back")
    if follower and goal and done:
        follower.until(done, goal, given.timeout)
