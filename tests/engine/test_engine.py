"""The engine as one object: what it makes at its first start, and what it tells its drivers."""

from pathlib import Path

from tests.engine.fake_store import FakeStore
from tests.engine.world import executable
from trifid.engine.config import Config, Drivers, DriverSettings
from trifid.engine.engine import Engine

TELLS = """#!/bin/sh
read -r line
echo "$TRIFID_ENGINE_ID" >"told.$$"
mv "told.$$" told
echo INIT SUCCESS
read -r line
"""


async def told_id(home: Path, store: FakeStore) -> str:
    """Start and stop an engine in a home; return the id that its driver was told."""
    (home / "log").mkdir(parents=True, exist_ok=True)
    tells = DriverSettings(executable(home, TELLS))
    engine = Engine(home, Config(drivers=Drivers(vmm={"tells": tells})), store)
    is_ready = engine.turns.failed.get_loop().create_future()
    engine.processes_changed = lambda: is_ready.done() or is_ready.set_result(None)
    await engine.start("oneadmin:secret")
    await is_ready
    await engine.stop()
    return (home / "told").read_text().strip()


async def test_an_engine_has_an_id_that_stays_with_its_database_and_is_no_other_engines(tmp_path: Path) -> None:
    store = FakeStore()
    first = await told_id(tmp_path / "a", store)
    assert len(first) == 15
    assert await told_id(tmp_path / "b", store) == first
    assert await told_id(tmp_path / "a", FakeStore()) != first


async def test_secrets_of_vms_that_are_done_are_gone_after_a_start(tmp_path: Path) -> None:
    files = tmp_path / "vms" / "42"
    files.mkdir(parents=True)
    (files / "context.sh").write_text("PASSWORD=secret")
    store = FakeStore()
    await told_id(tmp_path, store)
    assert not files.exists()
