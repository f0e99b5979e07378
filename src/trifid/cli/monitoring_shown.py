"""What `onevm monitoring` and `onehost monitoring` print: what was measured of one object, as charts or as data.

Averages keep a counter's last value, so that what is drawn of counters is how fast they grew.
"""

import csv
import io
import itertools
import json
import re
import shutil
import sys
import time
from typing import Any, NamedTuple

from trifid.cli.chart import Point, Span, chart, columns_of, rates, spark
from trifid.cli.command import Given
from trifid.cli.failure import Failure
from trifid.cli.figures import full_moment, memory
from trifid.cli.kinds import HOST, VM, Kind
from trifid.cli.listing import section
from trifid.cli.shell import Shell
from trifid.core.samples import COUNTERS, FIVE_MINUTES_S, HOUR_S, RAW_S

_ROWS = 6
_SCALE_WIDTH = 10
_COLUMNS_MAX = 120
_SPARK_COLUMNS = 40
_SPARK_S = 3600
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TIME = re.compile(r"([0-9]{1,6})([smhd])\Z", re.ASCII)
_SPANS = {"raw": RAW_S, "5m": FIVE_MINUTES_S, "1h": HOUR_S}
"""By the words of --average."""
_RAW_UP_TO_S, _FIVE_MINUTES_UP_TO_S = 4 * 3600, 2 * 86400
_USUAL = {VM: ("CPU", "MEMORY", "NETRX", "NETTX", "DISKRDBYTES", "DISKWRBYTES"), HOST: ("USED_CPU", "USED_MEMORY")}
_OPERATIONS = {"DISKRDIOPS", "DISKWRIOPS"}


class Told(NamedTuple):
    """What the engine told of one object.

    Attributes:
        samples: oldest first, each with at (epoch seconds), count and figures.
    """

    resolution_s: int
    samples: list[dict[str, Any]]

    def points(self, name: str) -> list[Point]:
        """Return when one figure was how much; of a counter, how fast it grew."""
        found = [(int(one["at"]), float(one["figures"][name])) for one in self.samples if name in one["figures"]]
        return rates(found) if name in COUNTERS else found

    @property
    def names(self) -> list[str]:
        """The names of all figures that were told."""
        return sorted({name for one in self.samples for name in one["figures"]})


def _ask(shell: Shell, kind: Kind, object_id: int, resolution_s: int, seconds: int) -> Told:
    method = f"trifid.{kind.element.lower()}.monitoring"
    return Told(resolution_s, json.loads(shell.call(method, object_id, resolution_s, seconds))["samples"])


def _seconds(text: str) -> int:
    parts = _TIME.match(text)
    if not parts or not int(parts[1]):
        raise Failure(f"{text} is not a length of time", "write 90s, 30m, 6h or 7d")
    return int(parts[1]) * _UNIT_S[parts[2]]


def tell(shell: Shell, kind: Kind, given: Given) -> None:
    """Print what was measured of the objects that were given."""
    if given.json and given.csv:
        raise Failure("--json and --csv cannot be together", "give one of them")
    seconds = _seconds(given.since)
    spans = [_SPANS[given.average]] if given.average else _fitting(seconds)
    for object_id in getattr(given, kind.element.lower()):
        told = _first_told(shell, kind, object_id, spans, seconds)
        if given.json:
            about = {"id": object_id, "resolution_s": told.resolution_s, "samples": told.samples}
            shell.say(json.dumps(about, indent=2))
            continue
        chosen = _chosen(told, kind, given.list)
        if given.csv:
            shell.say(_csv(object_id, told, chosen))
        else:
            _draw(shell, f"{kind.label} {object_id}", told, chosen, seconds)


def _fitting(seconds: int) -> list[int]:
    """Return the resolutions that fit such a time, the best first: what began lately has no averages of hours yet."""
    if seconds <= _RAW_UP_TO_S:
        return [RAW_S]
    return [FIVE_MINUTES_S, RAW_S] if seconds <= _FIVE_MINUTES_UP_TO_S else [HOUR_S, FIVE_MINUTES_S, RAW_S]


def _first_told(shell: Shell, kind: Kind, object_id: int, spans: list[int], seconds: int) -> Told:
    """Return the samples of the first resolution that there are any in."""
    for resolution_s in spans:
        told = _ask(shell, kind, object_id, resolution_s, seconds)
        if told.samples:
            break
    return told


def _chosen(told: Told, kind: Kind, names: str) -> list[str]:
    asked = [name.strip().upper() for name in names.split(",") if name.strip()]
    unknown = [name for name in asked if told.samples and name not in told.names]
    if unknown:
        raise Failure(f"there is no figure {unknown[0]}", f"there are {', '.join(told.names)}")
    return asked or [name for name in _USUAL[kind] if name in told.names]


