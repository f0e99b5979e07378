"""The engine as one object: what it makes at its first start, and what it tells its drivers."""

import asyncio
import sys
from pathlib import Path

from tests.core.image.builders import IMAGE_ID, datastore, new_image
from tests.engine.fake_store import FakeStore
from tests.engine.world import World, executable
from trifid.core.image.record import Image, ImageState
from trifid.engine import images
from trifid.engine.config import Config, Drivers, DriverSettings, EngineSettings
from trifid.engine.engine import Engine
from trifid.wire.image_action import ImageActionData

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
    engine = Engine(home, Config(drivers=Drivers(vmm={"tells": tells}, ds={})), store)
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


async def test_what_was_asked_of_a_driver_that_is_configured_no_more_has_failed_after_a_start(tmp_path: Path) -> None:
    store = FakeStore()
    before = World(store=store)
    await before.put(datastore(200, ds_mad="ceph"))
    await before.turns.ask(lambda draft: images.ask(draft, new_image(datastore_id=200), "CP"))
    await before.turns.close()
    (tmp_path / "log").mkdir()
    engine = Engine(tmp_path, Config(drivers=Drivers(ds={})), store)
    await engine.start("oneadmin:secret")
    await engine.turns.ask(lambda draft: None)
    image = engine.turns.memory.images[IMAGE_ID]
    assert (image.state, engine.turns.memory.image_actions) == (ImageState.ERROR, {})
    assert image.template.single("ERROR").startswith("ds driver ceph is not configured (configured: none)")
    await engine.stop()


async def test_an_image_is_made_and_removed_by_a_process_and_the_room_of_its_datastore_is_told(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    dummies = {
        family: {"dummy": DriverSettings(python_program(tmp_path, f"trifid.drivers.{family}.dummy"))}
        for family in ("tm", "ds")
    }
    config = Config(engine=EngineSettings(transfer="dummy"), drivers=Drivers(**dummies))
    engine = Engine(tmp_path, config, FakeStore())
    news: asyncio.Queue[Image | None] = asyncio.Queue()
    engine.turns.after_commit.append(lambda batch: [news.put_nowait(image) for image in batch.images.values()])
    await engine.start("oneadmin:secret")
    made = await engine.turns.ask(lambda draft: images.ask(draft, new_image(size_mib=64), "CP"))
    states = [made.state]
    while (image := await news.get()) is not None:
        states.append(image.state)
        if image.state is ImageState.READY:
            told = await engine.images.query("dummy", "STAT", ImageActionData(size_mib=3))
            await engine.turns.ask(lambda draft, image=image: images.ask(draft, image, "RM"))
    while len(engine.space.troubles) or not all(engine.space.of(number).at for number in (0, 1, 2)):
        await engine.queries.ask("tm", "dummy", "MONITOR", ImageActionData())
    await engine.stop()
    assert states == [ImageState.LOCKED, ImageState.LOCKED, ImageState.READY, ImageState.DELETE]
    assert told == "3 raw"
    assert engine.space.of(1).free_mib == engine.space.of(0).free_mib == 1024 * 1024


def python_program(directory: Path, module: str) -> str:
    """Write a program that runs `main` of a module, as its console script does."""
    text = f"#!{sys.executable}\nfrom {module} import main\nmain()\n"
    return executable(directory, text, name=module)
