"""Containers, through libvirt's own LXC driver (which has nothing to do with the programs of that name).

A container is unprivileged: its root is an ordinary user of its host.  See docs/lxc.md.

Source: libvirt's drvlxc and formatdomain; LXC_UNPRIVILEGED as in OpenNebula's LXC driver.
"""

import shlex
from xml.etree.ElementTree import Element, SubElement

import libvirt

from trifid.core.template.types import STOP_SIGNALS
from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.capacity import shares
from trifid.drivers.libvirt.connector import Connector, Hypervisor, Place
from trifid.drivers.libvirt.connectors import kvm
from trifid.drivers.libvirt.connectors.lxc_disks import FILE_SYSTEM, file_systems
from trifid.drivers.libvirt.connectors.lxc_figures import statistics
from trifid.drivers.libvirt.connectors.lxc_start import settle, starting
from trifid.drivers.libvirt.connectors.lxc_users import USERS, put_users
from trifid.drivers.libvirt.connectors.lxc_words import CANNOT, NOT_USED
from trifid.drivers.libvirt.identity import domain_element, text_of
from trifid.drivers.libvirt.mapping import Mapping, Property, child
from trifid.drivers.libvirt.nics import CABLE, LIMITS, SWITCH, plugged
from trifid.drivers.libvirt.raw import put_raw, raw_mapping
from trifid.drivers.libvirt.vm import Vector, VmDocument

INIT = "/sbin/init"
PERIOD_US = 100_000
"""Of the accounting of CPU time; libvirt's unit."""

_SIGNALS = {
    name: getattr(libvirt, f"VIR_DOMAIN_PROCESS_SIGNAL_{name.replace('RTMIN+', 'RT')}") for name in STOP_SIGNALS
}
"""libvirt's numbers of what OS/STOP_SIGNAL takes."""
_OFF_OF_AN_INIT = (_SIGNALS["RTMIN+4"], _SIGNALS["USR2"])
"""systemd powers off at the first and busybox at the second; each of them minds the other one's not."""

CAPACITY = Mapping(
    "",
    "domain",
    (
        Property("memory/@unit", default="KiB"),
        Property("memory", "MEMORY", convert=lambda mib: str(int(mib) * 1024), note="the limit"),
        Property("vcpu", "VCPU", default="1"),
        Property("cputune/shares", "CPU", note="as for KVM: the weight when CPUs are short"),
        Property("cputune/period", default=str(PERIOD_US)),
        Property("cputune/quota", "quota", note="VCPU times the period: no more than so many CPUs' time"),
    ),
)

OS = Mapping(
    "OS",
    "os",
    (
        Property("type", default="exe"),
        Property("type/@arch", "ARCH"),
        Property("init", "INIT", default=INIT, note="the container's first program"),
        Property("initarg", "INIT_ARGS", note="one element a word; quotes as in a shell"),
        Property("initenv", "INIT_ENV", note="words NAME=VALUE; quotes as in a shell"),
        Property(".", "STOP_SIGNAL", note="what the first program is told to end with (docs/lxc.md)"),
        Property(".", "UUID", note="of the domain"),
    ),
)

INTERFACE = Mapping(
    "NIC",
    "interface",
    (
        *CABLE,
        Property("guest/@dev", "guest", note="its name in the container: eth and the NIC_ID"),
        *LIMITS,
        *SWITCH,
    ),
)

RAW_TYPES = ("lxc",)
RAW = raw_mapping(RAW_TYPES, "elements appended to the domain, of libvirt's LXC")


