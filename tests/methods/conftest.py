"""The engine that methods are called on."""

import pytest

from tests.methods.world import World


@pytest.fixture
async def world(tmp_path):
    made = await World(tmp_path).start()
    yield made
    await made.engine.stop()
