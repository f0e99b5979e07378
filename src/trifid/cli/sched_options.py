"""The rows of `trifid sched sim`, `replay` and `decisions`."""

from pathlib import Path

import click

from trifid.cli.command import Argument, Command, Given, WholeNumber
from trifid.cli.shell import Shell

_FILE = click.Path(path_type=Path, dir_okay=False)
_JSON = click.Option(["-j", "--json"], is_flag=True, help="As JSON.")
_CONFIG = click.Option(
    ["--config"], type=_FILE, metavar="FILE", help="The file whose table [scheduler] has the settings."
)


def _sim(shell: Shell, given: Given) -> None:
    from trifid.cli.sched_sim import sim

    sim(shell, given)


def _replay(shell: Shell, given: Given) -> None:
    from trifid.cli.sched_replay import replay

    replay(shell, given)


def _decisions(shell: Shell, given: Given) -> None:
    from trifid.cli.sched_replay import decisions

    decisions(shell, given)


SIM = Command(
    "sim",
    "Plan a made-up or recorded cluster with one policy or several, and compare; needs no engine.",
    run=_sim,
    options=(
        click.Option(["--hosts"], type=WholeNumber(min=1), default=100, metavar="N", help="Hosts made up (100)."),
        click.Option(["--vms"], type=WholeNumber(min=0), default=400, metavar="N", help="VMs that wait (400)."),
        click.Option(["--seed"], type=WholeNumber(min=0), default=0, metavar="N", help="Another cluster (0)."),
        click.Option(
            ["--expressions"],
            type=WholeNumber(min=0),
            default=10,
            metavar="N",
            help="Different requirements, and ranks, of the VMs (10); 0: none.",
        ),
        click.Option(
            ["--policy"],
            multiple=True,
            metavar="P",
            help="A policy, or the text of a rank; may be given several times.",
        ),
        _CONFIG,
        click.Option(["--problem"], type=_FILE, metavar="FILE", help="Plan this problem, or this recorded decision."),
        click.Option(["--record"], type=_FILE, metavar="FILE", help="Write the last decision there, to be replayed."),
        _JSON,
    ),
    examples=(
        "sim --hosts 2500 --vms 10000 --policy packing --policy striping",
        "sim --policy 'FREE_CPU - 10 * RUNNING_VMS'",
        "sim --problem decision.json.gz --policy load-aware",
    ),
)

REPLAY = Command(
    "replay",
    "Plan recorded decisions again, and tell what would be different.",
    arguments=(Argument("FILE", many=True),),
    run=_replay,
    options=(
        click.Option(["--policy"], metavar="P", help="Another policy, or the text of a rank."),
        _CONFIG,
        _JSON,
    ),
    more="FILE is a path, or a name or number that `trifid sched decisions` lists.  Without --policy and --config the "
    "settings are those of the record.",
    examples=("replay 17 --policy packing", "replay decision.json.gz --config new.toml --json"),
)

DECISIONS = Command(
    "decisions",
    "List the decisions that are recorded in an engine's home, oldest first.",
    run=_decisions,
    options=(_JSON,),
    examples=("decisions --home /srv/trifid",),
)
