"""The information driver: looks at every host now and then and says what it sees."""

from trifid.core.template.scanner import parse
from trifid.simulator.clock import Clock
from trifid.simulator.faults import Dice
from trifid.simulator.hosts import Hosts, SimulatedHost
from trifid.simulator.process import Pipe
from trifid.wire.lines import Message, monitor_from_driver, unpack

DELAY_S_MAX = 3.0
"""How long a report is on its way; others may overtake it."""


class InformationProcess(Pipe):
    """Reports on the hosts that it was told to watch, until it dies."""

    def __init__(self, clock: Clock, dice: Dice, hosts: Hosts, pid: int) -> None:
        super().__init__("im driver", clock, dice, pid, "")
        self._hosts = hosts
        self._rounds: dict[int, int] = {}

    def take(self, message: Message) -> None:
        """Begin or end to watch a host."""
        rounds = self._rounds[message.oid] = self._rounds.get(message.oid, 0) + 1
        if message.type != "START_MONITOR":
            return
        said = parse(unpack(message.payload))
        host = self._hosts.by_name.get(said.vector("HOST").get("NAME", ""))
        if host is not None:
            self._look(message.oid, host, rounds, float(said.single("PERIOD_S")), is_first=True)

    def _look(self, host_id: int, host: SimulatedHost, rounds: int, period_s: float, *, is_first: bool = False) -> None:
        if self.is_dead or self._rounds.get(host_id) != rounds:
            return
        at = self._clock.epoch()
        if host.is_reachable:
            if is_first:
                text = f'TOTALCPU="{host.cpu_percent}"\nTOTALMEMORY="{host.memory_kib}"\n'
                self.say(monitor_from_driver("SYSTEM_HOST", "SUCCESS", host_id, at, text))
            self._say(monitor_from_driver("MONITOR_HOST", "SUCCESS", host_id, at, 'FREECPU="1"\n'))
            self._say(monitor_from_driver("STATE_VM", "SUCCESS", host_id, at, _states(host)))
        elif not host.is_silent:
            self._say(monitor_from_driver("MONITOR_HOST", "FAILURE", host_id, at, "no route to host"))
        seconds = period_s * self._dice.between(0.9, 1.1)
        self._clock.later(seconds, lambda: self._look(host_id, host, rounds, period_s))

    def _say(self, line: bytes) -> None:
        self._clock.later(self._dice.between(0.0, DELAY_S_MAX), lambda: self._arrive(line))


def _states(host: SimulatedHost) -> str:
    vms = [
        f'VM=[ID="{vm_id}",DEPLOY_ID="one-{vm_id}",STATE="{"SUSPENDED" if domain.is_paused else "RUNNING"}"]'
        for vm_id, domain in sorted(host.domains.items())
    ]
    return "\n".join(['SYNC_STATE="YES"', 'MISSING_STATE="POWEROFF"', *vms, ""])
