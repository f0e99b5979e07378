"""Probes: what the shipped ones say about this machine, and what becomes of bad ones."""

import os
import re
from pathlib import Path

import pytest

from trifid.drivers.im.probes import SHIPPED, find_probes, run_probes
from trifid.drivers.kit import Failure

NUMBER = r"\d+"


def probe(directory: Path, name: str, text: str) -> Path:
    """Write an executable shell script."""
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def fake_ssh(directory: Path, text: str) -> str:
    """Return a PATH on which ssh, its options and the `--` taken off, is a script."""
    place = directory / "bin"
    place.mkdir()
    probe(place, "ssh", f'while [ "$1" != -- ]; do shift; done; shift\n{text}')
    return f"{place}{os.pathsep}{os.environ['PATH']}"


SAYS = {
    "system-cpu": {"ARCH": r"\w+", "MODELNAME": ".+", "CPUSPEED": NUMBER, "TOTALCPU": r"\d+00"},
    "system-memory": {"TOTALMEMORY": NUMBER},
    "system-host": {"HOSTNAME": ".+", "HYPERVISOR": "kvm"},
    "monitor-cpu": {"FREECPU": NUMBER, "USEDCPU": NUMBER},
    "monitor-memory": {"FREEMEMORY": NUMBER, "USEDMEMORY": NUMBER},
    "monitor-datastores": {
        "DS_LOCATION_TOTAL_MB": NUMBER,
        "DS_LOCATION_USED_MB": NUMBER,
        "DS_LOCATION_FREE_MB": NUMBER,
    },
    "monitor-net": {"NETRX": NUMBER, "NETTX": NUMBER},
}


@pytest.mark.parametrize("name", SAYS)
def test_a_shipped_probe_says_its_attributes(name: str) -> None:
    said = SAYS[name]
    probed = run_probes([SHIPPED / name], "localhost", is_local=True, datastores="/tmp/nowhere/datastores")
    found = dict(probed.monitor if name.startswith("monitor") else probed.system)
    assert probed.troubles == []
    assert set(found) == set(said)
    for attribute, pattern in said.items():
        assert re.fullmatch(pattern, str(found[attribute])), (attribute, found[attribute])


def test_every_shipped_probe_is_tested_above() -> None:
    assert {path.name for path in SHIPPED.iterdir()} == set(SAYS)


def test_used_and_free_add_up() -> None:
    probed = run_probes(find_probes(None), "localhost", is_local=True)
    system, monitor = dict(probed.system), dict(probed.monitor)
    assert int(str(monitor["FREECPU"])) + int(str(monitor["USEDCPU"])) == int(str(system["TOTALCPU"]))
    assert int(str(monitor["FREEMEMORY"])) + int(str(monitor["USEDMEMORY"])) == int(str(system["TOTALMEMORY"]))


def is_running(pid: int) -> bool:
    """Tell whether a process is there and not merely waiting to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_one_that_fails_does_not_fail_the_others(tmp_path: Path) -> None:
    good = probe(tmp_path, "system-good", """echo 'RACK="7 b"'; echo 'SHELF = [ ROW = 3 ]'""")
    bad = probe(tmp_path, "system-bad", "echo A=1; echo disk on fire >&2; exit 2")
    garbage = probe(tmp_path, "system-garbage", "echo hello world")
    hangs = probe(tmp_path, "system-hangs", f"sleep 600 & echo $! >{tmp_path}/child; wait")
    missing = tmp_path / "system-missing"
    probed = run_probes([good, bad, garbage, hangs, missing], "localhost", is_local=True, timeout_s=0.5)
    assert probed.system == (("RACK", "7 b"), ("SHELF", {"ROW": "3"}))
    assert [trouble.split(":")[0] for trouble in probed.troubles] == [
        "probe system-bad",
        "probe system-garbage",
        "probe system-hangs",
        "probe system-missing",
    ]
    assert probed.troubles[0] == "probe system-bad: exit status 2: disk on fire"
    assert probed.troubles[2] == "probe system-hangs: not done after 0.5 s"
    assert not is_running(int((tmp_path / "child").read_text())), "what it started does not outlive it"


def test_no_working_probe_is_a_failure_with_all_reasons(tmp_path: Path) -> None:
    bad = probe(tmp_path, "system-bad", "echo disk on fire >&2; exit 2")
    with pytest.raises(Failure, match="no probe worked on host h1: probe system-bad: exit status 2: disk on fire"):
        run_probes([bad], "h1", is_local=True)


def test_names_that_begin_with_monitor_are_measures(tmp_path: Path) -> None:
    probes = [probe(tmp_path, "monitor-heat", "echo HEAT=40"), probe(tmp_path, "rack", "echo RACK=7")]
    probed = run_probes(probes, "localhost", is_local=True)
    assert (probed.monitor, probed.system) == ((("HEAT", "40"),), (("RACK", "7"),))


def test_executables_of_the_home_are_found_beside_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "probes.d").mkdir()
    mine = probe(tmp_path / "probes.d", "system-mine", "echo A=1")
    (tmp_path / "probes.d" / "README").write_text("not a probe")
    assert set(find_probes(tmp_path)) - set(find_probes(None)) == {mine}
    assert find_probes(tmp_path / "nowhere") == find_probes(None)


def test_scripts_are_run_on_other_hosts_through_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", fake_ssh(tmp_path, 'host=$1; shift; echo "REACHED=$host"; exec "$@"'))
    probed = run_probes([probe(tmp_path, "system-rack", "echo RACK=7")], "far1", is_local=False)
    assert probed.system == (("REACHED", "far1"), ("RACK", "7"))


def test_probes_are_told_where_the_datastores_are_here_and_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", fake_ssh(tmp_path, 'shift; exec "$@"'))
    told = probe(tmp_path, "monitor-told", 'echo "TOLD=\\"$(sh -c \'echo $DATASTORE_LOCATION\')\\""')
    for is_local in (True, False):
        probed = run_probes([told], "far1", is_local=is_local, datastores="/srv/it's $HOME")
        assert probed.monitor == (("TOLD", "/srv/it's $HOME"),)


def test_without_a_directory_of_datastores_there_is_no_room_to_tell() -> None:
    assert run_probes([SHIPPED / "monitor-datastores"], "localhost", is_local=True).monitor == ()


def test_the_room_is_read_whatever_the_device_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    probe(tmp_path / "bin", "df", "echo head; echo 'server:/my share 9% off 4096000 1024000 3072000 25% /mnt/5% x'")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    probed = run_probes([SHIPPED / "monitor-datastores"], "localhost", is_local=True, datastores="/")
    assert probed.monitor == (
        ("DS_LOCATION_TOTAL_MB", "4000"),
        ("DS_LOCATION_USED_MB", "1000"),
        ("DS_LOCATION_FREE_MB", "3000"),
    )


def test_what_is_no_shell_script_is_not_sent_to_other_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", fake_ssh(tmp_path, 'shift; exec "$@"'))
    good, binary = probe(tmp_path, "rack", "echo RACK=7"), tmp_path / "binary"
    binary.write_bytes(b"\x7fELF")
    probed = run_probes([binary, good], "far1", is_local=False)
    assert probed.troubles == ["probe binary: only scripts that begin with #!/bin/sh are run on other hosts"]
    assert probed.system == (("RACK", "7"),)


def test_a_host_that_ssh_cannot_reach_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", fake_ssh(tmp_path, "echo no route to host >&2; exit 255"))
    with pytest.raises(Failure, match=r"host far1 is not this machine and cannot be reached, .* no route to host"):
        run_probes(find_probes(None), "far1", is_local=False)
