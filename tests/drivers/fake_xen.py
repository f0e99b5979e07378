"""A libvirt of Xen as its drivers see it, which answers as the real one did (libvirt 9.0 with Xen 4.17).

A domain without a definition that reboots, or is being made or taken down, is listed as shut off, with a job at work.
"""

from collections.abc import Callable

import libvirt

RUNNING = (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_BOOTED)
OFF = (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN)
UUID = "6f1c2a52-6f0b-5c59-9a3b-6b9f6f2d1b7e"
XML = """<domain><devices>
  <disk><target dev='xvda' bus='xen'/></disk><disk><target dev='hdc' bus='ide'/></disk>
  <interface><target dev='one-1-0'/></interface>
</devices></domain>"""


class LibvirtError(libvirt.libvirtError):
    """A fault with a code."""

    def __init__(self, code: int) -> None:
        Exception.__init__(self, f"fault {code}")
        self._code = code

    def get_error_code(self) -> int:
        """Return libvirt's number."""
        return self._code


class XenDomain:
    """One domain.

    Args:
        looks: how often it is seen off, with a job at work, before it is what it will be.
        afterwards: what it is then; None: it is gone.
    """

    def __init__(
        self,
        name: str,
        number: int,
        cpu_ns: int = 0,
        *,
        looks: int = 0,
        afterwards: tuple[int, int] | None = RUNNING,
        is_persistent: bool = False,
    ) -> None:
        self._name, self._number, self.cpu_ns = name, number, cpu_ns
        self._looks, self._afterwards, self._is_persistent = looks, afterwards, is_persistent
        self.is_destroyed = False

    def name(self) -> str:
        return self._name

    def UUIDString(self) -> str:
        return UUID

    def ID(self) -> int:
        return self._number if self.isActive() else -1

    def state(self) -> tuple[int, int]:
        if self._looks:
            self._looks -= 1
            return OFF
        if self._afterwards is None or self.is_destroyed:
            raise LibvirtError(libvirt.VIR_ERR_NO_DOMAIN)
        return self._afterwards

    def isActive(self) -> int:
        return int(not self._looks and not self.is_destroyed and self._afterwards == RUNNING)

    def isPersistent(self) -> int:
        return int(self._is_persistent)

    def jobInfo(self) -> list[int]:
        return [libvirt.VIR_DOMAIN_JOB_UNBOUNDED if self._looks else libvirt.VIR_DOMAIN_JOB_NONE, 0]

    def destroy(self) -> int:
        if not self.isActive():
            raise LibvirtError(libvirt.VIR_ERR_OPERATION_INVALID)
        self.is_destroyed = True
        return 0

    def info(self) -> list[int]:
        return [RUNNING[0], 131072, 131072, 1, self.cpu_ns]

    def XMLDesc(self) -> str:
        return XML

    def interfaceStats(self, device: str) -> tuple[int, ...]:
        return (1646, 22, 0, 0, 1123, 15, 0, 0)

    def blockStats(self, device: str) -> tuple[int, ...]:
        if not device.startswith("xvd"):
            raise LibvirtError(libvirt.VIR_ERR_OPERATION_INVALID)
        return (61, 2246656, 11, 12288, 0)


class XenConnection:
    """Its libvirt."""

    def __init__(self, *domains: XenDomain, free_kib: int = 700_000) -> None:
        self.domains = list(domains)
        self._free_kib = free_kib

    def listAllDomains(self, flags: int = 0) -> list[XenDomain]:
        wanted: Callable[[XenDomain], object] = XenDomain.isActive if flags else lambda _: True
        return [domain for domain in self.domains if wanted(domain)]

    def getInfo(self) -> list[object]:
        return ["x86_64", 1535, 2, 2596, 1, 1, 2, 1]

    def getFreeMemory(self) -> int:
        return self._free_kib * 1024
