"""Address services of a network, for guests without a context package: what its attributes ask for.

DHCP, DNS_SERVICE and ROUTER say YES; SERVICE_ADDRESS is where the guests find them, on every host.  It is
chosen once and kept in the network's template, so that a guest's gateway does not move when a range is added.
Source: docs/decisions/0016.
"""

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, ip_address

from msgspec.structs import replace

from trifid.core.network.address import format_ipv4, mask_bits, parse_ipv4
from trifid.core.network.host_document import Named, Services
from trifid.core.network.lease import last_explicit
from trifid.core.network.record import Network
from trifid.core.template.model import Template, Value
from trifid.core.template.validate import shown
from trifid.core.vm.record import VM
from trifid.errors import BadTemplate

SERVICES = ("DHCP", "DNS_SERVICE", "ROUTER")
"""Attributes of a network that ask for a service, with YES."""
ATTRIBUTES = (*SERVICES, "SERVICE_ADDRESS", "SERVICE_ADDRESS6")
"""What decides what runs on hosts: for administrators."""
SERVING_DRIVERS = ("bridge", "fw", "ebtables", "802.1Q", "vxlan")
"""Network drivers whose bridges a service can be a port of, and be kept from other hosts."""
LABEL_LENGTH_MAX = 63
DOMAIN_LENGTH_MAX = 253
_IPV4_BITS = 32
_IPV6_LENGTH = 64
_USUAL_HOST_BITS = 8
"""A network without NETWORK_MASK is a /24, as guests take it to be, unless its ranges need a larger one."""
_ADDRESSES = ("IP", "IP6", "IP6_GLOBAL", "IP6_ULA")
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NO_NAME = re.compile(r"[0-9]+[wdhms]?|infinite|ignore", re.ASCII)
"""Names that dnsmasq, in its file of leases, takes for the time of a lease, or for that there shall be none."""
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.ASCII)


def wants_services(network: Network) -> bool:
    """Tell whether the network asks for any."""
    return any(_is_yes(network.template, name) for name in SERVICES)


def with_services(network: Network, before: Network | None = None) -> Network:
    """Check what a network says of services; return it with what was left to us filled in.

    That is SERVICE_ADDRESS with its length; and where they are not given, what all guests, also those with a
    context package, must know: NETWORK_MASK, GATEWAY for ROUTER, DNS for DNS_SERVICE.

    Args:
        before: the network as it was; its SERVICE_ADDRESS stays when none is given.

    Raises:
        BadTemplate: an attribute is not what it must be, or the service would have a guest's address.
    """
    template = network.template
    for name in SERVICES:
        if template.single(name).strip().upper() not in ("", "YES", "NO"):
            raise BadTemplate(f'{name} must be YES or NO, is "{shown(template.single(name))}"')
    if not wants_services(network):
        return network
    if network.vn_mad not in SERVING_DRIVERS:
        drivers = ", ".join(SERVING_DRIVERS)
        raise BadTemplate(f"DHCP, DNS_SERVICE and ROUTER need VN_MAD to be one of {drivers}, is {network.vn_mad}")
    _check_told(template)
    interface = _address(network, before)
    filled: list[tuple[str, Value]] = [("SERVICE_ADDRESS", str(interface))]
    address = str(interface.ip)
    if not template.single("NETWORK_MASK"):
        filled.append(("NETWORK_MASK", str(interface.netmask)))
    if _is_yes(template, "ROUTER") and not template.single("GATEWAY"):
        filled.append(("GATEWAY", address))
    if _is_yes(template, "DNS_SERVICE") and not template.single("DNS"):
        filled.append(("DNS", address))
    if template.single("SERVICE_ADDRESS6"):
        filled.append(("SERVICE_ADDRESS6", str(_address6(template))))
    return replace(network, template=template.without(*(name for name, _ in filled)).having(*filled))


def check_address(network: Network) -> Network:
    """Return the network; raises BadTemplate when one of its ranges has the address of its services."""
    interface = _stored(network.template)
    if interface is not None and wants_services(network):
        _refuse_leased(network, int(interface.ip))
    return network


