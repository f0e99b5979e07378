"""The two network forms of 2009, RANGED and FIXED, as address ranges.

Source: reference/templates.md §4.1–4.3.
"""

from trifid.core.network.address import format_ipv4, mac_for, mask_bits, parse_ipv4, parse_mac
from trifid.core.network.record import AddressRange
from trifid.core.template.model import Template
from trifid.errors import BadTemplate

_NAMED_SIZES = {"A": (1 << 24) - 2, "B": (1 << 16) - 2, "C": (1 << 8) - 2}
_ADDRESS_BITS = 32


def ranged(template: Template, mac_prefix: int, default_size: int) -> AddressRange:
    """Return the range of a RANGED network.

    NETWORK_SIZE = n gives base+1 … base+n automatically, and on request every address of the aligned
    block that holds n + 2 addresses but the first and the last: 2009 gave those, too, and no guest can
    use them.  CIDR or NETWORK_MASK set the block themselves, IP_START and IP_END the addresses.

    Raises:
        BadTemplate: NETWORK_ADDRESS is missing, or one of the attributes is not what it must be.
    """
    start, end = template.single("IP_START"), template.single("IP_END")
    if "NETWORK_ADDRESS" not in template:
        if not (start and end):
            raise BadTemplate(
                "Network address is not defined: a RANGED network needs NETWORK_ADDRESS, or IP_START and IP_END"
            )
        return _between(parse_ipv4(start, "IP_START"), parse_ipv4(end, "IP_END"), mac_prefix)
    base, bits, count = _block(template, default_size)
    if start or end:
        first = parse_ipv4(start, "IP_START") if start else base + 1
        last = parse_ipv4(end, "IP_END") if end else base + (1 << bits) - 2
        for what, ip in (("IP_START", first), ("IP_END", last)):
            if not base <= ip < base + (1 << bits):
                network = f"{format_ipv4(base)}/{_ADDRESS_BITS - bits}"
                raise BadTemplate(f"{what} {format_ipv4(ip)} is outside network {network}")
        return _between(first, last, mac_prefix)
    return AddressRange(
        id=-1,
        type="IP4",
        size=count,
        mac=mac_for(mac_prefix, base + 1),
        ip=base + 1,
        last_explicit=(1 << bits) - 3,
        keep_cursor=True,
    )


def _between(first: int, last: int, mac_prefix: int) -> AddressRange:
    if first > last:
        raise BadTemplate(f"IP_END must not be below IP_START, is {format_ipv4(last)} with {format_ipv4(first)}")
    mac = mac_for(mac_prefix, first)
    return AddressRange(id=-1, type="IP4", size=last - first + 1, mac=mac, ip=first, keep_cursor=True)


def _block(template: Template, default_size: int) -> tuple[int, int, int]:
    """Return (first address of the block, its host bits, how many addresses are given automatically)."""
    text, _, length = template.single("NETWORK_ADDRESS").partition("/")
    address = parse_ipv4(text, "NETWORK_ADDRESS")
    count = _network_size(template)
    bits = _stated_bits(template, length, count)
    if bits is None:
        # A number of hosts, as in 2009: the address is aligned silently.
        count = count or default_size
        bits = (count + 1).bit_length()
        if bits > _ADDRESS_BITS:
            raise BadTemplate(f"NETWORK_SIZE {count} is more than IPv4 has addresses")
        return address >> bits << bits, bits, count
    if address & ((1 << bits) - 1):
        aligned = format_ipv4(address >> bits << bits)
        raise BadTemplate(f"NETWORK_ADDRESS {text.strip()} is not the first of its network, which is {aligned}")
    most = (1 << bits) - 2
    if most < 1 or (count or 0) > most:
        found = f"is {count}" if count else "is not given"
        raise BadTemplate(f"NETWORK_SIZE must be 1 to {most} in a network of {1 << bits} addresses, {found}")
    return address, bits, count or most


def _stated_bits(template: Template, length: str, count: int | None) -> int | None:
    """Return the host bits that a CIDR suffix states, or NETWORK_MASK where there is no NETWORK_SIZE.

    With a NETWORK_SIZE the mask is a free attribute for the guest, as it was in 2009.
    """
    if length:
        if not (length.strip().isdecimal() and 0 <= int(length) <= _ADDRESS_BITS):
            raise BadTemplate(f"NETWORK_ADDRESS must end in / and 0 to 32, is '{template.single('NETWORK_ADDRESS')}'")
        return _ADDRESS_BITS - int(length)
    mask = template.single("NETWORK_MASK")
    return mask_bits(mask) if mask and count is None else None


def _network_size(template: Template) -> int | None:
    """Return the number of hosts that NETWORK_SIZE states; None when it is absent, empty or 0."""
    text = template.single("NETWORK_SIZE").strip().upper()
    if text in _NAMED_SIZES:
        return _NAMED_SIZES[text]
    if not text:
        return None
    if not text.isdecimal():
        raise BadTemplate(f"NETWORK_SIZE must be A, B, C or a number of hosts, is '{template.single('NETWORK_SIZE')}'")
    return int(text) or None


def fixed(leases: list[dict[str, str]], mac_prefix: int) -> list[AddressRange]:
    """Return one range of a single address for every `LEASES=[IP=…, MAC=…]`, sorted by IP.

    Raises:
        BadTemplate: a lease without IP, or an address that is none.
    """
    ranges = []
    for lease in leases:
        if not lease.get("IP"):
            raise BadTemplate(f"LEASES needs an IP, has {', '.join(lease) or 'nothing'}")
        ip = parse_ipv4(lease["IP"], "IP of LEASES")
        mac = parse_mac(lease["MAC"], "MAC of LEASES") if lease.get("MAC") else mac_for(mac_prefix, ip)
        ranges.append((ip, AddressRange(id=-1, type="IP4", size=1, mac=mac, ip=ip)))
    return [ar for _, ar in sorted(ranges, key=lambda one: one[0])]
