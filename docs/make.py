"""Writes docs/lifecycle.md from the code: `python docs/make.py`, and with `--check` only compares.

A state, a row of the table or a refusal that is not in the code cannot get into the manual, and
whoever changes the table sees the page change with it.
"""

import sys
from pathlib import Path

from trifid.core.vm.effects import Effect
from trifid.core.vm.events import Absent, Answer, Done, Event, Observation, Request
from trifid.core.vm.row import Row
from trifid.core.vm.rows import devices, end, fenced, move, rest, run
from trifid.core.vm.states import VmState
from trifid.core.vm.table import ROWS, TRANSIENT

CHAPTERS = (
    ("Running, off and on again", run.ROWS),
    ("Suspended, stopped, undeployed", rest.ROWS),
    ("To another host", move.ROWS),
    ("Disks, NICs, snapshots, sizes", devices.ROWS),
    ("The end", end.ROWS),
    ("Its host failed and was fenced", fenced.ROWS),
)
PAGE = Path(__file__).parent / "lifecycle.md"

HEAD = """\
# The life cycle of a virtual machine

<!-- Made from src/trifid/core/vm/table.py by docs/make.py; change the table and run it again. -->

A VM is in one state, and only an event takes it to another: a **request** of somebody, the **answer** of a
driver to what it was asked, or an **observation** of monitoring. For each state and event there is at most
one row in the table below. A request without a row is refused, and the refusal names the states that would
do; an answer to an older action, or an observation without a row, changes nothing.

What a row does is written with it: capital words ask a hypervisor driver (`vmm`), small ones a transfer
driver (`tm`), "on the previous host" the driver of the host that a migration leaves. The rest changes the
VM's record in the same transaction.
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join((HEAD, _states(), _diagrams(), _tables()))


def printed_table() -> str:
    """Return the table, one row a line: the golden file of the tests."""
    return "".join(f"{_line(row)}\n" for row in ROWS)


def _line(row: Row) -> str:
    effects = ", ".join(effect_name(effect) for effect in row.effects)
    return f"{row.start.name:24}{row.event.__name__:15}{row.end.name:24}{effects}".rstrip()


def effect_name(effect: Effect) -> str:
    """Return how an effect is called in the table."""
    return getattr(effect, "__name__", None) or str(effect)


def _used() -> list[VmState]:
    used = {state for row in ROWS for state in (row.start, row.end)}
    return sorted(used, key=lambda state: (state.value % 1000, state.value))


def _states() -> str:
    lines = [
        "## States",
        "",
        "Two numbers tell a state on the wire: STATE, and LCM_STATE while STATE is 3. Phases that the wire does not",
        "tell apart share theirs. A state *waits* when a driver has something to do; if it does not answer, its",
        "time-out counts as a failure.",
        "",
        "| state | STATE | LCM_STATE | list shows | waits |",
        "|---|---|---|---|---|",
    ]
    for state in _used():
        waits = "yes" if state in TRANSIENT else ""
        lines.append(f"| {state.name} | {state.state} | {state.lcm_state} | {state.short} | {waits} |")
    return "\n".join((*lines, ""))


def _diagrams() -> str:
    """The ways that a VM takes when all goes well, chapter by chapter; failures and deletion would hide them."""
    lines = ["## The pictures", "", "When all goes well; what fails, and what monitoring sees, is in the tables.", ""]
    for title, rows in CHAPTERS:
        arrows = _arrows(rows)
        lines += [f"### {title}", "", "```mermaid", "stateDiagram-v2"]
        lines += ["    [*] --> PENDING"] if any(start == "PENDING" for start, _ in arrows) else []
        lines += [f"    {start} --> {end}: {', '.join(events)}" for (start, end), events in arrows.items()]
        lines += ["    DONE --> [*]"] if any(end == "DONE" for _, end in arrows) else []
        lines += ["```", ""]
    return "\n".join(lines)


def _arrows(rows: tuple[Row, ...]) -> dict[tuple[str, str], list[str]]:
    """Return the events from one state to another, of the rows that are shown."""
    hidden = ("FAILURE", "CLEANUP", "LOCATE", "UNKNOWN", "RUNNING_LOOK", "_UNDO", "_DROP")
    good = [
        row
        for row in rows
        if (row.event in (Done, Absent) or issubclass(row.event, Request))
        and row.start is not row.end
        and not any(word in state.name for word in hidden for state in (row.start, row.end))
    ]
    entered = {row.end for row in ROWS if row.event is Done or issubclass(row.event, Request)}
    arrows: dict[tuple[str, str], list[str]] = {}
    for row in good:
        if row.event is not Absent or row.start in entered:
            arrows.setdefault((row.start.name, row.end.name), []).append(row.event.__name__)
    return arrows


def _tables() -> str:
    lines = ["## The table, state by state", ""]
    for state in _used():
        rows = [row for row in ROWS if row.start is state]
        if not rows:
            continue
        lines += [f"### {state.name}", "", "| on | kind | goes to | and |", "|---|---|---|---|"]
        for row in rows:
            effects = ", ".join(f"`{effect_name(effect)}`" for effect in row.effects)
            lines.append(f"| {_event(row.event)} | {_kind(row.event)} | {row.end.name} | {effects} |")
        lines.append("")
    return "\n".join(lines)


def _event(event: type[Event]) -> str:
    return f"{event.__name__} (`{event.word}`)" if issubclass(event, Request) else event.__name__


def _kind(event: type[Event]) -> str:
    kinds = {Request: "request", Answer: "answer", Observation: "observation"}
    return next(name for kind, name in kinds.items() if issubclass(event, kind))


def main(arguments: list[str]) -> int:
    """Write the page, or tell with the exit status whether it is current."""
    text = page()
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE} is not what the table says: run python docs/make.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
