"""What one hypervisor behind libvirt is like: all that its drivers must know of it, in one place.

    CONNECTOR = Connector("mine", ("MINE",), "mine:///system", MAPPINGS, domain_xml, hypervisor)

in a module of its own, and an entry point of the group `trifid.connectors` that names it, make
`trifid-vmm-libvirt` and `trifid-im-libvirt` work with that hypervisor (connectors.py finds it).
"""

from collections.abc import Callable
from collections.abc import Mapping as Values
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol
from xml.etree.ElementTree import Element

import libvirt
import msgspec

from trifid.drivers.kit import Request
from trifid.drivers.libvirt.mapping import Mapping
from trifid.drivers.libvirt.vm import Vector, VmDocument
from trifid.drivers.remote.host import Host

Stats = dict[str, Any]
"""Figures of one domain by libvirt's names for them: cpu.time, balloon.rss, net.0.rx.bytes …"""

STATISTICS = (
    libvirt.VIR_DOMAIN_STATS_STATE
    | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_VCPU
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
    | libvirt.VIR_DOMAIN_STATS_BLOCK
)


GONE = (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID)
"""What libvirt answers about a domain that went while it was asked."""


class Hypervisor(msgspec.Struct, frozen=True):
    """What a domain is made for.

    Attributes:
        type: of the domain, as libvirt calls it: kvm, qemu (emulated), xen, lxc, test.
        shares_per_core: CPU shares of one core; 0 = the host cannot weigh domains.
        node_cpus: CPUs of the host's NUMA nodes, {node: "0,1,4,5"}.
    """

    type: str
    shares_per_core: int = 1024
    node_cpus: Values[str, str] = {}


class Place(msgspec.Struct, frozen=True):
    """Where domains shall run, to be told from it what they are made for.

    Attributes:
        uri: of the libvirt there.
        is_local: whether that is this machine.
        capabilities: libvirt's document of it.
        type: what the option --type asks for, auto when it leaves the choice.
        shares_per_core: what the option --cpu-shares says; -1 = find out.
    """

    uri: str
    is_local: bool
    capabilities: str
    type: str = "auto"
    shares_per_core: int = -1


class Stay(msgspec.Struct, frozen=True):
    """A VM on its host, for what a connector has to do there beside libvirt.

    Attributes:
        directory: of the VM on the host, where its disks are.
        machine: the host, for commands.
        request: that is being carried out.
    """

    vm: VmDocument
    directory: str
    machine: Host
    request: Request


def bulk(groups: int = STATISTICS) -> "Callable[[Any, list[Any] | None], list[tuple[Any, Stats]]]":
    """Return what asks libvirt for these groups of statistics, of some or of all domains in one call."""

    def ask(opened: "libvirt.virConnect", domains: "list[libvirt.virDomain] | None") -> list[tuple[Any, Stats]]:
        if domains is not None:
            return list(opened.domainListGetStats(domains, groups))
        # NOWAIT: a domain that is busy (saving, moving) is told with what is known
        return list(opened.getAllDomainStats(groups, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT))

    return ask


def one_by_one(
    figures: "Callable[[Any], Stats | None]",
) -> "Callable[[Any, list[Any] | None], list[tuple[Any, Stats]]]":
    """Return what asks for the statistics of each domain, where libvirt has no bulk statistics.

    One that has gone meanwhile is left out, as is one of which `figures` tells nothing.
    """

    def ask(opened: "libvirt.virConnect", domains: "list[libvirt.virDomain] | None") -> list[tuple[Any, Stats]]:
        found = []
        for domain in opened.listAllDomains() if domains is None else domains:
            try:
                stats = figures(domain)
            except libvirt.libvirtError as fault:
                if fault.get_error_code() not in GONE:
                    raise
            else:
                if stats is not None:
                    found.append((domain, stats))
        return found

    return ask


def _nothing(_: str) -> dict[str, str]:
    return {}


Gauge = Callable[[Any], dict[str, str]]
"""Measures one host through its open libvirt."""


def _no_gauge() -> Gauge:
    return lambda _: {}


