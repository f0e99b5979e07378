"""MONITORING_DATA: what was measured of hosts or VMs, a MONITORING for each sample.

Of a VM they are as monitoring_data.xsd has them.  Of a host they are as in the host's own document, with
CAPACITY and SYSTEM: so today's engine answers and its clients read, whatever the flat schema says.

Source: reference/api-modern.md §5.5 (monitoring_data.xsd, host.xsd).
"""

from collections.abc import Iterable

from trifid.core.samples import Figure, Sample
from trifid.wire.bodies.parts import cdata, words

_BEFORE_ID = words("CPU DISKRDBYTES DISKRDIOPS DISKWRBYTES DISKWRIOPS")
_AFTER_ID = words("MEMORY NETRX NETTX")
_CAPACITY = words("FREE_CPU FREE_MEMORY USED_CPU USED_MEMORY")
_SYSTEM = words("NETRX NETTX")
_DECIMAL = frozenset({"CPU"})
"""Of the figures that the schemas know, the one that need not be a whole number."""
_NOT_AGAIN = frozenset({"ID", "TIMESTAMP", "DISK_SIZE"})

Measured = Iterable[tuple[int, Sample]]
"""Ids of objects, and what was measured of them."""


def vm_monitoring(measured: Measured) -> list[str]:
    """Return MONITORING_DATA of VMs in pieces; a probe's own figures follow those that the schema knows."""
    return ["<MONITORING_DATA>", *(_vm(vm_id, one) for vm_id, one in measured), "</MONITORING_DATA>"]


def host_monitoring(measured: Measured) -> list[str]:
    """Return MONITORING_DATA of hosts in pieces; a probe's own figures end SYSTEM."""
    return ["<MONITORING_DATA>", *(_host(host_id, one) for host_id, one in measured), "</MONITORING_DATA>"]


def _vm(vm_id: int, sample: Sample) -> str:
    known = {*_BEFORE_ID, *_AFTER_ID}
    return (
        f"<MONITORING>{_elements(sample, _BEFORE_ID)}<ID>{vm_id}</ID>{_elements(sample, _AFTER_ID)}"
        f"<TIMESTAMP>{sample.at}</TIMESTAMP>{_own(sample, known)}</MONITORING>"
    )


def _host(host_id: int, sample: Sample) -> str:
    known = {*_CAPACITY, *_SYSTEM}
    return (
        f"<MONITORING><TIMESTAMP>{sample.at}</TIMESTAMP><ID>{host_id}</ID>"
        f"<CAPACITY>{_elements(sample, _CAPACITY)}</CAPACITY>"
        f"<SYSTEM>{_elements(sample, _SYSTEM)}{_own(sample, known)}</SYSTEM></MONITORING>"
    )


def _elements(sample: Sample, names: Iterable[str]) -> str:
    figures = sample.figures
    return "".join([f"<{n}>{cdata(_text(figures[n], whole=n not in _DECIMAL))}</{n}>" for n in names if n in figures])


def _own(sample: Sample, known: set[str]) -> str:
    names = sorted(name for name in sample.figures if name not in known and name not in _NOT_AGAIN)
    return "".join([f"<{name}>{cdata(_text(sample.figures[name]))}</{name}>" for name in names])


def _text(value: Figure, *, whole: bool = False) -> str:
    """Return a figure without an exponent, which no type of the schemas takes."""
    if whole or isinstance(value, int):
        return str(round(value))
    return f"{value:.3f}".rstrip("0").rstrip(".")
