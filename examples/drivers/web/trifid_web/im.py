"""The information driver `im.web`: a thread for each host says what it is, how loaded it is, and what runs there."""

import os
import platform
import sys
import threading
import time

from trifid.core.template.scanner import parse
from trifid.drivers.kit import Failure
from trifid.errors import BadTemplate, DriverFault
from trifid.wire.lines import Lines, LineTooLong, Message, monitor_from_driver, parse_to_driver, unpack
from trifid_web.machines import running

_KIB = 1024


class Watch:
    """Reports on one host until it is stopped."""

    def __init__(self, host_id: int, text: str) -> None:
        """Raises Failure or BadTemplate when the text does not tell what to watch."""
        about = parse(text)
        self.host_id = host_id
        self.host = about.vector("HOST").get("NAME", "")
        self.period_s = float(about.single("PERIOD_S") or 30)
        list(running(self.host))  # a name that cannot be is refused now
        self.stopped = threading.Event()

    def run(self) -> None:
        """Report every period."""
        while not self.stopped.is_set():
            at = int(time.time())  # before the look: what happens meanwhile is newer
            for kind, text in (
                ("SYSTEM_HOST", _described()),
                ("MONITOR_HOST", _measured()),
                ("STATE_VM", self._states()),
            ):
                say(monitor_from_driver(kind, "SUCCESS", self.host_id, at, text), unless=self.stopped)
            self.stopped.wait(self.period_s)

    def _states(self) -> str:
        vms = "".join(f'VM=[ID="{n}",DEPLOY_ID="one-{n}",STATE="RUNNING"]\n' for n in running(self.host))
        return f'SYNC_STATE="YES"\nMISSING_STATE="POWEROFF"\n{vms}'


def _pages(name: str) -> int:
    return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE") // _KIB


def _described() -> str:
    cores, memory_kib = os.cpu_count() or 1, _pages("SC_PHYS_PAGES")
    return f'HYPERVISOR="web"\nARCH="{platform.machine()}"\nTOTALCPU="{100 * cores}"\nTOTALMEMORY="{memory_kib}"\n'


def _measured() -> str:
    cores, total, free = os.cpu_count() or 1, _pages("SC_PHYS_PAGES"), _pages("SC_AVPHYS_PAGES")
    used = min(100 * cores, int(100 * os.getloadavg()[0]))
    return f'USEDCPU="{used}"\nFREECPU="{100 * cores - used}"\nUSEDMEMORY="{total - free}"\nFREEMEMORY="{free}"\n'


_writing = threading.Lock()


def say(line: bytes, unless: threading.Event | None = None) -> None:
    """Write one line to the engine, whole."""
    with _writing:
        if unless is None or not unless.is_set():
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()


def answer(message: Message, status: str, text: str = "") -> None:
    """Answer one request."""
    say(monitor_from_driver(message.type, status, message.oid, int(time.time()), text))


def take(message: Message, watches: dict[int, Watch]) -> None:
    """Do what one message asks."""
    if message.type == "START_MONITOR":
        try:
            watch = Watch(message.oid, unpack(message.payload))
        except (DriverFault, BadTemplate, Failure, ValueError) as fault:
            answer(message, "FAILURE", str(fault))
            return
        stop(message.oid, watches)
        watches[message.oid] = watch
        answer(message, "SUCCESS")
        threading.Thread(target=watch.run, daemon=True).start()
    elif message.type == "STOP_MONITOR":
        stop(message.oid, watches)
        answer(message, "SUCCESS")
    else:
        answer(message, "FAILURE", f"im-web does not know {message.type}")


def stop(host_id: int, watches: dict[int, Watch]) -> None:
    """Say no more about a host."""
    if watch := watches.pop(host_id, None):
        with _writing:
            watch.stopped.set()


def main() -> None:
    """Serve the engine on standard input and output."""
    lines, watches = Lines(), dict[int, Watch]()
    while data := os.read(0, 1 << 16):
        try:
            complete = lines.feed(data)
        except LineTooLong as fault:
            complete = fault.lines
        for line in complete:
            try:
                message = parse_to_driver(line)
            except DriverFault as fault:
                sys.stderr.write(f"ignored: {fault}\n")
                continue
            if message.type == "INIT":
                say(b"INIT SUCCESS\n")
            elif message.type == "FINALIZE":
                return
            elif message.timestamp is not None:
                take(message, watches)
