"""`trifid sim`: the simulator, told in lines or as JSON."""

import click

from trifid.cli.command import Given
from trifid.cli.failure import Failure
from trifid.cli.shell import Shell
from trifid.simulator.command import DEFAULT_SEEDS, as_json, run_many, run_one, told
from trifid.simulator.faults import UnknownFault, chosen
from trifid.simulator.simulation import Options

BROKEN = 1


def sim(shell: Shell, given: Given) -> None:
    """Play seeds and tell what came of them; ends with status 1 when an invariant did not hold."""
    try:
        faults = chosen(given.faults)
    except UnknownFault as unknown:
        raise Failure(str(unknown)) from unknown
    options = Options(given.hours, given.hosts, given.vms, faults, store=given.store)
    say = (lambda line: click.echo(line, err=True)) if given.json else shell.say
    count = given.count or (1 if given.steps or given.trace else DEFAULT_SEEDS)
    if count == 1:
        total = run_one(given.seed, options, given.steps or 0, say, is_traced=given.trace)
    elif given.steps or given.trace:
        raise Failure("--steps and --trace are for one seed: leave --count out")
    else:
        total = run_many(range(given.seed, given.seed + count), options, say)
    shell.say(as_json(total, options) if given.json else "\n".join(told(total, options)))
    if total.broken:
        click.get_current_context().exit(BROKEN)
