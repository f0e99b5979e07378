"""Commands of hooks: programs of HOME/hooks, run here or on a host, as argument vectors."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from trifid.drivers.hook.bounded import Kept, Ran, run
from trifid.drivers.kit import Failure
from trifid.drivers.remote.channel import READ_BYTES, Stop
from trifid.drivers.remote.faults import CommandFailed
from trifid.drivers.remote.host import Host
from trifid.wire.hook_message import HookOrder

PROGRAM_BYTES_MAX = 16 << 20
"""Of a program that is sent to a host."""
KILL_AFTER_S = 5
CONNECT_S = 30
"""What a host may take longer than the program."""
_INSTALL = (
    'd=$(mktemp -d "${TMPDIR:-/var/tmp}/trifid-hook.XXXXXX") || exit; '
    'cat >"$d/hook" && chmod 700 "$d/hook" && printf %s "$d"'
)


def program_of(order: HookOrder, directory: Path) -> Path:
    """Return the program that a hook names.

    Raises:
        Failure: it is not in the directory of hooks, also after symbolic links, or there is none.
    """
    place = directory.resolve()
    path = (place / order.command).resolve()
    if not path.is_relative_to(place) or path == place:
        raise Failure(f"{order.command} is not in {directory}: hooks run programs of that directory only")
    if not path.is_file():
        raise Failure(f"{path} is not there: put the program of the hook into {directory}")
    return path


def run_here(order: HookOrder, program: Path, directory: Path, stop: Stop) -> Ran:
    """Run a hook's program on the front-end."""
    words, stdin = _given(order)
    return run(
        [str(program), *words], stdin, order.timeout_s, stop, directory=directory, environment=_environment(order)
    )


def run_there(order: HookOrder, program: Path, host: Host, stop: Stop) -> Ran:
    """Run a hook's program on a host, to which it is sent for that.

    Raises:
        Failure: the host is not reached, or has no room for it.
    """
    if program.stat().st_size > PROGRAM_BYTES_MAX:
        raise Failure(f"{program} is too large to be sent to a host: {PROGRAM_BYTES_MAX >> 20} MiB are accepted")
    with host.stream("sh", "-c", _INSTALL, stop=stop) as stream:
        stream.write(program.read_bytes())
        place = stream.finish().decode(errors="replace")
    if "/trifid-hook." not in place:
        raise Failure(f"{host.name}: mktemp said {place[:200]!r}, it must name the new directory")
    try:
        return _run_at(order, f"{place}/hook", host, _in_time(stop, order.timeout_s + KILL_AFTER_S + CONNECT_S))
    finally:
        host.run("rm", "-rf", "--", place, timeout_s=CONNECT_S)


def _run_at(order: HookOrder, path: str, host: Host, stop: Stop) -> Ran:
    words, stdin = _given(order)
    kept = Kept()
    with host.stream("timeout", "-k", str(KILL_AFTER_S), str(order.timeout_s), path, *words, stop=stop) as stream:
        try:
            stream.write(stdin)
            stream.end_input()
            while data := stream.read(READ_BYTES):
                kept.add(data)
            stream.finish()
        except CommandFailed as failed:
            return Ran(failed.status, kept.text, str(failed).removeprefix(f"{host.name}: "))
    return Ran(0, kept.text, "")


def _in_time(stop: Stop, seconds: float) -> Callable[[], None]:
    until_s = time.monotonic() + seconds

    def look() -> None:
        stop()
        if time.monotonic() > until_s:
            raise Failure(f"the host has not answered after {seconds:g} s")

    return look


def _given(order: HookOrder) -> tuple[tuple[str, ...], bytes]:
    """Return the words of the command line, and what comes on standard input."""
    if order.stdin:
        return (), " ".join(order.arguments).encode(errors="surrogateescape")
    return order.arguments, b""


def _environment(order: HookOrder) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRIFID_ENGINE")}
    return kept | {"HOOK_ID": str(order.hook_id)}
