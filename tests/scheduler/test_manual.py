"""docs/scheduler.md is what the scheduler does: its settings, and its examples, which run."""

import re
import shlex
import tomllib
import types
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from tests.scheduler.builders import Engine
from trifid.cli import engine
from trifid.placement.filters import Filter
from trifid.placement.policy import Parts, planner_of
from trifid.placement.problem import read_answer
from trifid.placement.scorers import Scorer
from trifid.placement.settings import Settings, settings_from
from trifid.placement.synthetic import synthetic
from trifid.scheduler.loop import Loop

PAGE = (Path(__file__).parents[2] / "docs" / "scheduler.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for word, text in FENCE.findall(PAGE) if word == language]


def keys(kind: type[msgspec.Struct], table: str) -> list[tuple[str, str, str]]:
    """Return (table, key, default as TOML) of everything that can be set."""
    found = []
    for field in msgspec.structs.fields(kind):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            found += keys(field.type, f"{table}.{field.name}")
            continue
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        is_text = isinstance(default, str)
        found.append((table, field.name, f'"{default}"' if is_text else _toml(default)))
    return found


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "[]" if value == () else str(value)


def explained() -> list[tuple[str, str, str]]:
    """Return the same as the page has it."""
    found = []
    for section in re.split(r"^#+ ", PAGE, flags=re.MULTILINE):
        heading = re.match(r"`\[(scheduler[\w.]*)\]`", section)
        if heading:
            found += [(heading[1], *row) for row in re.findall(r"^\| `(\w+)` \| `(.*?)` \|", section, re.MULTILINE)]
    return found


def test_every_setting_is_explained_with_its_default_and_no_other():
    assert sorted(explained()) == sorted(keys(Settings, "scheduler"))


def test_the_files_that_are_shown_are_accepted():
    shown = [tomllib.loads(text) for text in blocks("toml")]
    tables = [one["scheduler"] for one in shown if "scheduler" in one]
    assert len(tables) >= 4
    for table in tables:
        settings_from(table)


@pytest.fixture
def mine() -> types.SimpleNamespace:
    """The Python of the page."""
    names: dict[str, object] = {}
    for text in blocks("python"):
        exec(compile(text, "docs/scheduler.md", "exec"), names)
    return types.SimpleNamespace(**names)


def test_the_filter_and_the_scorer_of_the_page_work(mine):
    assert issubclass(mine.Quiet, Filter)
    assert issubclass(mine.Near, Scorer)
    view = synthetic(0, 4, 60)
    plan = planner_of(Settings(), Parts(filters=(mine.Quiet(),)))(view)
    for host in view.hosts:
        assert host.running_vms + sum(one[1] == host.id for one in plan.placements) <= 10
    assert any("carry ten VMs already" in reason for reason in plan.refusals.values())
    with_owner = msgspec.structs.replace(view.hosts[3], attributes={**view.hosts[3].attributes, "OWNER": ["7"]})
    vm = msgspec.structs.replace(view.vms[0], uid=7)
    owned = msgspec.structs.replace(view, hosts=(*view.hosts[:3], with_owner), vms=(vm,))
    assert planner_of(Settings(), Parts(scorers=((mine.Near(), 100.0),)))(owned).placements[0][1] == 3


def test_the_planner_of_the_page_works(mine):
    view = synthetic(0, 4, 3)
    plan = planner_of(Settings(), Parts(planner=mine.OneAtATime))(view)
    assert [vm_id for vm_id, *_ in plan.placements] == [view.vms[0].id]
    assert set(plan.refusals) == {vm.id for vm in view.vms[1:]}


def test_the_binder_of_the_page_works(mine):
    engine = Engine()
    engine.pending = {1: {}, 2: {}}
    engine.hosts = {0: {}}
    loop = Loop(engine, binder=mine.one_by_one, interval_s=30, clock=engine.clock, sleep=engine.sleep, now=engine.clock)
    loop.round()
    assert engine.pending == {}
    assert len(engine.called("trifid.vm.place_all")) == 2


def test_the_plan_of_the_page_is_one():
    (text,) = blocks("json")
    assert [(one.vm, one.host, one.datastore) for one in read_answer(text).placements] == [(17, 3, 0), (18, 3, -1)]


COMMANDS = [line for text in blocks("sh") for line in text.splitlines() if line.startswith("trifid sched ")]


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_of_the_page_can_be_typed(line, monkeypatch, tmp_path):
    monkeypatch.setenv("TRIFID_HOME", str(tmp_path))
    result = CliRunner().invoke(engine.main, shlex.split(line)[1:])
    needs_home = any(word in line for word in ("decisions", "replay"))
    assert result.exit_code == (1 if needs_home else 0)
    assert "Usage" not in result.stderr
