"""What was measured, through a real engine: kept over a restart, read by pyone, drawn, and scraped by HTTP."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pyone
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.system.home import Api, Home

TEMPLATE = "NAME=web\nCPU=0.1\nMEMORY=64"


@pytest.fixture
def measured(home: Home, api: Api) -> Iterator[tuple[int, int]]:
    """A host that reports every second, and a VM on it that was measured."""
    home.stop()
    home.settings("#monitoring_interval_s = 30", "monitoring_interval_s = 1")
    home.start()
    api = Api(home)
    host_id = api.call("one.host.allocate", "node1", "dummy", "dummy", -1)
    vm_id = api.call("one.vm.allocate", TEMPLATE)
    api.until_state(vm_id, "RUNNING")
    api.until(lambda: "TIMESTAMP" in api.call("one.vm.monitoring", vm_id), "the VM is measured")
    yield host_id, vm_id


def client(home: Home) -> pyone.OneServer:
    session = (home.path / "one_auth").read_text().strip()
    return pyone.OneServer(f"http://127.0.0.1:{home.port}/RPC2", session=session)


def test_pyone_reads_all_four_methods(home: Home, measured: tuple[int, int]) -> None:
    host_id, vm_id = measured
    one = client(home)
    samples = one.vm.monitoring(vm_id).MONITORING
    assert vm_id == samples[0].ID
    assert (samples[0].MEMORY, float(samples[0].CPU) > 0, samples[0].NETRX > 0) == (65536, True, True)
    assert [sample.TIMESTAMP for sample in samples] == sorted(sample.TIMESTAMP for sample in samples)
    assert [sample.ID for sample in one.vmpool.monitoring(-2, 0).MONITORING] == [vm_id]
    assert {sample.ID for sample in one.vmpool.monitoring(-2, 3600).MONITORING} == {vm_id}
    assert {sample.ID for sample in one.host.monitoring(host_id).MONITORING} == {host_id}
    assert [sample.ID for sample in one.hostpool.monitoring(0).MONITORING] == [host_id]
    assert one.vm.info(vm_id).MONITORING.MEMORY == 65536


@pytest.mark.parametrize("end", [Home.stop, Home.kill])
def test_history_is_there_after_a_restart(home: Home, api: Api, measured: tuple[int, int], end) -> None:
    host_id, vm_id = measured
    before = json.loads(Api(home).call("trifid.vm.monitoring", vm_id, 0, -1))["samples"]
    end(home)
    home.start()
    after = json.loads(Api(home).call("trifid.vm.monitoring", vm_id, 0, -1))["samples"]
    assert after[: len(before)] == before
    assert json.loads(Api(home).call("trifid.host.monitoring", host_id, 0, -1))["samples"]


def test_commands_draw_and_list_it(home: Home, measured: tuple[int, int]) -> None:
    assert "CPU: now " in home.run("onevm", "monitoring", "web", "--since", "10m").stdout
    assert "USED_MEMORY: now " in home.run("onehost", "monitoring", "node1").stdout
    assert home.run("onevm", "monitoring", "web", "--csv").stdout.startswith("ID,TIMESTAMP,COUNT,CPU,MEMORY")
    assert " web " in home.run("onevm", "top").stdout


def scrape(home: Home, session: str = "") -> dict[str, float]:
    request = urllib.request.Request(f"http://127.0.0.1:{home.port}/metrics")
    if session:
        request.add_header("Authorization", f"Basic {base64.b64encode(session.encode()).decode()}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {f"{s.name}{sorted(s.labels.values())}": s.value for family in families for s in family.samples}


def test_prometheus_scrapes_it_as_an_administrator(home: Home, measured: tuple[int, int]) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        scrape(home)
    found = scrape(home, (home.path / "one_auth").read_text().strip())
    assert found["trifid_vms['RUNNING']"] == 1
    assert found["trifid_calls_total['ok', 'one.vm.allocate']"] == 1
    assert found["trifid_action_duration_seconds_count['DEPLOY', 'done', 'dummy', 'vmm']"] == 1
    assert found["trifid_driver_up['dummy', 'im']"] == 1
    assert found["trifid_samples_total[]"] > 0
    assert found["trifid_samples_lost_total[]"] == 0
    assert found[f"trifid_vm_memory_bytes['{measured[1]}', 'web']"] == 65536 * 1024


def test_figures_can_be_opened_and_switched_off(home: Home, api: Api) -> None:
    home.stop()
    home.settings("#metrics_open = false", "metrics_open = true")
    home.start()
    found = scrape(home)
    assert "trifid_turns_total[]" in found
    assert not [name for name in found if name.startswith(("trifid_vm_", "trifid_host_"))]
    home.stop()
    home.settings("#metrics = true", "metrics = false")
    home.start()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        scrape(home)


def test_an_engine_runs_without_a_place_for_samples(home: Home, api: Api) -> None:
    home.stop()
    for path in home.path.glob("trifid-samples.db*"):
        path.unlink()
    (home.path / "trifid-samples.db").write_text("no database at all " * 1000)
    home.start()
    api = Api(home)
    host_id = api.call("one.host.allocate", "node1", "dummy", "dummy", -1)
    api.until(lambda: api.hosts()[0]["STATE"] == "2", "the host is monitored")
    said = home.run("onehost", "monitoring", str(host_id), status=None)
    assert said.returncode != 0
    assert "samples are not kept" in said.stderr
