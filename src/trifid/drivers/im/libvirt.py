"""The information driver for hosts of all that libvirt manages: `trifid-im-libvirt`.

Arguments, one string: --uri URI, the same as that of the virtual machine driver; `--uri none` runs the
probes only.  Source: reference/drivers.md §2.3 (monitor family), §5.2.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from trifid.core.template.scanner import parse
from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.options import Options, parse_options
from trifid.drivers.libvirt.watch import HostWatch
from trifid.errors import BadTemplate, DriverFault
from trifid.wire.lines import Lines, LineTooLong, Message, from_driver, monitor_from_driver, parse_to_driver, unpack

NAME = "im-libvirt"
READ_BYTES = 1 << 16
PERIOD_S = 30.0


class Driver:
    """Reads requests, keeps one watch for each host, writes what they say."""

    def __init__(self, arguments: str) -> None:
        self._arguments = arguments
        self._options = Options()
        self._home = Path(os.environ["TRIFID_HOME"]) if os.environ.get("TRIFID_HOME") else None
        self._watches: dict[int, HostWatch] = {}
        self._out = os.dup(1)
        os.dup2(2, 1)  # whatever a library prints must not get among the messages
        self._out_lock = threading.Lock()

    def run(self) -> None:
        """Serve until FINALIZE or the end of standard input."""
        lines = Lines()
        while data := os.read(0, READ_BYTES):
            try:
                complete = lines.feed(data)
            except LineTooLong as fault:
                _ignore(fault)
                complete = fault.lines
            for line in complete:
                if not self._take(line):
                    _end()
        _end()

    def _take(self, line: bytes) -> bool:
        """Do what a line asks; return whether to go on."""
        try:
            message = parse_to_driver(line)
        except DriverFault as fault:
            _ignore(fault)
            return True
        match message.type:
            case "INIT":
                self._greet()
            case "FINALIZE":
                return False
            case "START_MONITOR":
                self._start(message)
            case "STOP_MONITOR":
                self._stop(message.oid)
                self._say("STOP_MONITOR", "SUCCESS", message.oid, int(time.time()), "")
            case _:
                text = f"{NAME} does not know {message.type}, it knows START_MONITOR and STOP_MONITOR"
                self._say(message.type, "FAILURE", message.oid, int(time.time()), text)
        return True

    def _greet(self) -> None:
        try:
            self._options = parse_options(self._arguments, f"trifid-{NAME}")
        except Failure as failure:
            self._write(from_driver("INIT", "FAILURE", -1, str(failure)))
        else:
            self._write(from_driver("INIT", "SUCCESS", -1))

    def _start(self, message: Message) -> None:
        try:
            said = parse(unpack(message.payload))
            name = said.vector("HOST").get("NAME", "")
            period_s = float(said.single("PERIOD_S") or PERIOD_S)
            if not name or not period_s > 0:
                raise ValueError("HOST must have a NAME, and PERIOD_S must be more than 0")
        except (DriverFault, BadTemplate, ValueError) as fault:
            text = f"START_MONITOR cannot be read: {fault}"
            self._say("START_MONITOR", "FAILURE", message.oid, int(time.time()), text)
            return
        self._stop(message.oid)
        location = said.single("DATASTORE_LOCATION")
        pci_filter = said.single("PCI_FILTER") or self._options.pci_filter
        watch = HostWatch(message.oid, name, period_s, self._options, self._home, self._say, location, pci_filter)
        self._watches[message.oid] = watch
        watch.start()

    def _stop(self, host_id: int) -> None:
        watch = self._watches.pop(host_id, None)
        if watch is not None:
            watch.stop()

    def _say(self, type: str, status: str, host_id: int, at: int, text: str) -> None:
        self._write(monitor_from_driver(type, status, host_id, at, text))

    def _write(self, line: bytes) -> None:
        with self._out_lock:
            while line:
                try:
                    line = line[os.write(self._out, line) :]
                except BrokenPipeError:
                    _end()


def _ignore(fault: DriverFault) -> None:
    print(f"{NAME}: ignored: {fault}", file=sys.stderr, flush=True)


def _end() -> None:
    """End this process and its probes, half-done or not."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def main() -> None:
    """Serve the engine on standard input and output."""
    Driver(sys.argv[1] if len(sys.argv) > 1 else "").run()
