"""What `trifid sim` does: options into seeds, and what came of them into lines."""

from collections.abc import Callable, Sequence

import msgspec

from trifid.simulator.faults import KINDS
from trifid.simulator.many import Summary, outcomes, summary
from trifid.simulator.simulation import History, Options, Simulation

STORY_SHOWN = 40
DEFAULT_SEEDS = 20

Say = Callable[[str], None]


def replay_line(outcome: History, options: Options) -> str:
    """Return the command that plays a seed again, up to the step in which an invariant broke."""
    usual = Options()
    words = ["trifid", "sim", "--seed", str(outcome.seed), "--steps", str(outcome.steps)]
    for name in ("hours", "hosts", "vms", "store"):
        value = getattr(options, name)
        if value != getattr(usual, name):
            words += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
    if options.faults != frozenset(KINDS):
        words += ["--faults", ",".join(kind for kind in KINDS if kind in options.faults) or "none"]
    return " ".join(words)


def run_one(seed: int, options: Options, steps: int, say: Say, *, is_traced: bool) -> Summary:
    """Play one seed, told line by line if that is wanted."""
    outcome = Simulation(seed, options, steps, say if is_traced else None).run()
    total = summary([outcome], options)
    if outcome.broken and not is_traced:
        for line in outcome.story[-STORY_SHOWN:]:
            say(line)
    return total


def run_many(seeds: Sequence[int], options: Options, say: Say) -> Summary:
    """Play many seeds; each that breaks is told at once."""

    def hear(outcome: History) -> None:
        if outcome.broken:
            say(f"seed {outcome.seed}: {outcome.broken}")
            say(f"  replay: {replay_line(outcome, options)} --trace")

    return summary(outcomes(seeds, options), options, hear)


def told(total: Summary, options: Options) -> list[str]:
    """Return a summary for people."""
    lines = [
        f"{total.seeds} seeds, {total.hours:.1f} simulated hours, {total.steps} steps",
        "calls: " + (", ".join(f"{count} {outcome}" for outcome, count in total.calls.items()) or "none"),
        f"faults: {sum(total.struck.values())}",
    ]
    lines += [f"  {count:7d}  {kind:14s} {KINDS[kind]}" for kind, count in total.struck.items()]
    lines.append(f"rows of the life cycle: {total.rows_fired} of {total.rows} fired, {len(total.never_fired)} never")
    for one in total.broken:
        lines.append(f"BROKEN seed {one.seed}: {one.broken}")
        lines.append(f"  replay: {replay_line(one, options)}")
    lines.append(f"{len(total.broken)} broken invariants")
    return lines


def as_json(total: Summary, options: Options) -> str:
    """Return a summary for programs."""
    found = msgspec.to_builtins(total)
    for one, outcome in zip(found["broken"], total.broken, strict=True):
        one["replay"] = replay_line(outcome, options)
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
