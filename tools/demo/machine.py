"""What the demo needs of this machine: a libvirt that answers, a bridge, and for a user the right to use it.

Everything that is changed is said before, written down in MADE, and taken back by `make demo-clean`.
"""

import ipaddress
import json
import os
import pwd
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

from show import Failed, as_root, background, look, run, say

BRIDGE = "trifid0"
NETWORK = ipaddress.ip_network("10.0.0.0/24")
ADDRESS = "10.0.0.254"
"""This machine's in NETWORK; the network of the example leases .1 to .250."""

BRIDGE_HELPER = Path("/usr/lib/qemu/qemu-bridge-helper")
BRIDGE_RULES = Path("/etc/qemu/bridge.conf")
BRIDGE_RULE = f"allow {BRIDGE}"
LIBVIRTD_WAIT_S = 30.0
LOG = "libvirtd.log"
REAPER = Path(__file__).with_name("reaper.py")

# For a libvirtd that is started by hand, where no service is: no cgroups, no security driver, no other
# daemon and no other user.
QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
dynamic_ownership = 0
remember_owner = 0
"""


class Made:
    """What was changed on this machine, so that it can be taken back: a file of facts in the demo's home."""

    def __init__(self, home: Path) -> None:
        self.run = home / "run"
        self._path = self.run / "made.json"
        try:
            self.facts: dict[str, str] = json.loads(self._path.read_text())
        except FileNotFoundError:
            self.facts = {}

    def note(self, what: str, value: str) -> None:
        """Write down that something was made."""
        self.facts[what] = value
        self.run.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self.facts))


def libvirt(made: Made) -> str:
    """Return the URI of a libvirt that answers, started if need be."""
    is_root = os.geteuid() == 0
    uri = "qemu:///system" if is_root else "qemu:///session"
    has_services = Path("/run/systemd/system").is_dir()
    by_hand = None
    if not answers(uri, may_spawn=has_services):
        if not has_services:
            by_hand = _start_by_hand(made, is_root=is_root)
        elif is_root:
            say("libvirt's service does not run: starting it")
            run("systemctl", "start", "libvirtd", hint="see: journalctl -u libvirtd")
    deadline = time.monotonic() + LIBVIRTD_WAIT_S
    while not answers(uri, may_spawn=has_services):
        if by_hand and by_hand.poll() is not None:
            raise Failed(f"libvirtd ended: {(made.run / LOG).read_text().strip()}")
        if time.monotonic() > deadline:
            raise Failed(f"libvirt does not answer at {uri}", f"see what it says: virsh -c {uri} list")
        time.sleep(0.2)
    say(f"libvirt answers at {uri}")
    return uri


def answers(uri: str, *, may_spawn: bool = True) -> bool:
    """Tell whether libvirt can be used; connecting to that of a user starts it, if it may."""
    environment = () if may_spawn else ("env", "LIBVIRT_AUTOSTART=0")
    return look(*environment, "virsh", "-q", "-c", uri, "list") is not None


def _start_by_hand(made: Made, *, is_root: bool) -> "subprocess.Popen[bytes]":
    """Start libvirtd where no service manager does; the system's alone sees the configuration it is given."""
    made.run.mkdir(parents=True, exist_ok=True)
    conf, pid, log = (made.run / name for name in ("qemu.conf", "libvirtd.pid", LOG))
    say(f"no service manager here: starting libvirtd by hand; its process id is in {pid}")
    if is_root:
        conf.write_text(QEMU_CONF)
        say(f"its settings are {conf}")
        script = 'mount --bind "$0" /etc/libvirt/qemu.conf && exec libvirtd --pid-file "$1"'
        command: tuple[str, ...] = ("unshare", "--mount", "sh", "-c", script, str(conf), str(pid))
    else:
        command = ("libvirtd", "--pid-file", str(pid))
    started = background(sys.executable, str(REAPER), *command, log=log)
    made.note("libvirtd", str(pid))
    return started


