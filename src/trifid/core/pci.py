"""PCI devices: what a host has, what a VM wishes, and which wish gets which device.

Source: reference/api-modern.md §5.5 (HOST_SHARE/PCI_DEVICES), reference/templates.md §6.3.
"""

import re
from collections.abc import Collection, Mapping, Sequence

import msgspec

from trifid.core.template.model import Template
from trifid.errors import BadTemplate, Refused

_ADDRESS = re.compile(
    r"(?:(?P<domain>[0-9a-f]{4}):)?(?P<bus>[0-9a-f]{2})[:.](?P<slot>[0-9a-f]{2})[:.](?P<function>[0-7])", re.ASCII
)
_HEX4 = re.compile(r"(?:0x)?([0-9a-f]{1,4})", re.ASCII)
_KINDS = ("VENDOR", "DEVICE", "CLASS")
_FIRST_DOMAIN = "0000"
_USERS_TOLD_MAX = 5


class Device(msgspec.Struct, frozen=True):
    """A PCI device of a host, or what a VM wishes of one; "" = any.

    Attributes:
        vendor, device, class_: four hexadecimal digits each.
        address: 0000:3b:00.0; in a wish also 3b:00.0, which fits in every domain.
    """

    vendor: str = ""
    device: str = ""
    class_: str = ""
    address: str = ""

    def suits(self, wish: "Device") -> bool:
        """Tell whether this device is one that was wished."""
        return (
            wish.vendor in ("", self.vendor)
            and wish.device in ("", self.device)
            and wish.class_ in ("", self.class_)
            and (not wish.address or self.address == wish.address or self.address.endswith(f":{wish.address}"))
        )

    @property
    def kind(self) -> str:
        """What it is, in the words of a message: 10de:1eb8, 10de:*:0302, the one at 3b:00.0."""
        parts = [part or "*" for part in (self.vendor, self.device, self.class_)]
        kind = ":".join(parts if self.class_ else parts[:2]) if parts != ["*"] * 3 else ""
        return " ".join(filter(None, (kind, f"at {self.address}" if self.address else ""))) or "of any kind"


def full_address(text: str) -> str:
    """Return an address as 0000:3b:00.0, without a domain in the first one; "" for what is no address."""
    found = _ADDRESS.fullmatch(text.strip().lower())
    return f"{found['domain'] or _FIRST_DOMAIN}:{_short(found)}" if found else ""


def address_parts(address: str) -> dict[str, str]:
    """Return the keys by which documents tell a full address."""
    found = _ADDRESS.fullmatch(address)
    assert found is not None, f"{address!r} is no PCI address"
    return {
        "ADDRESS": address,
        "SHORT_ADDRESS": _short(found),
        "DOMAIN": found["domain"],
        "BUS": found["bus"],
        "SLOT": found["slot"],
        "FUNCTION": found["function"],
    }


def _short(found: re.Match[str]) -> str:
    return f"{found['bus']}:{found['slot']}.{found['function']}"


# -- what a host has -----------------------------------------------------------------------------------


def devices_of(template: Template) -> dict[str, Device]:
    """Return a host's devices by address, in the order of their addresses; what has no address is none."""
    found: dict[str, Device] = {}
    for vector in template.vectors("PCI"):
        if address := _address_told(vector):
            found.setdefault(address, Device(*_kinds(vector), address))
    return dict(sorted(found.items()))


def described_devices(template: Template) -> dict[str, dict[str, str]]:
    """Return what a host tells of each of its devices, by address, with what follows from that filled in."""
    found: dict[str, dict[str, str]] = {}
    for vector in template.vectors("PCI"):
        if address := _address_told(vector):
            kinds = _kinds(vector)
            whole = dict(zip(_KINDS, kinds, strict=True)) | {"TYPE": ":".join(kinds)} | address_parts(address)
            found.setdefault(address, vector | whole)
    return dict(sorted(found.items()))


def check_devices(template: Template) -> None:
    """Raise BadTemplate unless every PCI of a host is a device that can be given away."""
    for number, vector in enumerate(template.vectors("PCI")):
        if not _address_told(vector):
            raise BadTemplate(f"PCI {number}: a device of a host needs an ADDRESS like 0000:3b:00.0")
        if not all(_kinds(vector)):
            raise BadTemplate(
                f"PCI {number} ({_address_told(vector)}): a device of a host needs VENDOR, DEVICE and CLASS, "
                "or a TYPE like 10de:1eb8:0302"
            )


