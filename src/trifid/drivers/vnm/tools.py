"""A host's network tools: programs of the host that need root, run there as argument vectors."""

import json
import re
import time
from typing import Any

import msgspec

from trifid.drivers.kit import Failure
from trifid.drivers.remote.channel import Outcome, Stop, Stream, never
from trifid.drivers.remote.faults import CommandFailed, ConnectionLost
from trifid.drivers.remote.host import Host

TIMEOUT_S = 60.0
"""A command that takes longer hangs: none of them has anything to wait for."""
ERROR_TEXT_MAX = 300
_NOT_FOUND = 127
_PACKAGES = {
    "ip": "iproute2",
    "bridge": "iproute2",
    "tc": "iproute2",
    "nft": "nftables",
    "dnsmasq": "dnsmasq-base",
    "ovs-vsctl": "openvswitch-switch",
    "modprobe": "kmod",
    "sysctl": "procps",
    "sudo": "sudo",
}
"""Program -> the package of Debian that has it."""
_MISSING = re.compile(r"([\w-]+): (?:command )?not found")

Json = dict[str, Any]
"""Of programs whose output has many shapes; what is taken from it is checked where it is taken."""


class AsRoot(Host):
    """A host whose commands are run through `sudo -n`."""

    def __init__(self, host: Host) -> None:
        super().__init__(host.name, (), is_here=host.is_here)
        self._host = host

    def outcome(self, *argv: str, stop: Stop = never, timeout_s: float | None = None) -> Outcome:
        """Return the exit status and the outputs of a command; Host.run is made of this."""
        return self._host.outcome("sudo", "-n", *argv, stop=stop, timeout_s=timeout_s)

    def stream(self, *argv: str, stop: Stop = never) -> Stream:
        """Start a command whose input and output are for us."""
        return self._host.stream("sudo", "-n", *argv, stop=stop)


class Tools:
    """Runs commands on one host.

    Args:
        host: where, as root.
        stop: raises Failure when nobody wants it any more.
        timeout_s: how long each command may take.
    """

    def __init__(self, host: Host, stop: Stop = never, *, timeout_s: float = TIMEOUT_S) -> None:
        self.host = host
        self._stop = stop
        self._timeout_s = timeout_s

    @property
    def name(self) -> str:
        """Of the host, for messages."""
        return self.host.name

    def run(self, *argv: str) -> str:
        """Return what a command printed.

        Raises:
            ConnectionLost: the host is not reached.
            Failure: the program is not there, fails, or hangs.
        """
        try:
            return self.host.run(*argv, stop=self._stop, timeout_s=self._timeout_s)
        except CommandFailed as failed:
            raise self._explained(argv, failed) from failed

    def succeeds(self, *argv: str) -> bool:
        """Tell whether a command ends with exit status 0; raises Failure when its program is not there."""
        outcome = self.outcome(*argv)
        if outcome.status == _NOT_FOUND:
            raise self._explained(argv, CommandFailed(outcome.err, _NOT_FOUND))
        return outcome.status == 0

    def outcome(self, *argv: str) -> Outcome:
        """Return the exit status and the outputs of a command; raises Failure when it hangs."""
        return self.host.outcome(*argv, stop=self._stop, timeout_s=self._timeout_s)

    def feed(self, text: str, *argv: str) -> str:
        """Return what a command printed that was given a text as its input; raises as `run`."""
        until = time.monotonic() + self._timeout_s

        def stop() -> None:
            self._stop()
            if time.monotonic() > until:
                raise Failure(f"host {self.name}: {' '.join(argv)}: not done after {self._timeout_s:g} s")

        try:
            with self.host.stream(*argv, stop=stop) as stream:
                try:
                    stream.write(text.encode())
                except ConnectionLost:
                    stream.finish()  # why it did not read it, its exit status and its error text tell
                    raise
                return stream.finish().decode(errors="replace")
        except CommandFailed as failed:
            raise self._explained(argv, failed) from failed

    def objects(self, *argv: str) -> list[Json]:
        """Return what a command printed as JSON; raises as `run`, and when it is no list of objects."""
        said = self.run(*argv)
        try:
            return msgspec.convert(json.loads(said or "[]"), list[Json])
        except ValueError as fault:
            raise Failure(f"{self.name}: {' '.join(argv)} did not print JSON: {fault}: {said[:80]!r}") from fault

    def _explained(self, argv: tuple[str, ...], failed: CommandFailed) -> Failure:
        said = " ".join(str(failed).removeprefix(f"{self.name}: ").split())[-ERROR_TEXT_MAX:]
        missing = _MISSING.search(said)
        if failed.status == _NOT_FOUND or (missing and missing[1] == argv[0]):
            program = missing[1] if missing else argv[0]
            return Failure(f"host {self.name} has no {program}: install the package {_PACKAGES.get(program, program)}")
        if "ermitted" in said or "ermission denied" in said:
            said += "; it needs root there: see the argument --sudo of the network driver"
        elif said.startswith("sudo: "):
            said += f"; let the driver's user run {argv[0]} there through sudo without a password"
        return Failure(f"host {self.name}: {' '.join(argv)[:ERROR_TEXT_MAX]}: {said}")