def domain_xml(vm: VmDocument, directory: str, hypervisor: Hypervisor) -> str:
    """Return the container of a VM.

    Raises:
        Failure: a value of the template cannot be carried out; the text names the attribute.
    """
    for name in ("PCI", "USB"):
        if vm.template.vectors(name):
            raise Failure(f"{name}: a container gets no {name} devices: take the attribute out, or use a host with KVM")
    domain = domain_element(vm, directory, hypervisor)
    _put_capacity(domain, vm, hypervisor)
    domain.append(_os(vm.template.vector("OS")))
    put_users(domain, vm)
    child(SubElement(domain, "features"), "privnet")
    # what it stood on was taken away once it ran (lxc_start): only the driver can start it again
    for event in ("on_poweroff", "on_reboot", "on_crash"):
        child(domain, event, "destroy")
    devices = SubElement(domain, "devices")
    devices.extend([FILE_SYSTEM.element(one.values) for one in file_systems(vm, directory)])
    devices.extend([interface(vm, nic) for nic in vm.template.vectors("NIC")])
    child(child(devices, "console", type="pty"), "target", type="lxc", port="0")
    put_raw(domain, vm, RAW_TYPES, {})
    return text_of(domain)


def _put_capacity(domain: Element, vm: VmDocument, hypervisor: Hypervisor) -> None:
    if not vm.template.single("MEMORY"):
        raise Failure("MEMORY is missing: give it in MiB")
    given = {name: vm.template.single(name) for name in ("MEMORY", "VCPU")}
    quota = str(int(given["VCPU"] or 1) * PERIOD_US)
    CAPACITY.fill(domain, {**given, "CPU": shares(vm.template.single("CPU"), hypervisor), "quota": quota})


def _os(given: Vector) -> Element:
    init = given.get("INIT") or INIT
    if not init.startswith("/"):
        raise Failure(f"OS: INIT must be the absolute path of a program in the container, is {init}")
    stop_signals(given)
    made = OS.element({**given, "INIT_ARGS": "", "INIT_ENV": ""})
    for word in _words(given, "INIT_ARGS"):
        child(made, "initarg", word)
    for word in _words(given, "INIT_ENV"):
        name, sign, value = word.partition("=")
        if not name or not sign:
            raise Failure(f"OS: INIT_ENV must be words like NAME=VALUE, has {word}")
        child(made, "initenv", value, name=name)
    return made


def _words(given: Vector, key: str) -> list[str]:
    try:
        return shlex.split(given.get(key, ""))
    except ValueError as fault:
        raise Failure(f"OS: {key} cannot be taken apart: {fault}") from fault


def interface(_: VmDocument, nic: Vector) -> Element:
    """Return the interface of a NIC.

    Raises:
        Failure: a peak without an average.
    """
    return INTERFACE.element({**plugged(nic), "guest": f"eth{nic['NIC_ID']}" if nic.get("NIC_ID") else ""})


def stop_signals(os: Vector) -> tuple[int, ...]:
    """Return libvirt's numbers of the signals that make a container's first program end, and all with it.

    Raises:
        Failure: OS/STOP_SIGNAL is none that can be sent.
    """
    name = os.get("STOP_SIGNAL", "").upper()
    if name:
        if name not in _SIGNALS:
            raise Failure(f"OS: STOP_SIGNAL must be one of {', '.join(_SIGNALS)}, is {name}")
        return (_SIGNALS[name],)
    return _OFF_OF_AN_INIT if (os.get("INIT") or INIT) == INIT else (_SIGNALS["TERM"],)


def press(domain: "libvirt.virDomain", vm: VmDocument) -> None:
    """Ask a container to end; a signal that its first program does not handle does not reach it."""
    for signal in stop_signals(vm.template.vector("OS")):
        domain.sendProcessSignal(1, signal)


def hypervisor(place: Place) -> Hypervisor:
    """Return what containers are made for."""
    return Hypervisor("lxc", kvm.shares_per_core(place))


CONNECTOR = Connector(
    name="lxc",
    title="LXC containers",
    types=("LXC",),
    uri="lxc:///system",
    mappings=(CAPACITY, OS, USERS, FILE_SYSTEM, INTERFACE, RAW),
    domain_xml=domain_xml,
    hypervisor=hypervisor,
    not_used=NOT_USED,
    cannot=CANNOT,
    interface=interface,
    starting=starting,
    settle=settle,
    press=press,
    deaf="its first program ignores the signal (OS/STOP_SIGNAL chooses it)",
    statistics=statistics,
    facts=lambda _: {"HYPERVISOR": "lxc"},
)