def _address_told(vector: Mapping[str, str]) -> str:
    return full_address(vector.get("ADDRESS", "")) or full_address(vector.get("SHORT_ADDRESS", ""))


def _kinds(vector: Mapping[str, str]) -> tuple[str, str, str]:
    """Return vendor, device and class; TYPE has all three."""
    told = vector.get("TYPE", "").split(":")
    more = dict(zip(_KINDS, told, strict=True)) if len(told) == len(_KINDS) else {}
    vendor, device, class_ = (_hex4(vector.get(name) or more.get(name, "")) for name in _KINDS)
    return vendor, device, class_


def _hex4(text: str) -> str:
    found = _HEX4.fullmatch(text.strip().lower())
    return found[1].zfill(4) if found else ""


# -- what a VM wishes ----------------------------------------------------------------------------------


def wishes_of(template: Template) -> tuple[Device, ...]:
    """Return what a VM wishes, one for each of its PCI."""
    return tuple(wish_of(vector) for vector in template.vectors("PCI"))


def wish_of(vector: Mapping[str, str]) -> Device:
    """Return what one PCI of a VM wishes; ADDRESS and SHORT_ADDRESS fix the device."""
    vendor, device, class_ = (_hex4(vector.get(name, "")) for name in _KINDS)
    address = full_address(vector.get("ADDRESS", ""))
    if not address and (found := _ADDRESS.fullmatch(vector.get("SHORT_ADDRESS", "").strip().lower())):
        address = f"{found['domain']}:{_short(found)}" if found["domain"] else _short(found)
    return Device(vendor, device, class_, address)


def match(wishes: Sequence[Device], free: Collection[Device], preferred: Sequence[str] = ()) -> list[Device | None]:
    """Return a device for each wish, no device twice, and for as many wishes as can have one; None for the others.

    What is free is taken in the order given.

    Args:
        preferred: for each wish the address that it would rather have.
    """
    given: dict[Device, int] = {}

    def give(wish: int, tried: set[Device]) -> bool:
        """Give a wish a device: one that is left, else one for whose owner there is another."""
        address = preferred[wish] if wish < len(preferred) else ""
        suiting = [device for device in free if device.suits(wishes[wish])]
        suiting.sort(key=lambda device: (device in given, device.address != address))
        for device in suiting:
            if device in tried:
                continue
            tried.add(device)
            if device not in given or give(given[device], tried):
                given[device] = wish
                return True
        return False

    for wish in range(len(wishes)):
        give(wish, set())
    chosen: list[Device | None] = [None] * len(wishes)
    for device, wish in given.items():
        chosen[wish] = device
    return chosen


def choose(
    host: str,
    wishes: Sequence[Device],
    devices: Mapping[str, Device],
    taken: Mapping[str, int],
    preferred: Sequence[str],
) -> tuple[str, ...]:
    """Return the address of a free device of a host for each wish.

    Args:
        host: what messages call it.
        devices: of the host, by address.
        taken: address to the id of the VM that has it.
        preferred: for each wish the address that it would rather have.

    Raises:
        Refused: not every wish can have one; with how many the host has, and who has them; begins as clients know
            it (reference/templates.md §6.3).
    """
    free = [device for address, device in devices.items() if address not in taken]
    chosen = match(wishes, free, preferred)
    found = tuple(device.address for device in chosen if device is not None)
    if len(found) < len(wishes):
        number = chosen.index(None)
        raise Refused(f"Unavailable PCI device. {_why(host, number, wishes[number], devices, taken)}")
    return found


def _why(host: str, number: int, wish: Device, devices: Mapping[str, Device], taken: Mapping[str, int]) -> str:
    such = [address for address, device in devices.items() if device.suits(wish)]
    begin = f"Host {host} has none left for PCI {number} ({wish.kind})"
    if not such:
        others = f" of its {len(devices)}" if devices else ": it tells of no PCI device at all"
        return f"{begin}: {f'none{others} is such a device' if devices else others[2:]}: choose another host"
    used = [f"VM {taken[address]} has {address}" for address in such if address in taken]
    parts = used[:_USERS_TOLD_MAX] + ([f"{len(used) - _USERS_TOLD_MAX} more are used"] * (len(used) > _USERS_TOLD_MAX))
    if len(used) < len(such):
        parts.append("the VM's other PCI take the rest")
    return f"{begin}: of {len(such)} such {', '.join(parts)}: choose another host"
