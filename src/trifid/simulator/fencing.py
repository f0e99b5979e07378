"""Hosts lose their power: by themselves, by a fence driver, by hand; and somebody switches them on again."""

from collections.abc import Callable

from trifid.simulator.clock import Clock
from trifid.simulator.faults import Dice
from trifid.simulator.hosts import Hosts, SimulatedHost
from trifid.simulator.process import Pipe
from trifid.wire.fence_action import parse
from trifid.wire.lines import Message, from_driver

FENCED_WITHIN_S = 20.0
LATE_S = 100.0
SWITCHED_ON_S = 1200.0
"""Mean time until somebody switches a host on that is off."""
TENDED_EVERY_S = 120.0
"""How often an operator looks after hosts that are fenced, or off."""


class FenceProcess(Pipe):
    """A fence driver: it switches hosts off, or fails at it, or does so late; of the power it tells the truth."""

    def __init__(self, clock: Clock, dice: Dice, hosts: Hosts, tell: Callable[[str], None], pid: int) -> None:
        super().__init__("fence driver", clock, dice, pid, "ANSWERS_ALL")
        self._hosts, self._tell = hosts, tell

    def take(self, message: Message) -> None:
        """Begin to do what is asked."""
        if message.type == "DRIVER_CANCEL":
            return
        host = self._hosts.by_name[parse(message.payload).host]
        act = self._fence if message.type == "FENCE" else self._status
        self._clock.later(self._dice.between(0.5, FENCED_WITHIN_S), lambda: act(message, host))

    def _fence(self, message: Message, host: SimulatedHost) -> None:
        if self.is_dead:
            return
        if self._dice.strikes("driver-dies", 0.1):
            self._tell("the fence driver dies")
            self.end()
            return
        if self._dice.strikes("fence-fails", 0.3):
            is_late = self._dice.strikes("fence-late", 0.5)
            if is_late:
                self._clock.later(self._dice.between(1.0, LATE_S), lambda: power_off(self._hosts, host))
            self._tell(f"{host.name} could not be fenced{', for now' if is_late else ''}")
            self.say(from_driver("FENCE", "FAILURE", message.oid, "simulated failure, the controller does not answer"))
            return
        power_off(self._hosts, host)
        self._tell(f"{host.name} is switched off by the fence driver")
        self.say(from_driver("FENCE", "SUCCESS", message.oid, "STATE=off METHOD=sim"))

    def _status(self, message: Message, host: SimulatedHost) -> None:
        if not self.is_dead:
            told = "STATE=on METHOD=sim" if host.is_powered else "STATE=off METHOD=sim"
            late_s = self._dice.between(1.0, LATE_S) if self._dice.strikes("late", 0.1) else 0.0
            self._clock.later(late_s, lambda: self.say(from_driver("STATUS", "SUCCESS", message.oid, told)))


def power_off(hosts: Hosts, host: SimulatedHost) -> None:
    """Take a host's power away: what ran there is gone, and what was under way there as well."""
    if host.is_powered:
        hosts.fall(host)
        host.is_powered = host.is_reachable = False
        host.is_silent = True
        host.cycles += 1


def power_on(host: SimulatedHost) -> None:
    """Give it back; nothing starts by itself."""
    if not host.is_powered:
        host.is_powered = host.is_reachable = True
        host.is_silent = False
