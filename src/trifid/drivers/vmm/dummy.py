"""A hypervisor driver without a hypervisor: domains are lines in a file (see drivers/dummy/world.py).

For trying things out, for scale (thousands of actions a second) and for faults: see drivers/dummy/faults.py
for the options.  It keeps the contract of the real ones: idempotent, fenced by step number, and its
domains outlive it.
"""

import sys
from collections.abc import Callable

from trifid.drivers.dummy.actions import Actions, home
from trifid.drivers.dummy.faults import BadOptions, parse_options
from trifid.drivers.dummy.loop import Loop
from trifid.drivers.dummy.world import ACTIVE, GONE, PAUSED, RUNNING, SAVED, Domain, Key, World, key_of, name_of
from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.vm import parse_vm, snapshot_name
from trifid.wire import action_data
from trifid.wire.action_data import ActionData

_CHANGES = (
    *("ATTACHDISK", "DETACHDISK", "ATTACHNIC", "DETACHNIC", "RESIZE", "RESIZEDISK"),
    *("SNAPSHOTREVERT", "SNAPSHOTDELETE", "DISKSNAPSHOTCREATE", "DISKSNAPSHOTDELETE", "COPYDISK"),
)
"""What changes a domain that must be there; a domain here has no parts, so nothing is remembered of it."""
_FIGURES = "USEDCPU=10 USEDMEMORY=65536 NETRX=0 NETTX=0"


class Hypervisors:
    """Every host's hypervisor."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.verbs: dict[str, Callable[[Key, ActionData], str]] = {
            "DEPLOY": self.deploy,
            "SHUTDOWN": self.end,
            "CANCEL": self.end,
            "REBOOT": self.need,
            "RESET": self.need,
            "POLL": self.poll,
            "SAVE": self.save,
            "RESTORE": self.restore,
            "MIGRATE": self.migrate,
            "MIGRATECOPY": self.migrate,
            "SNAPSHOTCREATE": self.snapshot,
            **dict.fromkeys(_CHANGES, self.need),
        }

    def act(self, verb: str, vm_id: int, payload: str) -> str:
        """Do what is asked, unless something newer was asked before.

        Raises:
            Failure: it cannot be done, or is out of date.
            DriverFault: the payload cannot be read.
        """
        data = action_data.parse(payload)
        self._world.refresh()
        key = _key(vm_id, data)
        domain = self._world.get(key)
        if data.step < domain.step:
            raise Failure(f"step {data.step} is out of date, step {domain.step} was seen already")
        if data.step > domain.step:
            self._put(key, domain.host, domain.state, data)
        return self.verbs[verb](key, data)

    def deploy(self, key: Key, data: ActionData) -> str:
        """Run it; what runs on this host runs."""
        domain = self._world.get(key)
        if domain.state in ACTIVE and domain.host != data.host:
            raise Failure(f"{name_of(key)} runs on {domain.host}: it would run twice")
        if domain.state != RUNNING:
            self._put(key, data.host, RUNNING, data)
        return f"{name_of(key)}"

    def end(self, key: Key, data: ActionData) -> str:
        """End it; what does not run on this host has ended."""
        if self._is_on(key, data.host):
            self._put(key, data.host, GONE, data)
        return ""

    def need(self, key: Key, data: ActionData) -> str:
        """Do nothing to a domain that must be there, running or paused."""
        if not self._is_on(key, data.host):
            raise Failure(f"{name_of(key)} does not run on {data.host}")
        return ""

    def poll(self, key: Key, data: ActionData) -> str:
        """Return its figures and state (reference/drivers.md §6.2)."""
        if not self._is_on(key, data.host):
            return "STATE=d"
        return f"STATE={'p' if self._world.get(key).state == PAUSED else 'a'} {_FIGURES}"

    def save(self, key: Key, data: ActionData) -> str:
        """Put it to sleep; what sleeps is asleep."""
        if self._world.get(key).state != SAVED:
            self.need(key, data)
            self._put(key, data.host, SAVED, data)
        return ""

    def restore(self, key: Key, data: ActionData) -> str:
        """Wake it up, on any host; what is paused on this one goes on."""
        if self._runs(key, data.host):
            return f"{name_of(key)}"
        if self._world.get(key).state != SAVED and not self._is_on(key, data.host):
            raise Failure(f"{data.checkpoint_file} does not exist: {name_of(key)} was never saved")
        self._put(key, data.host, RUNNING, data)
        return f"{name_of(key)}"

    def migrate(self, key: Key, data: ActionData) -> str:
        """Move it while it runs; what has moved has moved."""
        if not self._is_on(key, data.migrate_host):
            self.need(key, data)
            self._put(key, data.migrate_host, RUNNING, data)
        return ""

    def snapshot(self, key: Key, data: ActionData) -> str:
        """Return the name of the snapshot that is made."""
        self.need(key, data)
        return snapshot_name(parse_vm(data.vm).template.marked("SNAPSHOT", "ACTION", "CREATE"))

    def _is_on(self, key: Key, host: str) -> bool:
        domain = self._world.get(key)
        return domain.state in ACTIVE and domain.host == host

    def _runs(self, key: Key, host: str) -> bool:
        domain = self._world.get(key)
        return domain.state == RUNNING and domain.host == host

    def _put(self, key: Key, host: str, state: str, data: ActionData) -> None:
        self._world.put(key, Domain(host, state, data.step))


def _key(vm_id: int, data: ActionData) -> Key:
    """Return what the world calls a VM's domain: an imported one has the name that it had."""
    if "<IMPORTED>" in data.vm and parse_vm(data.vm).is_imported:
        return key_of(data.deploy_id.removeprefix("one-"))
    return vm_id


def main() -> None:
    """Run the driver until the engine ends it."""
    try:
        options = parse_options(sys.argv[1] if len(sys.argv) > 1 else "")
    except BadOptions as fault:
        sys.exit(f"trifid-vmm-dummy: {fault}")
    world = World(home() / "dummy" / "world.log")
    world.begin()
    hypervisors = Hypervisors(world)
    loop = Loop("vmm-dummy")
    loop.run(Actions(loop, options, dict.fromkeys(hypervisors.verbs, hypervisors.act), world).take)


if __name__ == "__main__":
    main()
