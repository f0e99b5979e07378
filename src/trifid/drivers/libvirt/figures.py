"""What domains use, from libvirt's statistics: all domains in one call.

Source: reference/drivers.md §5.2 (MONITOR_VM), §6.2 (POLL).
"""

from trifid.drivers.libvirt.connector import Stats

_SUMS = {
    "NETRX": ("net", "rx.bytes"),
    "NETTX": ("net", "tx.bytes"),
    "DISKRDBYTES": ("block", "rd.bytes"),
    "DISKWRBYTES": ("block", "wr.bytes"),
    "DISKRDIOPS": ("block", "rd.reqs"),
    "DISKWRIOPS": ("block", "wr.reqs"),
}


class Sampler:
    """Turns statistics into figures; remembers processor times, because a load is a difference."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, int]] = {}

    def figures(self, uuid: str, stats: Stats, now_s: float) -> dict[str, str]:
        """Return CPU (percent of one core; from the second time on), MEMORY (KiB), NETRX, NETTX (bytes) …

        Args:
            uuid: of the domain.
            stats: of libvirt's bulk statistics.
            now_s: a clock that does not jump.
        """
        found: dict[str, str] = {}
        if (cpu := self._cpu_percent(uuid, stats.get("cpu.time"), now_s)) is not None:
            found["CPU"] = f"{cpu:.1f}"
        memory_kib = stats.get("balloon.rss") or stats.get("balloon.current")
        if memory_kib is not None:
            found["MEMORY"] = str(memory_kib)
        for name, (group, what) in _SUMS.items():
            found[name] = str(sum(stats.get(f"{group}.{n}.{what}", 0) for n in range(stats.get(f"{group}.count", 0))))
        return found

    def _cpu_percent(self, uuid: str, cpu_ns: int | None, now_s: float) -> float | None:
        if cpu_ns is None:
            return None
        before = self._seen.get(uuid)
        self._seen[uuid] = (now_s, cpu_ns)
        if before is None or now_s <= before[0] or cpu_ns < before[1]:
            return None
        return (cpu_ns - before[1]) / 1e7 / (now_s - before[0])

    def forget_others(self, uuids: set[str]) -> None:
        """Forget all domains but these."""
        self._seen = {uuid: sample for uuid, sample in self._seen.items() if uuid in uuids}
