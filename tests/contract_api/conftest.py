"""What the tests of the API's contract begin with: worlds, of which some have everything."""

import pytest

from tests.contract_api.populated import Populated
from tests.methods.conftest import world  # noqa: F401
from trifid.store.sql import open_store


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    """A migrated database without content."""
    home = tmp_path_factory.mktemp("empty")
    open_store("sqlite:///trifid.db", home).close()
    return home / "trifid.db"


@pytest.fixture
async def make(tmp_path, empty):
    """A function that makes worlds with objects of every kind; they end with the test."""
    made = []

    async def new() -> Populated:
        home = tmp_path / f"home{len(made)}"
        home.mkdir()
        made.append(await Populated.made(home, empty))
        return made[-1]

    yield new
    for one in made:
        await one.stop()
