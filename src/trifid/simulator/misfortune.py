"""What goes wrong at any moment: hosts, guests, driver processes, the daemon, the clock."""

from collections.abc import Callable

from trifid.core.vm.states import VmState
from trifid.core.vm_group.record import membership
from trifid.engine.engine import FAMILIES
from trifid.simulator.clock import Clock
from trifid.simulator.faults import Dice
from trifid.simulator.fencing import power_off, power_on
from trifid.simulator.hosts import Domain, Hosts, SimulatedHost
from trifid.simulator.life import DATASTORES, Life
from trifid.simulator.process import ActionProcess

EVERY_S = 30.0
_MORTAL = tuple(family for family in FAMILIES if family != "fence")
"""Families whose drivers die; that of fences is seldom at work, and dies over it."""
JUMP_S_MAX = 4000


class Misfortune:
    """Looks every half minute whether it is time for something bad.

    Attributes:
        kill: kills the daemon.
        restart: stops it in good order.
    """

    def __init__(
        self,
        clock: Clock,
        dice: Dice,
        hosts: Hosts,
        life: Callable[[], Life | None],
        tell: Callable[[str], None],
    ) -> None:
        self.kill: Callable[[str], None] = lambda how: None
        self.restart: Callable[[], None] = lambda: None
        self._clock, self._dice, self._hosts, self._life, self._tell = clock, dice, hosts, life, tell

    def begin(self) -> None:
        """Begin to look."""
        self._clock.later(EVERY_S * self._dice.random.random(), self._look)

    def end(self) -> None:
        """Nothing bad happens any more, and every host is well again."""
        for host in self._hosts.by_name.values():
            power_on(host)
            host.is_reachable = True

    def _look(self) -> None:
        if not self._dice.trouble:
            return
        self._clock.later(EVERY_S, self._look)
        dice = self._dice
        host = dice.random.choice([*self._hosts.by_name.values()])
        if dice.strikes("host-lost", 0.03):
            self._lose(host)
        if dice.strikes("host-crash", 0.01):
            self._hosts.fall(host)
            self._lose(host)
        if dice.strikes("host-dead", 0.01) and host.is_powered:
            power_off(self._hosts, host)
            self._tell(f"{host.name} loses its power")
        if dice.strikes("guest-off", 0.03):
            self._guest(self._switch_off)
        if dice.strikes("guest-on", 0.06):
            self._switch_on()
        if dice.strikes("guest-paused", 0.02):
            self._guest(self._pause)
        if dice.strikes("clock-jump", 0.01):
            self._clock.jump_s += dice.random.randrange(-JUMP_S_MAX, JUMP_S_MAX)
            self._tell(f"the calendar says {self._clock.epoch()}")
        life = self._life()
        if life is None:
            return
        if dice.strikes("driver-dies", 0.02):
            process = life.processes.get(dice.random.choice(_MORTAL))
            if isinstance(process, ActionProcess):
                process.die()
            elif process is not None:
                process.end()
        if dice.strikes("kill", 0.01):
            self.kill("at some moment")
        if dice.strikes("restart", 0.01):
            self.restart()

    def _lose(self, host: SimulatedHost) -> None:
        """Make a host unreachable for a while."""
        if not host.is_powered:
            return
        host.is_reachable = False
        host.is_silent = self._dice.random.random() < 0.5
        self._tell(f"{host.name} cannot be reached, it has domains of vms {sorted(host.domains) or 'none'}")
        self._clock.later(self._dice.about(400.0), lambda: self._return(host))

    def _return(self, host: SimulatedHost) -> None:
        if not host.is_reachable and host.is_powered:
            host.is_reachable = True
            self._tell(f"{host.name} is back, it has domains of vms {sorted(host.domains) or 'none'}")

    def _guest(self, happens: Callable[[SimulatedHost, int], None]) -> None:
        there = [(host, vm_id) for host in self._hosts.by_name.values() for vm_id in sorted(host.domains)]
        if there:
            happens(*self._dice.random.choice(there))

    def _switch_off(self, host: SimulatedHost, vm_id: int) -> None:
        self._hosts.end(host, vm_id)
        self._tell(f"the guest of vm {vm_id} switches itself off on {host.name}")

    def _switch_on(self) -> None:
        """Start a machine by hand on the host where it is off."""
        life = self._life()
        if life is None:
            return
        busy = [process for process in life.processes.values() if isinstance(process, ActionProcess)]
        off = [
            vm
            for _, vm in sorted(life.engine.turns.memory.vms.items())
            if vm.state is VmState.POWEROFF
            and membership(vm) is None
            and not self._hosts.where(vm.id)
            and not any(process.works_at(vm.id) for process in busy)
        ]
        if not off:
            return
        vm = self._dice.random.choice(off)
        host = self._hosts.by_name[vm.current.hostname]
        disks, nics = ({one[f"{name}_ID"] for one in vm.template.vectors(name)} for name in ("DISK", "NIC"))
        domain = Domain(vm.id, f"{DATASTORES}/{vm.current.datastore_id}/{vm.id}", disks, nics)
        if host.is_reachable and len(self._hosts.disks(host.name, domain)) == len(disks):
            self._hosts.start(host, domain)
            self._tell(f"somebody starts the guest of vm {vm.id} on {host.name}")

    def _pause(self, host: SimulatedHost, vm_id: int) -> None:
        host.domains[vm_id].is_paused = True
        self._tell(f"the guest of vm {vm_id} is paused on {host.name}")