def services_of(network: Network, vms: Iterable[VM]) -> Services | None:
    """Return the services of a network, None when it has none.

    Args:
        vms: that have addresses of it.
    """
    interface, template = _stored(network.template), network.template
    if interface is None or not wants_services(network):
        return None
    own = str(interface.ip)
    gateway = template.single("GATEWAY").strip()
    domain = _domain(template)
    return Services(
        address=str(interface),
        address6=str(_address6(template)) if template.single("SERVICE_ADDRESS6") else "",
        has_dhcp=_is_yes(template, "DHCP"),
        has_dns=_is_yes(template, "DNS_SERVICE"),
        is_router=_is_yes(template, "ROUTER"),
        gateway=gateway if _is_address(gateway) and gateway != own else "",
        dns=tuple(one for one in _words(template.single("DNS")) if _is_address(one) and one != own),
        domain=domain if _is_domain(domain) else "",
        known=tuple(_known(network.id, vms)),
    )


def label_of(name: str, vm_id: int) -> str:
    """Return a VM's name as DNS can tell it (RFC 1123): `Web server #1` is `web-server-1`."""
    label = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if _NO_NAME.fullmatch(label):
        label = f"vm-{label}"
    return label[:LABEL_LENGTH_MAX].strip("-") or f"vm-{vm_id}"


# -- addresses -----------------------------------------------------------------------------------


def _address(network: Network, before: Network | None) -> IPv4Interface:
    """Return where the services are to be found."""
    template = network.template
    text, _, length = template.single("SERVICE_ADDRESS").strip().partition("/")
    is_router, gateway = _is_yes(template, "ROUTER"), template.single("GATEWAY").strip()
    if not text and is_router:
        text = gateway
    block = _block(network, text, length)
    if not text and before is not None and wants_services(before) and (kept := _stored(before.template)):
        text = str(kept.ip) if kept.ip in block else ""
    address = parse_ipv4(text, "SERVICE_ADDRESS") if text else _last_free(network, block)
    if not int(block.network_address) < address < int(block.broadcast_address):
        raise BadTemplate(f"SERVICE_ADDRESS must be an address of guests' network {block}, is {format_ipv4(address)}")
    _refuse_leased(network, address)
    if is_router and gateway and parse_ipv4(gateway, "GATEWAY") != address:
        raise BadTemplate(
            f"GATEWAY must be SERVICE_ADDRESS {format_ipv4(address)} where ROUTER is YES, is {gateway}: leave it out"
        )
    if not is_router and gateway and parse_ipv4(gateway, "GATEWAY") == address:
        raise BadTemplate(f"GATEWAY {gateway} is another machine's, SERVICE_ADDRESS must differ: or say ROUTER = YES")
    return IPv4Interface((address, block.prefixlen))


def _block(network: Network, address: str, length: str) -> IPv4Network:
    """Return the network that guests take themselves to be in."""
    spans = list(_spans(network))
    if not spans:
        raise BadTemplate(
            f"network {network.name}: DHCP, DNS_SERVICE and ROUTER need an address range with IPv4 addresses"
        )
    mask = network.template.single("NETWORK_MASK")
    bits = _USUAL_HOST_BITS
    if length:
        if not (length.isdecimal() and 1 <= int(length) <= _IPV4_BITS - 2):
            raise BadTemplate(f"SERVICE_ADDRESS must end in / and 1 to 30, or without, is '{shown(length)}'")
        bits = _IPV4_BITS - int(length)
    elif mask:
        bits = mask_bits(mask)
    ends = [end for span in spans for end in span]
    if address:
        ends.append(parse_ipv4(address, "SERVICE_ADDRESS"))
    needed = (min(ends) ^ max(ends)).bit_length()
    if needed > bits and (length or mask):
        raise BadTemplate(
            f"{format_ipv4(min(ends))} and {format_ipv4(max(ends))} must be in one network of guests, "
            f"they are not with {_IPV4_BITS - bits} bits in common: see NETWORK_MASK and SERVICE_ADDRESS"
        )
    bits = max(bits, needed)
    if not 2 <= bits < _IPV4_BITS:
        raise BadTemplate(f"a network of guests with services has 1 to 30 bits in common, has {_IPV4_BITS - bits}")
    return IPv4Network((min(ends) >> bits << bits, _IPV4_BITS - bits))


