"""The whole engine on PostgreSQL: the same life, and the same after a crash."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import PASSWORD, QUOTED, Cluster
from tests.system.home import Api, Home


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of this module's own."""
    made = Cluster()
    yield made
    made.stop()


@pytest.fixture
def home(cluster: Cluster, tmp_path: Path) -> Iterator[Home]:
    """A home with dummy drivers whose state is in PostgreSQL; its engine is started."""
    made = Home(tmp_path / "home", db=cluster.new_database())
    made.start()
    yield made
    made.stop()


def test_vms_live_on_postgresql_and_survive_a_crash(home: Home) -> None:
    api = Api(home)
    api.monitored_host("node1")
    api.call("one.vn.allocate", 'NAME="lan"\nTYPE=RANGED\nBRIDGE=br0\nNETWORK_ADDRESS=10.0.0.0', -1)
    vms = [
        api.call("one.vm.allocate", f'NAME=vm{n}\nCPU=0.1\nMEMORY=16\nNIC=[NETWORK="lan"]', False) for n in range(20)
    ]
    home.kill()

    home.start()
    api = Api(home)
    for vm_id in vms:
        api.until_state(vm_id, "RUNNING")
        api.call("one.vm.action", "terminate-hard", vm_id)
    for vm_id in vms:
        api.until_state(vm_id, "DONE")
    assert "<USED_LEASES>0</USED_LEASES>" in api.call("one.vn.info", 0)
    assert "DONE" in home.run("onevm", "log", "0").stdout
    for log in (home.path / "log").iterdir():
        assert PASSWORD not in log.read_text() and QUOTED not in log.read_text(), f"a password in {log.name}"
    assert PASSWORD not in (status := home.run("trifid", "status").stdout) and QUOTED not in status


def test_two_engines_cannot_use_one_database(home: Home, tmp_path: Path) -> None:
    url = next(line for line in (home.path / "trifid.toml").read_text().splitlines() if line.startswith("url = "))
    other = Home(tmp_path / "other", db=url.split('"')[1])
    refused = other.run("trifid", "start", status=1)
    assert "another engine" in refused.stderr
