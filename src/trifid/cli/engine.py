"""`trifid`: the engine itself, made, started, stopped, looked at.

Exit status: 0 done; 1 not done, the reason is told; 3 from `trifid status` when no engine runs.
"""

import click

from trifid.cli.audit import COMMAND as AUDIT
from trifid.cli.command import Command, CommandTable, Given, Number, WholeNumber
from trifid.cli.completion import COMPLETION
from trifid.cli.events import COMMAND as EVENTS
from trifid.cli.sched import main as sched
from trifid.cli.shell import Shell

NOT_DONE = 1
DEFAULT_PORT = 2633
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0


def _init(shell: Shell, given: Given) -> None:
    from trifid.cli.engine_init import init

    init(shell, given)


def _start(shell: Shell, given: Given) -> None:
    from trifid.cli.engine_start import start

    start(shell, given)


def _stop(shell: Shell, given: Given) -> None:
    from trifid.cli.engine_start import stop

    stop(shell, given)


def _status(shell: Shell, given: Given) -> None:
    from trifid.cli.engine_status import status

    status(shell, given)


def _sim(shell: Shell, given: Given) -> None:
    from trifid.cli.engine_sim import sim

    sim(shell, given)


def _timeout(default_s: float, about: str) -> click.Option:
    return click.Option(
        ["--timeout"],
        type=Number(min=0),
        default=default_s,
        metavar="SECONDS",
        help=f"{about}, {default_s:g} s by default.",
    )


ROWS = (
    Command(
        "init",
        "Make the home of an engine: its configuration, its administrator, its directories.",
        run=_init,
        options=(
            click.Option(
                ["--port"],
                type=WholeNumber(1, 65535),
                metavar="PORT",
                default=DEFAULT_PORT,
                help="Where clients call (2633).",
            ),
            click.Option(["--listen"], metavar="ADDRESS", default="127.0.0.1", help="Who may call (127.0.0.1)."),
            click.Option(
                ["--drivers"],
                type=click.Choice(["libvirt", "dummy"]),
                default="libvirt",
                help="What runs VMs: libvirt (KVM and QEMU), the default, or dummy, which only pretends.",
            ),
            click.Option(["--db"], metavar="URL", help="The database; a file in the home by default."),
            click.Option(["--force"], is_flag=True, help="Write a new trifid.toml; all the rest is kept."),
        ),
        examples=(
            "init --home /srv/trifid",
            "init --home ~/try --drivers dummy --port 2700",
            "init --home /srv/trifid --db postgresql+psycopg://trifid@/trifid",
        ),
    ),
    Command(
        "start",
        "Start the engine; returns when it serves.",
        run=_start,
        options=(
            click.Option(["--foreground"], is_flag=True, help="Become the engine, for a supervisor such as systemd."),
            _timeout(START_TIMEOUT_S, "Longest to wait until it serves"),
        ),
        examples=("start --home /srv/trifid", "start --home /srv/trifid --foreground"),
    ),
    Command(
        "stop",
        "Stop the engine; VMs run on, and are known again when it is started.",
        run=_stop,
        options=(_timeout(STOP_TIMEOUT_S, "Longest to wait until it has ended"),),
        examples=("stop --home /srv/trifid",),
    ),
    Command(
        "status",
        "Tell whether the engine runs, how its drivers are, and what it manages.",
        run=_status,
        options=(
            click.Option(["--pids"], is_flag=True, help="Only the processes: number and name."),
            click.Option(["-j", "--json"], is_flag=True, help="As JSON."),
        ),
        more="Exit status 3: no engine runs.",
        examples=("status --home /srv/trifid", "status --home /srv/trifid --json"),
    ),
    AUDIT,
    COMPLETION,
    EVENTS,
    Command(
        "sim",
        "Simulate the whole engine on virtual time with everything going wrong; needs no home and no engine.",
        run=_sim,
        options=(
            click.Option(["--seed"], type=WholeNumber(min=0), default=0, metavar="N", help="The first seed (0)."),
            click.Option(
                ["--count"],
                type=WholeNumber(min=1),
                metavar="SEEDS",
                help="How many seeds (20; 1 with --steps or --trace).",
            ),
            click.Option(
                ["--hours"], type=Number(min=0), default=2.0, metavar="H", help="Virtual hours of each seed (2)."
            ),
            click.Option(["--hosts"], type=WholeNumber(min=1), default=4, metavar="H", help="Hosts of each seed (4)."),
            click.Option(["--vms"], type=WholeNumber(min=1), default=8, metavar="N", help="VMs at the same time (8)."),
            click.Option(
                ["--faults"],
                default="all",
                metavar="LIST",
                help="What may go wrong: all, none, or kinds such as kill,late.",
            ),
            click.Option(["--steps"], type=WholeNumber(min=1), metavar="K", help="End after so many steps."),
            click.Option(
                ["--store"],
                type=click.Choice(["memory", "sqlite"]),
                default="memory",
                help="What is written to (memory).",
            ),
            click.Option(["--trace"], is_flag=True, help="Tell the story of one seed line by line."),
            click.Option(["-j", "--json"], is_flag=True, help="As JSON."),
        ),
        more="Exit status 1: an invariant did not hold; a line tells how to replay it exactly.",
        examples=(
            "sim --count 500",
            "sim --seed 7 --steps 1200 --trace",
            "sim --faults none --hosts 200 --vms 2000 --count 1",
        ),
    ),
)

main = CommandTable(
    "trifid",
    "Make, start and stop an engine.  --home names its directory, TRIFID_HOME does when it is left out.",
    ROWS,
    failed=NOT_DONE,
    groups={"sched": sched},
)

if __name__ == "__main__":
    main()
