"""The information driver for hosts of all that libvirt manages: `trifid-im-libvirt`.

Arguments, one string: --uri URI, the same as that of the virtual machine driver; `--uri none` runs the
probes only.  Source: reference/drivers.md §2.3 (monitor family), §5.2.
"""

import os
import random
import resource
import signal
import sys
import threading
import time
from pathlib import Path

from trifid.core.template.scanner import parse
from trifid.drivers.im.accept_key import accept_key
from trifid.drivers.im.probes import Shelf
from trifid.drivers.im.runner import Openings, Told, here
from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.options import Options, parse_options
from trifid.drivers.libvirt.watch import HostWatch, Means
from trifid.drivers.remote.host import Hosts
from trifid.drivers.remote.way import way_of
from trifid.errors import BadTemplate, DriverFault
from trifid.wire.lines import Lines, LineTooLong, Message, from_driver, monitor_from_driver, parse_to_driver, unpack

NAME = "im-libvirt"
READ_BYTES = 1 << 16
PERIOD_S = 30.0
ENDS_IN_S = 1.0
FILES_MAX = 1 << 16
"""Each host takes a few files of this process."""


class Driver:
    """Reads requests, keeps one watch for each host, writes what they say."""

    def __init__(self, arguments: str) -> None:
        self._arguments = arguments
        self._options = Options()
        self._home = Path(os.environ.get("TRIFID_HOME") or Path.cwd())
        self._means = self._means_of(self._options)
        self._watches: dict[int, HostWatch] = {}
        self._out = os.dup(1)
        os.dup2(2, 1)  # whatever a library prints must not get among the messages
        self._out_lock = threading.Lock()
        self._is_over = False

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
                    self._end()
        self._end()

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
            case "ACCEPT_KEY":
                threading.Thread(target=self._accept_key, args=(message,), daemon=True).start()
            case _:
                text = f"{NAME} does not know {message.type}, it knows START_MONITOR, STOP_MONITOR and ACCEPT_KEY"
                self._say(message.type, "FAILURE", message.oid, int(time.time()), text)
        return True

    def _end(self) -> None:
        """End, with a moment for the probes of this machine to leave nothing behind."""
        with self._out_lock:
            self._is_over = True
        for watch in self._watches.values():
            watch.stop()
        for watch in self._watches.values():
            watch.join(ENDS_IN_S)
        _die()

    def _greet(self) -> None:
        try:
            self._options = parse_options(self._arguments, f"trifid-{NAME}")
            self._means = self._means_of(self._options)
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
        told = Told(said.single("DATASTORE_LOCATION"), said.single("PCI_FILTER") or self._options.pci_filter)
        watch = self._watches.get(message.oid)
        if watch is not None and watch.is_of(name, period_s, told):
            watch.report_now()
            return
        self._stop(message.oid)
        watch = self._watches[message.oid] = HostWatch(message.oid, name, period_s, self._means, self._say, told)
        watch.start()

    def _accept_key(self, message: Message) -> None:
        """Tell which key a host offers, and believe it from now on when that is asked for."""
        try:
            status, text = "SUCCESS", accept_key(self._means.way, unpack(message.payload))
        except (Failure, DriverFault, BadTemplate) as fault:
            status, text = "FAILURE", str(fault)
        except OSError as fault:
            status, text = "FAILURE", f"{fault.filename}: {fault.strerror}"
        self._say("ACCEPT_KEY", status, message.oid, int(time.time()), text)
        watch = self._watches.get(message.oid)
        if status == "SUCCESS" and watch is not None:
            watch.report_now()

    def _means_of(self, options: Options) -> Means:
        way = way_of(self._home, options.ssh_config)
        return Means(options, way, Shelf(self._home), random.random, Openings(), Hosts(way), here())

    def _stop(self, host_id: int) -> None:
        watch = self._watches.pop(host_id, None)
        if watch is not None:
            watch.stop()

    def _say(self, type: str, status: str, host_id: int, at: int, text: str) -> None:
        self._write(monitor_from_driver(type, status, host_id, at, text))

    def _write(self, line: bytes) -> None:
        with self._out_lock:
            while line and not self._is_over:
                try:
                    line = line[os.write(self._out, line) :]
                except BrokenPipeError:
                    _die()


def _ignore(fault: DriverFault) -> None:
    print(f"{NAME}: ignored: {fault}", file=sys.stderr, flush=True)


def _die() -> None:
    """End this process and its probes, half-done or not."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def main() -> None:
    """Serve the engine on standard input and output."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = FILES_MAX if most == resource.RLIM_INFINITY else min(most, FILES_MAX)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    Driver(sys.argv[1] if len(sys.argv) > 1 else "").run()
