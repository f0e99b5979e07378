"""How fast the counters of VMs grow, for lists: asked for once, and only when a column needs it."""

from itertools import pairwise
from typing import Any

from trifid.cli.columns import Row, View
from trifid.cli.figures import memory
from trifid.cli.shell import Shell

_ALL_VISIBLE = -2
_BACK_S = 150
"""So far back two samples are found, unless hosts are looked at less often than once a minute."""
KEY = "growth"


class Growth:
    """Tells the growth of a counter of a VM between its last two samples."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._last: dict[str, list[dict[str, Any]]] | None = None

    def each_second(self, vm_id: str, name: str) -> float:
        """Return the growth each second; 0 where there are no two samples, or the counter began anew."""
        if self._last is None:
            self._last = self._asked()
        for before, after in pairwise(self._last.get(vm_id, ())):
            seconds = int(after["TIMESTAMP"]) - int(before["TIMESTAMP"])
            grown = float(after.get(name, 0)) - float(before.get(name, 0))
            if seconds > 0 and name in before and grown > 0:
                return grown / seconds
        return 0.0

    def _asked(self) -> dict[str, list[dict[str, Any]]]:
        from trifid.wire.elements import iter_elements

        found: dict[str, list[dict[str, Any]]] = {}
        for sample in iter_elements(self._shell.call("one.vmpool.monitoring", _ALL_VISIBLE, _BACK_S), "MONITORING"):
            of_vm = found.setdefault(sample["ID"], [])
            of_vm.append(sample)
            del of_vm[:-2]
        return found


def more(shell: Shell) -> dict[str, Any]:
    """Return what the columns below need."""
    return {KEY: Growth(shell)}


def growth(name: str) -> Any:
    """Return a getter of a counter's growth each second."""

    def value(row: Row, view: View) -> float:
        found: Growth = view.more[KEY]
        return found.each_second(row["ID"], name)

    return value


def bytes_each_second(value: Any, view: View) -> str:
    """Return a number of bytes as KiB, MiB … or, with -k, as KiB."""
    return memory(value / 1024, view.kilobytes)
