"""How live migrations are carried out: the driver's options, and what a VM's owner may add.

The owner says `MIGRATION = [ MAX_DOWNTIME_MS = 50, WHEN_LATE = PAUSE ]` in the VM's attributes: what only the guest
feels.  How much of the network and how long is the administrator's, in the driver's arguments.
"""

import argparse
import math
from collections.abc import Callable

import libvirt
import msgspec

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.vm import VmDocument

ABORT, PAUSE = "abort", "pause"
HOST = "{host}"
"""Stands for the target's name in a URI."""
GIB = 1 << 30
MIB_PER_GIB = 1024
_DOWNTIME_MAX_MS = 60_000
_BANDWIDTH_MAX_MIB_S = 1 << 20
_SECONDS_MAX = 7 * 86400.0


class MigrationOptions(msgspec.Struct, frozen=True):
    """What the configuration says.

    Attributes:
        timeout_s: for each GiB of memory and disks that moves, at least for one.
        when_late: abort, or pause the guest so that it can end.
        bandwidth_mib_s: at most so much is sent; 0 = as much as there is.
        max_downtime_ms: the guest stands still at most so long for the last step; 0 = as the hypervisor thinks.
        is_converging: a guest that changes its memory faster than it can be sent is slowed down.
        is_compressed: memory that changes again and again is sent compressed.
        uri: by which the target's hypervisor is reached; empty = by the name that its libvirt gives.
    """

    timeout_s: float = 180.0
    when_late: str = ABORT
    bandwidth_mib_s: int = 0
    max_downtime_ms: int = 0
    is_converging: bool = True
    is_compressed: bool = False
    uri: str = ""

    def of(self, vm: VmDocument) -> "MigrationOptions":
        """Return what holds for a VM, whose owner may have said something.

        Raises:
            Failure: he said something that cannot be.
        """
        wish = vm.user_template.vector("MIGRATION")
        downtime = wish.get("MAX_DOWNTIME_MS", "")
        if downtime and not (downtime.isascii() and downtime.isdecimal() and 0 < int(downtime[:9]) <= _DOWNTIME_MAX_MS):
            raise Failure(f"MIGRATION/MAX_DOWNTIME_MS must be 1 to {_DOWNTIME_MAX_MS}, is {downtime[:40]}")
        late = wish.get("WHEN_LATE", "").lower()
        if late not in ("", PAUSE):
            raise Failure(f"MIGRATION/WHEN_LATE can be {PAUSE.upper()}, is {late[:40]}")
        return msgspec.structs.replace(
            self, max_downtime_ms=int(downtime or self.max_downtime_ms), when_late=late or self.when_late
        )

    def limit_s(self, size: int) -> float:
        """Return how long it may take to move so many bytes; twice what the bandwidth needs if that is more."""
        each_s = max(self.timeout_s, 2 * MIB_PER_GIB / self.bandwidth_mib_s if self.bandwidth_mib_s else 0.0)
        return each_s * max(1, math.ceil(size / GIB))

    @property
    def flags(self) -> int:
        """Return libvirt's flags."""
        flags: int = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_ABORT_ON_ERROR
        flags |= libvirt.VIR_MIGRATE_AUTO_CONVERGE if self.is_converging else 0
        return flags | (libvirt.VIR_MIGRATE_COMPRESSED if self.is_compressed else 0)

    def parameters(self, target: str) -> dict[str, object]:
        """Return libvirt's parameters for a migration to a host."""
        found: dict[str, object] = {}
        if self.bandwidth_mib_s:
            found[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH] = self.bandwidth_mib_s
        if self.uri:
            found[libvirt.VIR_MIGRATE_PARAM_URI] = self.uri.replace(HOST, target)
        return found


def add_migration_arguments(parser: argparse.ArgumentParser) -> None:
    """Let a parser know the arguments."""
    of = MigrationOptions()
    parser.add_argument("--migration-timeout", default=of.timeout_s, type=_within(1, _SECONDS_MAX), metavar="SECONDS")
    parser.add_argument("--migration-when-late", default=of.when_late, choices=(ABORT, PAUSE))
    parser.add_argument("--migration-bandwidth", default=0.0, type=_within(1, _BANDWIDTH_MAX_MIB_S), metavar="MIB")
    parser.add_argument("--migration-downtime", default=0.0, type=_within(1, _DOWNTIME_MAX_MS), metavar="MS")
    parser.add_argument("--migration-no-converge", action="store_true")
    parser.add_argument("--migration-compressed", action="store_true")
    parser.add_argument("--migration-uri", default="", metavar="tcp://{host}")


def migration_options(found: argparse.Namespace) -> MigrationOptions:
    """Return the options that were parsed."""
    return MigrationOptions(
        timeout_s=found.migration_timeout,
        when_late=found.migration_when_late,
        bandwidth_mib_s=int(found.migration_bandwidth),
        max_downtime_ms=int(found.migration_downtime),
        is_converging=not found.migration_no_converge,
        is_compressed=found.migration_compressed,
        uri=found.migration_uri,
    )


def _within(least: float, most: float) -> Callable[[str], float]:
    """Return what reads a number between two others."""

    def number(text: str) -> float:
        value = float(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be {least:g} to {most:g}, is {text[:40]}")
        return value

    return number
