"""Machines that commands are run on: hosts through ssh, the front-end directly, in one way.

    host = hosts.named("host-a")
    host.run("mkdir", "-p", "/var/lib/x")
    with host.stream("dd", "of=/var/lib/x/file") as stream:
        stream.write(data)
        stream.finish()

Commands are argument vectors; nothing in them is interpreted.  Scripts are constant text, their data is arguments:
`host.run("sh", "-c", SCRIPT, "sh", path)`.
"""

import threading
from collections.abc import Callable, Sequence

from trifid.drivers.remote.channel import LOOP, PROGRAM, Channel, Outcome, Stop, Stream, check, never
from trifid.drivers.remote.faults import ConnectionLost
from trifid.drivers.remote.way import Way

IDLE_MAX = 4
"""Sessions with one machine that are kept for the next command."""
LOCALHOST = "localhost"


class Host:
    """One machine.

    Args:
        name: for messages.
        argv: starts the loop of a session (channel.LOOP) on it.

    Attributes:
        is_here: whether it is this machine.
    """

    def __init__(self, name: str, argv: Sequence[str], *, is_here: bool = False) -> None:
        self.name = name
        self.is_here = is_here
        self._argv = argv
        self._idle: list[Channel] = []
        self._lock = threading.Lock()
        self._opening = threading.Lock()

    def run(self, *argv: str, stop: Stop = never, timeout_s: float | None = None) -> str:
        """Return what a command printed.

        When the connection breaks it may be run once more on a new one: it must end in the same place then.

        Raises:
            ConnectionLost: the host is not reached.
            CommandFailed: exit status other than 0, with its error text.
            Failure: too slow; stopped.
        """
        outcome = self.outcome(*argv, stop=stop, timeout_s=timeout_s)
        check(self.name, outcome)
        return outcome.out.decode(errors="surrogateescape")

    def outcome(self, *argv: str, stop: Stop = never, timeout_s: float | None = None) -> Outcome:
        """Do the same, but return the exit status and the outputs as they are."""
        return self._on_channel(lambda channel: channel.run(argv, stop, timeout_s), stop)

    def stream(self, *argv: str, stop: Stop = never) -> Stream:
        """Start a command whose input and output are for us; use what is returned as a context.

        Raises:
            ConnectionLost: the host is not reached.
        """
        channel = self._open(stop)
        try:
            return channel.become(argv, stop)
        except BaseException:
            channel.close()
            raise

    def close(self) -> None:
        """End the sessions that nobody uses now."""
        with self._lock:
            idle, self._idle = self._idle, []
        for channel in idle:
            channel.close()

    def _on_channel(self, does: Callable[[Channel], Outcome], stop: Stop) -> Outcome:
        if channel := self._taken():
            try:
                return self._used(channel, does)
            except ConnectionLost:
                self.close()  # it was lost while nobody looked, and so were the others
        return self._used(self._open(stop), does)

    def _used(self, channel: Channel, does: Callable[[Channel], Outcome]) -> Outcome:
        outcome = does(channel)  # what it raises has closed it
        with self._lock:
            if len(self._idle) < IDLE_MAX:
                self._idle.append(channel)
                return outcome
        channel.close()
        return outcome

    def _taken(self) -> Channel | None:
        with self._lock:
            while self._idle:
                channel = self._idle.pop()
                if channel.is_open:
                    return channel
                channel.close()
        return None

    def _open(self, stop: Stop) -> Channel:
        """Open a session; one after the other, so that the first makes the connection that the others share."""
        with self._opening:
            channel = Channel(self._argv, self.name)
            channel.greet(stop)
            return channel


class Hosts:
    """All machines, by name.

    Args:
        way: to hosts.
        frontend: names of this machine, besides localhost.
    """

    def __init__(self, way: Way, frontend: str = LOCALHOST) -> None:
        self.here = Host(frontend, ["sh", "-c", PROGRAM], is_here=True)
        self._way = way
        self._hosts: dict[str, Host] = {frontend: self.here, LOCALHOST: self.here}
        self._lock = threading.Lock()

    def named(self, name: str) -> Host:
        """Return a machine.

        Raises:
            Failure: that is no name of a machine; ssh's sockets have no place.
            OSError: that place cannot be made.
        """
        with self._lock:
            if name not in self._hosts:
                self._hosts[name] = Host(name, self._way.argv(name, LOOP))
            return self._hosts[name]

    def close(self) -> None:
        """End all sessions that nobody uses now."""
        with self._lock:
            hosts = list(self._hosts.values())
        for host in hosts:
            host.close()
