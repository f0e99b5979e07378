"""trifid-hook: runs the commands of hooks, here or on a host, and sends webhooks.

    [drivers.hook.hook]
    executable = "trifid-hook"
    arguments = "--ssh-config /etc/trifid/ssh_config"

EXECUTE and RETRY run a program of HOME/hooks, DELIVER sends an event to a URL.  SUCCESS says that this was done, and
has the result, whatever it is; FAILURE that it could not be done at all.  The arguments tell how hosts are reached, as
those of trifid-tm-ssh.

Source: reference/drivers.md §2.3 (Hook).
"""

import os
import sys
import time
from pathlib import Path

from trifid.drivers.hook.commands import program_of, run_here, run_there
from trifid.drivers.hook.webhook import deliver
from trifid.drivers.kit import Failure, Kit, Request
from trifid.drivers.remote.host import Hosts
from trifid.drivers.tm.ssh.main import parse as hosts_of
from trifid.errors import DriverFault
from trifid.wire.hook_message import HookOrder, HookResult, parse, render_result

WORKERS = 64
"""More than the engine asks for at once."""


class Driver:
    """What the verbs have in common; the arguments are read when the engine says INIT, so it hears what is wrong."""

    def __init__(self, arguments: str) -> None:
        self._arguments = arguments
        self._hosts: Hosts | None = None
        self._directory = Path()

    def begin(self, kit: Kit) -> None:
        """Read the arguments; raises Failure."""
        home = os.environ.get("TRIFID_HOME")
        if not home:
            raise Failure("TRIFID_HOME is not set, expected the engine's home")
        self._hosts = hosts_of(self._arguments, Path(home))
        self._directory = Path(home) / "hooks"
        self._directory.mkdir(mode=0o755, exist_ok=True)

    def execute(self, request: Request) -> str:
        """Run a hook's program."""
        order = _order(request)
        assert self._hosts is not None, "INIT comes first"  # noqa: S101
        program = program_of(order, self._directory)
        if order.host:
            ran = run_there(order, program, self._hosts.named(order.host), lambda: request.wait(0))
        else:
            ran = run_here(order, program, self._directory, lambda: request.wait(0))
        return render_result(HookResult(str(program), ran.out, ran.err, ran.code))

    def deliver(self, request: Request) -> str:
        """Send an event of a webhook."""
        order = _order(request)
        ran = deliver(order, int(time.time()))
        return render_result(HookResult(order.command, ran.out, ran.err, ran.code))


def _order(request: Request) -> HookOrder:
    try:
        return parse(request.payload)
    except DriverFault as fault:
        raise Failure(str(fault)) from fault


def main() -> None:
    """Run the driver until the engine ends it."""
    driver = Driver(" ".join(sys.argv[1:]))
    verbs = {"EXECUTE": driver.execute, "RETRY": driver.execute, "DELIVER": driver.deliver}
    Kit("hook", verbs, begin=driver.begin, workers=WORKERS).run()


if __name__ == "__main__":
    main()
