"""What the value of an attribute may be: a test, and the words that complete "must be …".

An empty value means that the attribute is not given and passes everywhere; what must not be missing
is checked where it is needed.  Paths and names are strict because they travel in blank-separated
lines to drivers and become arguments of programs there.
"""

import ipaddress
import re
from collections.abc import Callable

import msgspec

from trifid.core.template.lease import is_duration, is_start

WHOLE_MAX = 1 << 40
CORES_MAX = 1 << 16
MEMORY_MIB_MAX = 1 << 31
PATH_LENGTH_MAX = 4096
PORT_MAX = 65535

# What the drivers can carry out: they import it, so that nothing passes here that fails on a host.
DISK_PREFIXES = ("vd", "xvd", "sd", "hd", "fd")
"""First letters of the device names that disks can have; each tells a bus."""
DISK_DEVICE = re.compile(rf"({'|'.join(DISK_PREFIXES)})[a-z]{{1,4}}[0-9]{{0,3}}\Z")
IMAGE_FORMATS = ("raw", "qcow2")
"""Formats whose files can be kept from naming other files of the host."""
FILE_SYSTEMS = ("ext2", "ext3", "ext4", "vfat", "xfs", "btrfs")
"""File systems that are made on a host."""
NO_FILE_SYSTEM = ("raw", "none")
"""Words for a disk that is made empty."""
BOOT_DEVICES = ("hd", "cdrom", "network", "fd")
STOP_SIGNALS = ("TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "WINCH", "PWR", "RTMIN+3", "RTMIN+4")
"""What the first program of a container can be told to end with."""
ARCHITECTURES = ("x86_64", "i686", "aarch64", "armv7l", "ppc64", "ppc64le", "riscv64", "s390x")
"""Processors that KVM runs guests of, as libvirt calls them."""


class Type(msgspec.Struct, frozen=True):
    """A kind of value.

    Attributes:
        expected: completes "NAME must be …".
        accepts: tells whether a text is such a value.
        is_vector: whether the attribute is a vector; None = either form.
        holds_paths: whether it names files of the front-end or a host.
    """

    expected: str
    accepts: Callable[[str], bool]
    is_vector: bool | None = False
    holds_paths: bool = False


def _pattern(expected: str, pattern: str) -> Type:
    compiled = re.compile(pattern)
    return Type(expected, lambda value: compiled.fullmatch(value) is not None)


def one_of(*words: str) -> Type:
    """Return the type of these words, in any case."""
    known = frozenset(word.upper() for word in words)
    return Type("one of " + ", ".join(words), lambda value: value.upper() in known)


def whole(lowest: int, highest: int, expected: str) -> Type:
    """Return the type of the whole numbers from `lowest` to `highest`."""
    digits = re.compile(r"-?[0-9]{1,18}")
    return Type(expected, lambda value: digits.fullmatch(value) is not None and lowest <= int(value) <= highest)


def _is_cores(value: str) -> bool:
    return re.fullmatch(r"[0-9]{1,9}(\.[0-9]{0,9})?|\.[0-9]{1,9}", value) is not None and 0 < float(value) <= CORES_MAX


def _is_mask(value: str) -> bool:
    try:
        return "/" not in value and bool(ipaddress.IPv4Network(f"0.0.0.0/{value}"))
    except ValueError:
        return False


def _are_addresses(value: str) -> bool:
    return all(_is_ip(word, 4) or _is_ip(word, 6) for word in value.replace(",", " ").split())


def _is_ip(value: str, version: int) -> bool:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    return "%" not in value and address.version == version


def _is_boot_order(value: str) -> bool:
    words = [word.strip(" ") for word in value.split(",")]
    return all(word in BOOT_DEVICES for word in words) or all(re.fullmatch("(disk|nic)[0-9]+", word) for word in words)


def _is_firmware(value: str) -> bool:
    return value.upper() in ("BIOS", "UEFI", "EFI") or (value.startswith("/") and is_path(value))


def _are_ports(value: str) -> bool:
    for one in value.split(","):
        found = re.fullmatch(r" *([0-9]{1,5})(?::([0-9]{1,5}))? *", one)
        if not found or not int(found[1]) <= int(found[2] or found[1]) <= PORT_MAX:
            return False
    return True


def is_path(value: str) -> bool:
    """Tell whether a text is an absolute path, `host:path` or `scheme://…` fit for a driver's line."""
    if not value.isprintable() or any(char.isspace() for char in value) or len(value) > PATH_LENGTH_MAX:
        return False
    if re.fullmatch(r"(/|[A-Za-z0-9][A-Za-z0-9.-]*:/|[a-z][a-z0-9+]*://).*", value) is None:
        return False
    return ".." not in value.split("/")


def _is_paths(value: str) -> bool:
    return all(is_path(word) for word in value.split(" ") if word)


_PATH_WORDS = "absolute, host:/path or a URL, without blanks, control characters or .."

ANY = Type("anything", lambda _: True, is_vector=None)
VECTOR = Type("a vector", lambda _: True, is_vector=True)
TEXT = Type("text", lambda _: True)
LINE = Type("text without control characters", str.isprintable)
YES_NO = Type("YES or NO", lambda value: value.upper() in ("YES", "NO"))
COUNT = whole(0, WHOLE_MAX, "a whole number from 0")
POSITIVE = whole(1, WHOLE_MAX, "a positive whole number")
INTEGER = whole(-WHOLE_MAX, WHOLE_MAX, "a whole number")
SIZE_MIB = whole(1, WHOLE_MAX, "a positive number of MiB, without a unit")
MEMORY_MIB = whole(1, MEMORY_MIB_MAX, f"a whole number of MiB from 1 to {MEMORY_MIB_MAX}, without a unit")
CORES = Type(f"a positive number of cores up to {CORES_MAX}", _is_cores)
VIRTUAL_CORES = whole(1, CORES_MAX, f"a positive whole number up to {CORES_MAX}")
LEASE_START = Type("best_effort, now, +HH:MM:SS or YYYY-MM-DD HH:MM:SS (UTC)", is_start)
LEASE_DURATION = Type("HH:MM:SS of at least a second, or unlimited", is_duration)
NUMBER = _pattern("a number", r"-?([0-9]{1,18}(\.[0-9]{0,18})?|\.[0-9]{1,18})")
PORT = whole(0, PORT_MAX, f"a port number up to {PORT_MAX}")
VLAN = whole(1, 4094, "a VLAN id from 1 to 4094")
HEX4 = _pattern("up to four hexadecimal digits", r"(0x)?[0-9A-Fa-f]{1,4}")
TOKEN = _pattern("a word of letters, digits and _ . + -", r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
TOKENS = _pattern(
    "words of letters, digits and _ . + -, with commas between", r"[A-Za-z0-9_.+-]+( *, *[A-Za-z0-9_.+-]+)*"
)
IDS = _pattern("whole numbers with commas between", r"[0-9]{1,18}( *, *[0-9]{1,18})*")
PORTS = Type("ports and ranges like 80,8080:8090", _are_ports)
PATH = Type(f"a path: {_PATH_WORDS}", is_path, holds_paths=True)
PATHS = Type(f"paths with one blank between: {_PATH_WORDS}", _is_paths, holds_paths=True)
DEVICE = Type("a device name like vda, xvda, sda, hda or fda", lambda value: DISK_DEVICE.match(value) is not None)
DEVICE_PREFIX = Type(
    f"the first letters of a device name, one of {', '.join(DISK_PREFIXES)}", lambda value: value in DISK_PREFIXES
)
ROOT_DEVICE = _pattern("a device name without blanks, like sda1", r"[A-Za-z0-9_/][A-Za-z0-9_/.=:-]*")
PROGRAM = _pattern("the absolute path of a program, without blanks, like /sbin/init", r"/[^\s\0]{1,4095}")
BOOT = Type(f"either of {','.join(BOOT_DEVICES)} or devices like disk0,nic0", _is_boot_order)
FIRMWARE = Type("BIOS, UEFI or the path of a firmware", _is_firmware)
ARCHITECTURE = Type(f"one of {', '.join(ARCHITECTURES)}", lambda value: value in ARCHITECTURES)
UUID = _pattern(
    "a UUID like 8d0c7a52-5d5b-4d5e-9f5c-3d7f1b1d2c11", r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
)
INTERFACE = _pattern("an interface name: up to 15 letters, digits and _ . -", r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
MAC = _pattern("a MAC address like 02:00:0a:00:00:01", r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")
IPV4 = Type("an IPv4 address", lambda value: _is_ip(value, 4))
IPV6 = Type("an IPv6 address", lambda value: _is_ip(value, 6))
IPV4_MASK = Type("ones followed by zeros, like 255.255.255.0 or 24", _is_mask)
NAME_SERVERS = Type("addresses of name servers, with blanks or commas between", _are_addresses)
LISTEN = _pattern("an address or host name", r"[A-Za-z0-9][A-Za-z0-9.-]*|[0-9A-Fa-f:.]+")
DISK_SERIAL = _pattern("AUTO, or up to 20 letters, digits and _ . -", r"[A-Za-z0-9_.-]{1,20}")
RESOLUTION = _pattern("a resolution like 1280x720", r"[0-9]{2,5}x[0-9]{2,5}")
PCI_ADDRESS = _pattern("a PCI address like 01:00.0", r"([0-9A-Fa-f]{4}:)?[0-9A-Fa-f]{2}[:.][0-9A-Fa-f]{2}\.[0-7]")