def _csv(object_id: int, told: Told, names: list[str]) -> str:
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["ID", "TIMESTAMP", "COUNT", *names])
    for one in told.samples:
        rows.writerow([object_id, one["at"], one["count"], *(one["figures"].get(name, "") for name in names)])
    return out.getvalue().rstrip("\n")


# -- charts ----------------------------------------------------------------------------------------


def _draw(shell: Shell, what: str, told: Told, names: list[str], seconds: int) -> None:
    section(shell, f"{what.upper()} MONITORING")
    if not told.samples:
        averages = f"no {_each(told)} in this time; --average raw tells what was measured"
        shell.say(averages if told.resolution_s else "nothing was measured in this time; --since looks further back")
        return
    # The last column is the present, and what was measured since counts to it.
    end = max(shell.now(), told.samples[-1]["at"]) + 1
    width = min(_COLUMNS_MAX, shutil.get_terminal_size().columns - _SCALE_WIDTH - 2)
    span = Span(end - seconds, end, max(20, min(width, seconds // max(1, _step_s(told)))))
    for name in names:
        _draw_one(shell, name, told.points(name), span)
    count = f"{len(told.samples)} sample{'' if len(told.samples) == 1 else 's'}"
    shell.say(f"{count}, {_each(told)}, the last of {full_moment(told.samples[-1]['at'])}")


def _each(told: Told) -> str:
    return "as measured" if told.resolution_s == RAW_S else f"averages of {told.resolution_s // 60} min"


def _step_s(told: Told) -> int:
    """Return how far apart samples usually are, so that a chart has no gaps where there are none."""
    if told.resolution_s:
        return told.resolution_s
    moments = [one["at"] for one in told.samples]
    steps = sorted(after - before for before, after in itertools.pairwise(moments))
    return steps[len(steps) // 2] if steps else 30


def _draw_one(shell: Shell, name: str, points: list[Point], span: Span) -> None:
    inside = [(at, value) for at, value in points if span.begin <= at < span.end]
    if not inside:
        shell.say(f"{name}: too few samples\n")
        return
    values = [value for _, value in inside]
    now, mean, most = values[-1], sum(values) / len(values), max(values)
    shell.say(f"{_about(name)}: now {_shown(name, now)}, mean {_shown(name, mean)}, most {_shown(name, most)}")
    for row, line in enumerate(chart(columns_of(inside, span), most, _ROWS)):
        scale = _shown(name, most) if row == 0 else "0" if row == _ROWS - 1 else ""
        shell.say(f"{scale:>{_SCALE_WIDTH}} │{line}")
    shell.say(f"{'':>{_SCALE_WIDTH}} └{'─' * span.columns}")
    begin, end = _clock(span.begin, span), _clock(span.end - 1, span)
    shell.say(f"{'':>{_SCALE_WIDTH}}  {begin}{end:>{max(1, span.columns - len(begin))}}\n")


def _clock(at: int, span: Span) -> str:
    form = "%H:%M" if span.end - span.begin < 86400 else "%m/%d %H:%M"
    return time.strftime(form, time.localtime(at))


def _about(name: str) -> str:
    return f"{name}, growth each second" if name in COUNTERS else name


def _shown(name: str, value: float) -> str:
    """Return a figure as people read it, with its unit where it is known."""
    if name in COUNTERS:
        return f"{value:.3g}/s" if name in _OPERATIONS else f"{memory(value / 1024)}B/s"
    if name.endswith("MEMORY"):
        return memory(value)
    if name.endswith("CPU"):
        return f"{value:.3g} %" if value < 100 else f"{value:.0f} %"
    return f"{value:.4g}"


def sparks(shell: Shell, kind: Kind, object_id: int, names: tuple[str, ...]) -> dict[str, str]:
    """Return a line of blocks for each figure of the last hour; nothing where there are too few samples to tell."""
    from trifid.client import ApiError

    if not _can_draw():
        return {}
    try:
        told = _ask(shell, kind, object_id, RAW_S, _SPARK_S)
    except ApiError:  # samples are not kept: the document has the newest figures all the same
        return {}
    end = shell.now() + 1
    found = {}
    for name in names:
        points = told.points(name)
        if len(points) > 1:
            columns = min(_SPARK_COLUMNS, _SPARK_S // max(1, _step_s(told)))
            found[name] = spark(columns_of(points, Span(end - _SPARK_S, end, columns)))
    return found


def _can_draw() -> bool:
    return sys.stdout.isatty() and (sys.stdout.encoding or "").lower().startswith("utf")
