"""The arguments of the libvirt drivers: one string, as in the configuration."""

import argparse
import os
import shlex
from typing import NoReturn

import msgspec

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.connector import Connector
from trifid.drivers.libvirt.migration_options import MigrationOptions, add_migration_arguments, migration_options
from trifid.drivers.libvirt.registry import connector, name_for

NO_LIBVIRT = "none"
"""In the place of a URI: the information driver runs probes only."""

TYPES = ("auto", "kvm", "qemu")
SHARES = {"auto": -1, "v1": 1024, "v2": 100, "none": 0}


class Options(msgspec.Struct, frozen=True):
    """What the configuration says.

    Attributes:
        uri: of libvirt, with {host} for the host's name; "none": no libvirt (information driver only).
        type: kvm, qemu (emulation), or auto.
        connector: name of it; empty: the URI tells.
        shutdown_timeout_s: a guest that is not off by then has not been shut down.
        guest_timeout_s: a guest that has not let go of a device, or taken a new size, by then does not.
        shares_per_core: CPU shares of one core; 0 = none, -1 = find out.
        unsafe_migration: migrate although libvirt cannot tell that the disks are shared.
        migration: how live migrations are carried out.
        ssh_config: file in the place of the administrator's ssh_config, for hosts whose files are not seen here.
        pci_filter: which PCI devices of hosts VMs may have, unless a host's own PCI_FILTER says it; empty = none
            (information driver only).
        engine_id: of the engine that runs the driver, which marks its domains; empty when none does.
    """

    uri: str = "qemu:///system"
    type: str = "auto"
    shutdown_timeout_s: float = 120.0
    guest_timeout_s: float = 60.0
    shares_per_core: int = -1
    unsafe_migration: bool = False
    ssh_config: str = ""
    pci_filter: str = ""
    engine_id: str = ""
    connector: str = ""
    migration: MigrationOptions = MigrationOptions()


def connector_of(options: Options) -> Connector:
    """Return what the hypervisor is like.

    Raises:
        Failure: there is no such connector.
    """
    return connector(options.connector or name_for(options.uri))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Failure(f"arguments: {message}; {' '.join(self.format_usage().split())}")


def parse_options(text: str, program: str) -> Options:
    """Return the options in a driver's argument.

    Raises:
        Failure: an unknown option or a wrong value.
    """
    parser = _Parser(prog=program, add_help=False, allow_abbrev=False)
    default = Options()
    parser.add_argument("--uri", default="")
    parser.add_argument("--connector", default="", metavar="NAME")
    parser.add_argument("--type", default=default.type, choices=TYPES)
    parser.add_argument("--shutdown-timeout", default=default.shutdown_timeout_s, type=float, metavar="SECONDS")
    parser.add_argument("--guest-timeout", default=default.guest_timeout_s, type=float, metavar="SECONDS")
    parser.add_argument("--cpu-shares", default="auto", choices=tuple(SHARES))
    parser.add_argument("--unsafe-migration", action="store_true")
    add_migration_arguments(parser)
    parser.add_argument("--ssh-config", default="", metavar="FILE")
    parser.add_argument("--pci-filter", default="", metavar="VENDOR:DEVICE:CLASS,…")
    try:
        words = shlex.split(text)
    except ValueError as fault:
        raise Failure(f"arguments: {fault}: {text}") from fault
    found = parser.parse_args(words)
    uri = found.uri or default.uri
    if uri != NO_LIBVIRT:
        of = connector(found.connector or name_for(uri))
        own = of.uri if os.geteuid() == 0 else of.user_uri or of.uri  # docs/decisions/0012
        uri = found.uri or own
    return Options(
        uri=uri,
        type=found.type,
        shutdown_timeout_s=found.shutdown_timeout,
        guest_timeout_s=found.guest_timeout,
        shares_per_core=SHARES[found.cpu_shares],
        unsafe_migration=found.unsafe_migration,
        ssh_config=found.ssh_config,
        pci_filter=found.pci_filter,
        engine_id=os.environ.get("TRIFID_ENGINE_ID", ""),
        connector=found.connector,
        migration=migration_options(found),
    )
