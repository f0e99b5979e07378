"""tools/lab: what can be asked of the lab."""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from host import DOWN, Host
from lab import HOSTS, Lab
from place import HOSTS_MAX, ROOT, Place, commands
from processes import Failed

PROGRAM = ROOT / "tools" / "lab"
Words = argparse.Namespace


def main() -> int:
    """Do what the command line says; return the exit status."""
    words = _parser().parse_args()
    place = Place(Path(words.home or os.environ.get("TRIFID_LAB_HOME") or ROOT / "lab-home").resolve())
    try:
        if os.geteuid() != 0:
            return _as_root(place)
        status: int = words.do(Lab(place), words) or 0
    except Failed as failed:
        print(f"tools/lab: {failed}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/lab", description="A cluster on one machine: hosts made of namespaces, and a front-end."
    )
    parser.add_argument("--home", help="directory of the lab: lab-home in the checkout, or TRIFID_LAB_HOME")
    verbs = parser.add_subparsers(metavar="COMMAND", required=True)

    def verb(name: str, do: Callable[[Lab, Words], int | None], about: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=about, description=about)
        added.set_defaults(do=do)
        return added

    up = verb("up", _up, "start the lab; what is there already stays")
    up.add_argument("--hosts", type=int, default=HOSTS, help=f"how many ({HOSTS})")
    up.add_argument("--kvm", action="store_true", help="guests under KVM, not emulated")
    up.add_argument("--here", action="store_true", help="in the namespaces that this command runs in, for tests")
    verb("down", _down, "end the lab, and remove all of it")
    verb("status", _status, "tell what runs")
    verb("shell", _shell, "a shell on the front-end")
    verb("run", _run, "run a command on the front-end").add_argument("command", nargs=argparse.REMAINDER)
    on = verb("on", _on, "run a command on a host; none: a shell")
    on.add_argument("host")
    on.add_argument("command", nargs=argparse.REMAINDER)
    for name, do, about in (
        ("crash", _crash, "end a host and its guests at once, as a power cut does"),
        ("start", _start, "switch a host on"),
        ("cut", _cut, "cut a host off the network; it goes on by itself"),
        ("mend", _mend, "bring a host back to the network"),
    ):
        verb(name, do, about).add_argument("host")
    power = verb("power", _power, "off: as crash; status: tell whether a host is off (status 0), or on (1)")
    power.add_argument("word", choices=("off", "status"))
    power.add_argument("host")
    return parser


def _as_root(place: Place) -> int:
    if not shutil.which("sudo"):
        raise Failed("namespaces need root: become root, or install sudo")
    print("tools/lab: sudo, because namespaces need root", file=sys.stderr)
    kept = [f"PATH={os.environ.get('PATH', os.defpath)}", f"TRIFID_LAB_HOME={place.path}", f"TRIFID_BIN={commands()}"]
    return subprocess.run(["sudo", "env", *kept, str(PROGRAM), *sys.argv[1:]], check=False).returncode


def _inside(lab: Lab) -> int | None:
    """Do the same on the front-end, unless this is it; return its exit status."""
    if lab.place.is_inside():
        return None
    environment = {**os.environ, "TRIFID_LAB_HOME": str(lab.place.path)}
    return subprocess.run(lab.argv(str(PROGRAM), *sys.argv[1:]), env=environment, check=False).returncode


def _up(lab: Lab, words: Words) -> int | None:
    if not 1 <= words.hosts <= HOSTS_MAX:
        raise Failed(f"{words.hosts} hosts: at least 1, at most {HOSTS_MAX}")
    if not lab.place.is_inside():
        if words.here:
            lab.begin_here()
        else:
            lab.begin()
    if (status := _inside(lab)) is not None:
        return status
    lab.up(words.hosts, "kvm" if words.kvm else "qemu", lambda text: print(f"==> {text}", flush=True))
    print(_HINTS)
    return None


_HINTS = """
The lab is up.  tools/lab shell enters it; then:
  onehost list
  onetemplate instantiate tiny --name web --multiple 3      # the scheduler places them
  onevm list
  onevm migrate --live web-0 host-2
  onehost maintenance host-1; onehost enable host-1
  lab crash host-2; lab start host-2                        # a power cut
  lab cut host-1; lab mend host-1                           # off the network, but alive
  lab on host-1 virsh list
Each also without a shell: tools/lab run onehost list; tools/lab crash host-2.  The end: tools/lab down."""


def _down(lab: Lab, words: Words) -> None:
    lab.end()


def _status(lab: Lab, words: Words) -> int | None:
    if not lab.is_there:
        print(f"no lab runs from {lab.place.path}")
        if lab.place.exists:
            print("its files are left: tools/lab up starts it again, tools/lab down removes them")
        return 1
    if (status := _inside(lab)) is not None:
        return status
    print(f"{'HOST':<10}{'ADDRESS':<14}{'STATE':<10}GUESTS")
    for host in lab.hosts.values():
        state = host.state
        print(f"{host.name:<10}{host.address:<14}{state:<10}{host.guests() if state != DOWN else '-'}")
    print(f"the engine {'answers' if lab.frontend.is_running() else 'does not run'}; its home is {lab.place.engine}")
    return None


def _shell(lab: Lab, words: Words) -> int:
    return _execute(lab, lab.argv(os.environ.get("SHELL", "/bin/sh")))


def _run(lab: Lab, words: Words) -> int:
    if not words.command:
        raise Failed("tools/lab run COMMAND: there is no command")
    return _execute(lab, lab.argv(*words.command))


def _on(lab: Lab, words: Words) -> int:
    if (status := _inside(lab)) is not None:
        return status
    return _execute(lab, lab.host(words.host).argv(*(words.command or ["/bin/sh"])))


def _execute(lab: Lab, argv: list[str]) -> int:
    """Become another command: what is typed at its terminal, ^C too, is for it alone."""
    try:
        os.execvpe(argv[0], argv, lab.place.environment())  # noqa: S606  (no shell is wanted)
    except OSError as fault:
        raise Failed(f"{argv[0]} cannot be run: {fault.strerror}") from fault


def _crash(lab: Lab, words: Words) -> int | None:
    return _to_host(lab, words, Host.crash)


def _start(lab: Lab, words: Words) -> int | None:
    return _to_host(lab, words, Host.start)


def _cut(lab: Lab, words: Words) -> int | None:
    return _to_host(lab, words, Host.cut)


def _mend(lab: Lab, words: Words) -> int | None:
    return _to_host(lab, words, Host.mend)


def _to_host(lab: Lab, words: Words, do: Callable[[Host], None]) -> int | None:
    if (status := _inside(lab)) is None:
        do(lab.host(words.host))
    return status


def _power(lab: Lab, words: Words) -> int | None:
    if (status := _inside(lab)) is not None:
        return status
    host = lab.host(words.host)
    if words.word == "off":
        host.crash()
    print("off" if host.state == DOWN else "on")
    return int(host.state != DOWN)