def bridge(made: Made) -> None:
    """Make the bridge of the private network, with an address of this machine.

    Raises:
        Failed: the network is routed somewhere else already.
    """
    for route in json.loads(look("ip", "-j", "-4", "route") or "[]"):
        if route["dst"] == "default" or route.get("dev") == BRIDGE:
            continue
        if ipaddress.ip_network(route["dst"], strict=False).overlaps(NETWORK):
            raise Failed(
                f"{NETWORK} of the example is a network of this machine already: {route['dst']} by {route.get('dev')}",
                "run the demo on a machine, or in a network namespace, where that network is free",
            )
    links = json.loads(look("ip", "-j", "addr", "show", "dev", BRIDGE) or "[]")
    addresses = [a["local"] for link in links if link for a in link["addr_info"]]
    if ADDRESS in addresses and "UP" in links[0]["flags"]:
        say(f"the bridge {BRIDGE} is there, with {ADDRESS}")
        return
    say(f"the network of the VMs is a bridge, {BRIDGE}, where this machine is {ADDRESS}")
    if not links:
        run(*as_root("ip", "link", "add", BRIDGE, "type", "bridge"), hint="making a bridge needs root or sudo")
        made.note("bridge", BRIDGE)
    if ADDRESS not in addresses:
        run(*as_root("ip", "addr", "add", f"{ADDRESS}/{NETWORK.prefixlen}", "dev", BRIDGE))
    run(*as_root("ip", "link", "set", BRIDGE, "up"))


def bridge_for_user(made: Made) -> None:
    """Let a user's guests join the bridge: QEMU's helper with the set-user-id bit, and a rule that allows it."""
    if not BRIDGE_HELPER.exists():
        raise Failed(f"{BRIDGE_HELPER} is missing", "tools/packages guest installs it")
    if not BRIDGE_HELPER.stat().st_mode & stat.S_ISUID:
        say(f"{BRIDGE_HELPER.name} must run as root, so that your guests can join a bridge")
        run(*as_root("dpkg-statoverride", "--force-statoverride-add", "--update", "--add", "root", "root", "4755",
                     str(BRIDGE_HELPER)))  # fmt: skip
        made.note("helper", str(BRIDGE_HELPER))
    rules = look(*as_root("cat", str(BRIDGE_RULES))) or ""
    if BRIDGE_RULE not in rules.splitlines():
        say(f"{BRIDGE_RULES} must allow {BRIDGE}")
        run(*as_root("mkdir", "-p", str(BRIDGE_RULES.parent)))
        run(*as_root("sh", "-c", 'echo "$1" >> "$2"', "-", BRIDGE_RULE, str(BRIDGE_RULES)))
        made.note("rule", BRIDGE_RULE)


def reachable(made: Made, home: Path) -> None:
    """Let QEMU reach the demo's home: the system's libvirt runs it as a user of its own.

    A directory above that keeps others out, as /root does, is opened for that one user: to pass, not to list.
    """
    user = "libvirt-qemu"
    if "libvirtd" in made.facts or os.environ.get("TRIFID_LAB") or user not in {u.pw_name for u in pwd.getpwall()}:
        return
    closed = [d for d in (home, *home.parents) if not d.stat().st_mode & stat.S_IXOTH]
    if closed:
        run("tools/packages", "acl")
    shut = [d for d in closed if f"user:{user}:--x" not in (look("getfacl", "-p", str(d)) or "")]
    if not shut:
        return
    say(f"QEMU runs as {user}, which must be able to pass through {', '.join(map(str, shut))}")
    run("setfacl", "-m", f"u:{user}:x", *map(str, shut))
    made.note("passage", "\n".join(map(str, (d for d in shut if home not in (d, *d.parents)))))


def undo(made: Made) -> None:
    """Take back what was made, as far as it is still there."""
    facts = made.facts
    if "passage" in facts:
        run("setfacl", "-x", "u:libvirt-qemu", *facts["passage"].splitlines())
    if "rule" in facts:
        run(*as_root("sed", "-i", f"/^{facts['rule']}$/d", str(BRIDGE_RULES)))
    if "helper" in facts:
        run(*as_root("dpkg-statoverride", "--remove", facts["helper"]))
        run(*as_root("chmod", "u-s", facts["helper"]))
    if "bridge" in facts and look("ip", "link", "show", facts["bridge"]) is not None:
        run(*as_root("ip", "link", "del", facts["bridge"]))
    if "libvirtd" in facts:
        _end(Path(facts["libvirtd"]))


def _end(pid_file: Path) -> None:
    """End the libvirtd that was started by hand, if the process of that number is still one."""
    try:
        pid = int(pid_file.read_text())
        if Path(f"/proc/{pid}/comm").read_text().strip() == "libvirtd":
            say(f"ending libvirtd, process {pid}")
            os.kill(pid, signal.SIGTERM)
    except (FileNotFoundError, ProcessLookupError):
        return
