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
    "system-pci": {},
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


# -- PCI devices -------------------------------------------------------------------------------------

PCI_IDS = """# a list
10de  NVIDIA "Corporation"
\t1eb8  TU104GL [Tesla T4]
\t\t10de 12a2  a board
8086  Intel
\t1eb8  another one of that number
C 03  Display controller
\t02  3D controller
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with two GPUs, a NIC and a bridge; the directory of its devices."""
    devices = tmp_path / "devices"
    for address, vendor, device, kind in (
        ("0000:00:1f.0", "8086", "1eb8", "060100"),
        ("0000:3b:00.0", "10de", "1eb8", "030200"),
        ("0000:af:00.0", "10de", "20b0", "030200"),
        ("0001:01:00.1", "8086", "1520", "020000"),
    ):
        place = devices / address
        place.mkdir(parents=True)
        for name, text in (("vendor", vendor), ("device", device), ("class", kind)):
            (place / name).write_text(f"0x{text}\n")
        (place / "numa_node").write_text("-1\n" if vendor == "8086" else "1\n")
    (devices / "0001:01:00.1" / "net" / "eth5").mkdir(parents=True)
    (tmp_path / "pci.ids").write_text(PCI_IDS)
    monkeypatch.setenv("PCI_DEVICES", str(devices))
    monkeypatch.setenv("PCI_IDS", str(tmp_path / "pci.ids"))
    return devices


def told_devices(pci_filter: str) -> list[dict[str, str]]:
    probed = run_probes([SHIPPED / "system-pci"], "localhost", is_local=True, pci_filter=pci_filter)
    assert probed.troubles == []
    return [value for name, value in probed.system if name == "PCI" and isinstance(value, dict)]


@pytest.mark.parametrize(
    ("pci_filter", "addresses"),
    [
        ("10de:*", ["0000:3b:00.0", "0000:af:00.0"]),
        ("10DE:1EB8", ["0000:3b:00.0"]),
        ("10de:1eb8:0302, 8086:1520:0200", ["0000:3b:00.0", "0001:01:00.1"]),
        ("*:*:0200", ["0001:01:00.1"]),
        ("*:0200", []),
        ("8086 10de:20b0", ["0000:af:00.0", "0001:01:00.1"]),
        ("*", ["0000:3b:00.0", "0000:af:00.0", "0001:01:00.1"]),
        ("", []),
        (" ", []),
        ("none", []),
    ],
)
def test_the_devices_that_the_filter_names_are_told_and_never_a_bridge(
    machine: Path, pci_filter: str, addresses: list[str]
) -> None:
    assert [one["ADDRESS"] for one in told_devices(pci_filter)] == addresses


def test_a_device_is_told_with_its_numbers_and_names(machine: Path) -> None:
    gpu, nic = told_devices("10de:1eb8,8086:1520")
    assert gpu == {
        "TYPE": "10de:1eb8:0302",
        "VENDOR": "10de",
        "DEVICE": "1eb8",
        "CLASS": "0302",
        "ADDRESS": "0000:3b:00.0",
        "SHORT_ADDRESS": "3b:00.0",
        "NUMA_NODE": "1",
        "VENDOR_NAME": "NVIDIA Corporation",
        "DEVICE_NAME": "TU104GL [Tesla T4]",
        "CLASS_NAME": "3D controller",
    }
    assert (nic["IFNAME"], nic["NUMA_NODE"], nic["VENDOR_NAME"], nic["DEVICE_NAME"]) == ("eth5", "-", "Intel", "")


def test_what_was_told_before_is_taken_away_when_there_is_nothing_any_more(machine: Path) -> None:
    for pci_filter in ("none", "dead:*"):
        probed = run_probes([SHIPPED / "system-pci"], "localhost", is_local=True, pci_filter=pci_filter)
        assert probed.system == (("PCI", ""),)


@pytest.mark.parametrize("wrong", ["gpu", "10d:*", "10de:1eb8:0302:0", "10de:", "$(reboot)"])
def test_a_filter_that_cannot_be_meant_offers_nothing(machine: Path, wrong: str) -> None:
    probes = [SHIPPED / "system-host", SHIPPED / "system-pci"]
    probed = run_probes(probes, "localhost", is_local=True, pci_filter=f"10de:* {wrong}")
    assert "PCI" not in dict(probed.system)
    (trouble,) = probed.troubles
    assert f"PCI_FILTER: {wrong} is not like 10de:1eb8:0302" in trouble


def test_the_filter_reaches_other_hosts(machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", fake_ssh(tmp_path, 'shift; exec "$@"'))
    probed = run_probes([SHIPPED / "system-pci"], "far1", is_local=False, pci_filter="8086:*")
    assert [dict(value)["ADDRESS"] for _, value in probed.system if isinstance(value, dict)] == ["0001:01:00.1"]
