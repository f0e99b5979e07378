"""The front-end of the lab: an engine that has the hosts, a network, an image and a template of a tiny guest."""

import subprocess
import time
from collections.abc import Callable
from functools import partial

from place import API_PORT, BRIDGE, ROOT, Place
from processes import Failed, run

URI = "qemu+ssh://{host}/system?no_tty=1"
SETTINGS = (
    ('"--uri qemu:///system --type auto"', f'"--uri {URI} --type auto --unsafe-migration"'),
    ('"--uri qemu:///system --type qemu"', f'"--uri {URI} --type qemu --unsafe-migration"'),
    ('"--uri qemu:///system"', f'"--uri {URI}"'),
    ("#monitoring_interval_s = 30", "monitoring_interval_s = 5"),
    ("#host_lost_after_s = 90", "host_lost_after_s = 20"),
)
"""What differs from a new home: ssh, a directory that is shared in a way that libvirt cannot tell, and short waits."""
FAILOVER = """
[failover]
enabled = true
after_s = 20
heartbeat_s = 2

[drivers.fence.power]
executable = "trifid-fence"
"""
POWER = """\
#!/bin/sh
# The power switch of the lab's hosts, for trifid-fence: off|status HOST HOST_ID.
exec "{program}" --home "{home}" power "$1" "$2"
"""
FENCE = "FENCE = [ METHOD = script, PROGRAM = power ]\n"
NETWORK = f"""\
NAME = "private"
TYPE = RANGED
BRIDGE = {BRIDGE}
NETWORK_SIZE = 200
NETWORK_ADDRESS = 10.0.0.0
"""
TEMPLATE = """\
NAME    = "{name}"
CPU     = 0.5
MEMORY  = 128
OS      = [ KERNEL = "{guest}/vmlinuz", INITRD = "{guest}/initrd.img", ROOT = "sda",
            KERNEL_CMD = "console=ttyS0 quiet" ]
DISK    = [ IMAGE = "tiny", TARGET = "sda" ]
NIC     = [ NETWORK = "private" ]
CONTEXT = [ HOSTNAME = "$NAME" ]
SCHED_DS_REQUIREMENTS = "{datastore}"
"""
TEMPLATES = {"tiny": "ID = 0", "tiny-local": r"NAME = \"local\""}
"""By name, where the disks of their VMs lie: shared by all hosts, or on each host's own disk."""
OF_EACH_HOST = """\
NAME   = "local"
TYPE   = SYSTEM_DS
TM_MAD = ssh
"""
IMAGE_READY_S, HOST_READY_S, LOOK_EVERY_S = 60.0, 60.0, 0.2


class Frontend:
    """The engine and what is in it.

    Args:
        driver: of the hosts, kvm or qemu.
    """

    def __init__(self, place: Place, driver: str) -> None:
        self._place, self._driver = place, driver

    def build_guest(self) -> None:
        """Make the guest's files, unless they are there."""
        if not (self._place.guest / "vmlinuz").exists():
            run(str(ROOT / "examples" / "guest" / "build"), str(self._place.guest))

    def start(self) -> None:
        """Make the engine's home if need be, and start the engine if it does not run."""
        settings = self._place.engine / "trifid.toml"
        if not settings.exists():
            self._do("trifid", "init", "--drivers", "libvirt", "--port", str(API_PORT))
            text = settings.read_text()
            for old, new in SETTINGS:
                if old not in text:
                    raise Failed(f"{settings} has no {old}: tools/lab is of another release than trifid")
                text = text.replace(old, new)
            settings.write_text(text + FAILOVER)
            self._write_power_switch()
        if not self.is_running():
            self._do("trifid", "start")

    def _write_power_switch(self) -> None:
        power = self._place.engine / "fence" / "power"
        power.parent.mkdir()
        power.write_text(POWER.format(program=ROOT / "tools" / "lab", home=self._place.path))
        power.chmod(0o755)

    def stop(self) -> None:
        """Stop the engine."""
        if self._place.engine.exists() and self.is_running():
            self._do("trifid", "stop")

    def is_running(self) -> bool:
        """Whether the engine answers."""
        argv = ["trifid", "status"]
        return not subprocess.run(argv, capture_output=True, env=self._place.environment(), check=False).returncode

    def fill(self, names: list[str]) -> None:
        """Add what is not there yet: hosts, network, datastore of the hosts' own, image and template."""
        known = self._names("onehost")
        new = [name for name in names if name not in known]
        fence = self._place.path / "fence.host"
        fence.write_text(FENCE)
        for name in new:
            self._do("onehost", "create", name, "--im", self._driver, "--vm", self._driver)
            self._do("onehost", "update", name, str(fence), "--append")
        self._add("onevnet", "private", NETWORK)
        self._add("onedatastore", "local", OF_EACH_HOST)
        if "tiny" not in self._names("oneimage"):
            disk = str(self._place.guest / "root.img")
            self._do("oneimage", "create", "--name", "tiny", "--path", disk, "-d", "1")
        for name, datastore in TEMPLATES.items():
            text = TEMPLATE.format(name=name, guest=self._place.guest, datastore=datastore)
            self._add("onetemplate", name, text)
        self._until(partial(self._is, "oneimage", "tiny", ("rdy", "used")), "the image tiny is ready", IMAGE_READY_S)
        for name in new:
            self._until(partial(self._is, "onehost", name, ("on",)), f"{name} is monitored", HOST_READY_S)

    def _add(self, command: str, name: str, text: str) -> None:
        if name not in self._names(command):
            file = self._place.path / f"{name}.{command.removeprefix('one')}"
            file.write_text(text)
            self._do(command, "create", str(file))

    def _names(self, command: str) -> set[str]:
        return set(self._do(command, "list", "--list", "NAME", "--csv", "--no-header").split())

    def _is(self, command: str, name: str, states: tuple[str, ...]) -> bool:
        lines = self._do(command, "list", "--list", "NAME,STAT", "--csv", "--no-header").split()
        return any(f"{name},{state}" in lines for state in states)

    def _until(self, is_so: Callable[[], bool], what: str, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not is_so():
            if time.monotonic() > deadline:
                raise Failed(f"not so after {timeout_s:g} s: {what}: see onehost list, and {self._place.engine}/log")
            time.sleep(LOOK_EVERY_S)

    def _do(self, *argv: str) -> str:
        return run(*argv, env=self._place.environment())