def _spans(network: Network) -> Iterator[tuple[int, int]]:
    """Yield the first and the last IPv4 address of each range."""
    for ar in network.ranges:
        if ar.ip is not None:
            yield ar.ip, ar.ip + last_explicit(ar)


def _last_free(network: Network, block: IPv4Network) -> int:
    """Return the last address of a block that is in no range and is nobody's that guests are told of."""
    told = [network.template.single("GATEWAY"), *_words(network.template.single("DNS"))]
    taken = [*_spans(network), *((parse_ipv4(one),) * 2 for one in told if one and ":" not in one)]
    address = int(block.broadcast_address) - 1
    for first, last in sorted(taken, key=lambda span: span[1], reverse=True):
        if first <= address <= last:
            address = first - 1
    if address <= int(block.network_address):
        raise BadTemplate(
            f"network {network.name}: all addresses of {block} are guests', none is left for its services: "
            "make a range smaller, or give NETWORK_MASK"
        )
    return address


def _refuse_leased(network: Network, address: int) -> None:
    for ar in network.ranges:
        if ar.ip is not None and ar.ip <= address <= ar.ip + last_explicit(ar):
            raise BadTemplate(
                f"network {network.name}: address {format_ipv4(address)} of its services would be a guest's, too, of "
                f"address range {ar.id}: make the range smaller, or give another SERVICE_ADDRESS"
            )


def _address6(template: Template) -> IPv6Interface:
    text = template.single("SERVICE_ADDRESS6").strip()
    try:
        return IPv6Interface(text if "/" in text else f"{text}/{_IPV6_LENGTH}")
    except ValueError:
        expected = "an IPv6 address such as 2001:db8::ff/64"
        raise BadTemplate(f'SERVICE_ADDRESS6 must be {expected}, is "{shown(text)}"') from None


def _stored(template: Template) -> IPv4Interface | None:
    try:
        return IPv4Interface(template.single("SERVICE_ADDRESS").strip())
    except ValueError:
        return None  # nothing that with_services has seen


# -- what guests are told ------------------------------------------------------------------------


def _check_told(template: Template) -> None:
    """Raise BadTemplate unless what guests are told could be true."""
    if template.single("DOMAIN") and not _is_domain(template.single("DOMAIN").strip()):
        raise BadTemplate(f'DOMAIN must be a name such as cloud.example, is "{shown(template.single("DOMAIN"))}"')


def _domain(template: Template) -> str:
    words = _words(template.single("DOMAIN")) or _words(template.single("SEARCH_DOMAIN"))
    return words[0] if words else ""


def _is_domain(text: str) -> bool:
    return len(text) <= DOMAIN_LENGTH_MAX and _DOMAIN.fullmatch(text) is not None


def _is_address(text: str) -> bool:
    try:
        return "%" not in text and bool(ip_address(text))
    except ValueError:
        return False


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _is_yes(template: Template, name: str) -> bool:
    return template.single(name).strip().upper() == "YES"


# -- who has which address -----------------------------------------------------------------------


def _known(network_id: int, vms: Iterable[VM]) -> Iterator[Named]:
    """Yield the NICs in a network; of VMs with the same name the oldest has it, others get their number behind it."""
    names: set[str] = set()
    for vm in sorted(vms, key=lambda one: one.id):
        label = label_of(vm.name, vm.id)
        for nic in vm.template.vectors("NIC"):
            if nic.get("NETWORK_ID") == str(network_id) and nic.get("MAC"):
                name = next(one for one in _names(label, vm.id) if one not in names)
                names.add(name)
                addresses = tuple(dict.fromkeys(nic[key] for key in _ADDRESSES if nic.get(key)))
                yield Named(nic["MAC"].lower(), name, addresses)


def _names(label: str, vm_id: int) -> Iterator[str]:
    """Yield names that a VM could have, the best first, without end."""
    yield label
    endings = [f"-{vm_id}"]
    while True:
        yield label[: LABEL_LENGTH_MAX - len(endings[-1])].rstrip("-") + endings[-1]
        endings.append(f"-{vm_id}-{len(endings) + 1}")