def _by_cpu_shares(domain: "libvirt.virDomain", weight: int) -> None:
    domain.setSchedulerParametersFlags({"cpu_shares": weight}, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _no_hints(_: VmDocument) -> list[str]:
    return []


class Settle(Protocol):
    """See Connector.settle."""

    def __call__(self, stay: Stay, /, *, has_ended: bool) -> None: ...


def _nothing_around(_: Stay) -> AbstractContextManager[None]:
    return nullcontext()


def _nothing_left(_: Stay, *, has_ended: bool) -> None:
    pass


def _no_controllers(_: VmDocument, __: list[Element]) -> list[Element]:
    return []


class Connector(msgspec.Struct, frozen=True):
    """A hypervisor behind libvirt.

    Attributes:
        name: for --connector; where it is not given, the scheme of the URI is looked for.
        types: what libvirt's virConnectGetType() answers there, in upper case.
        uri: of the libvirt of this machine, for root.
        mappings: what becomes of the attributes of a template, in the order of the page.
        domain_xml: returns the domain of a VM whose files are in a directory of its host; raises Failure, which
            names the attribute, for what cannot be carried out.
        hypervisor: tells what domains are made for at a place.
        title: for the page; the name when empty.
        user_uri: the libvirt of an ordinary user; empty = there is only that of root.
        not_used: attributes that have no part in a domain here, each with why, beside those of page.NOT_USED.
        cannot: verbs of drivers that come to nothing here, each with the reason, which becomes the answer.
        disk: returns the device that plugs a DISK of a VM in, whose files are in a directory.
        interface: returns the device that plugs a NIC in.
        controllers: returns what must be there before disks are plugged in, when the domain has no SCSI controller.
        pluggable: buses that take disks while a machine runs.
        checkpoints: first bytes of the file of a domain whose memory is saved completely.
        shutdown_flags, reboot_flags, restore_flags: for libvirt's calls.
        tunes_migration: whether it takes the flags and limits of QEMU's live migrations, and can take disks along.
        starting: what must be so on a host while a domain is made: it is around libvirt's call.
        settle: leaves nothing on a host of what `starting` did; called when the domain is found running after an
            attempt that was cut short, and when it has ended: then it returns when the VM's disks may be moved.
        press: asks a machine to shut down, instead of libvirt's call.
        deaf: what is told when that has no effect.
        statistics: asks for the figures of domains, None = of all.
        hints: tells what of a template its owner may miss in the domain, for the VM's log.
        facts: tells more of a host, by libvirt's capabilities; goes before what probes say by the same name.
        gauge: makes what tells how loaded a host is, one for each; goes before what probes say by the same name.
        weigh: gives a running domain another weight.
    """

    name: str
    types: tuple[str, ...]
    uri: str
    mappings: tuple[Mapping, ...]
    domain_xml: Callable[[VmDocument, str, Hypervisor], str]
    hypervisor: Callable[[Place], Hypervisor]
    title: str = ""
    user_uri: str = ""
    not_used: Values[str, str] = {}
    cannot: Values[str, str] = {}
    disk: Callable[[VmDocument, Vector, str], Element] | None = None
    interface: Callable[[VmDocument, Vector], Element] | None = None
    controllers: Callable[[VmDocument, list[Element]], list[Element]] = _no_controllers
    pluggable: tuple[str, ...] = ()
    checkpoints: tuple[bytes, ...] = ()
    shutdown_flags: int = 0
    reboot_flags: int = 0
    restore_flags: int = 0
    tunes_migration: bool = False
    starting: Callable[[Stay], AbstractContextManager[None]] = _nothing_around
    settle: Settle = _nothing_left
    press: "Callable[[libvirt.virDomain, VmDocument], object] | None" = None
    deaf: str = "its guest ignores ACPI"
    statistics: Callable[[Any, list[Any] | None], list[tuple[Any, Stats]]] = bulk()
    hints: Callable[[VmDocument], list[str]] = _no_hints
    facts: Callable[[str], dict[str, str]] = _nothing
    gauge: Callable[[], Gauge] = _no_gauge
    weigh: Callable[[Any, int], None] = _by_cpu_shares
