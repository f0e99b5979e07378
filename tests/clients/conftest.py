"""An engine for each module of the tests of clients, with dummy drivers, and the clients that are pointed at it."""

from collections.abc import Iterator

import pyone
import pytest

from tests.clients.tools import Tools
from tests.system.home import Api, Home, engine


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A started engine with dummy drivers; the tests of a module share it."""
    with engine(tmp_path_factory.mktemp("clients") / "home") as started:
        yield started


@pytest.fixture(scope="module")
def api(home: Home) -> Api:
    """The API of that engine, as its administrator, with our own client."""
    return Api(home)


@pytest.fixture(scope="module")
def one(home: Home) -> pyone.OneServer:
    """An unmodified pyone of the administrator."""
    return pyone.OneServer(f"http://127.0.0.1:{home.port}/RPC2", session=home.session)


@pytest.fixture(scope="module")
def tools(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """The clients of build/clients, pointed at that engine."""
    return Tools(home, tmp_path_factory.mktemp("tools"))
