"""Probes: what the shipped ones say about this machine, and which there are."""

import os
import re
from pathlib import Path

import pytest

from tests.drivers.probe_builders import of, probe, run_here, shipped
from trifid.drivers.im.probes import PROBE_BYTES_MAX, SHIPPED, Kind, Shelf
from trifid.drivers.im.runner import Told
from trifid.drivers.kit import Failure

NUMBER = r"\d+"

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
    probed = run_here([shipped(name)], Told("/tmp/nowhere/datastores"))
    found = dict(probed.monitor if name.startswith("monitor") else probed.system)
    assert probed.troubles == ()
    assert set(found) == set(said)
    for attribute, pattern in said.items():
        assert re.fullmatch(pattern, str(found[attribute])), (attribute, found[attribute])


def test_every_shipped_probe_is_tested_above() -> None:
    assert {path.name for path in SHIPPED.iterdir()} == set(SAYS)


def test_used_and_free_add_up() -> None:
    probed = run_here(Shelf(None).look()[0])
    system, monitor = dict(probed.system), dict(probed.monitor)
    assert int(str(monitor["FREECPU"])) + int(str(monitor["USEDCPU"])) == int(str(system["TOTALCPU"]))
    assert int(str(monitor["FREEMEMORY"])) + int(str(monitor["USEDMEMORY"])) == int(str(system["TOTALMEMORY"]))


@pytest.mark.parametrize("name", [name for name in SAYS if name != "system-pci"])
def test_a_shipped_probe_needs_no_more_than_busybox(name: str, busybox: Path) -> None:
    probed = run_here([shipped(name)], Told("/tmp"), path=busybox)
    assert probed.troubles == ()
    assert set(dict(probed.monitor if name.startswith("monitor") else probed.system)) == set(SAYS[name])


def test_a_load_is_that_since_the_run_before(tmp_path: Path) -> None:
    """The idle time of a processor that was never idle before would be above all that there is."""
    state = tmp_path / "state"
    state.write_text("0 0\n")
    first = os.popen(f"TRIFID_PROBE_STATE={state} {SHIPPED}/monitor-cpu").read()
    user, nice, system, idle, iowait, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    busy = user + nice + system + irq + softirq + steal
    used, free = (int(line.partition("=")[2]) for line in first.split())
    assert used / (used + free) == pytest.approx(busy / (busy + idle + iowait), abs=0.02)
    before = [int(word) for word in state.read_text().split()]
    assert before[0] <= busy and before[1] <= idle + iowait


def test_without_a_directory_of_datastores_there_is_no_room_to_tell() -> None:
    assert run_here([shipped("monitor-datastores")]).monitor == ()


def test_the_room_is_read_whatever_the_device_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    probe(tmp_path / "bin", "df", "echo head; echo 'server:/my share 9% off 4096000 1024000 3072000 25% /mnt/5% x'")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert run_here([shipped("monitor-datastores")], Told("/")).monitor == (
        ("DS_LOCATION_TOTAL_MB", "4000"),
        ("DS_LOCATION_USED_MB", "1000"),
        ("DS_LOCATION_FREE_MB", "3000"),
    )


# -- which there are ---------------------------------------------------------------------------------


def test_probes_of_the_home_are_found_beside_the_shipped_ones(tmp_path: Path) -> None:
    for name in ("system-mine", "monitor-mine", "host.d/monitor-heat", "host.d/rack", "vm.d/backups"):
        (tmp_path / "probes.d" / name).parent.mkdir(parents=True, exist_ok=True)
        probe(tmp_path / "probes.d", name, "echo A=1")
    (tmp_path / "probes.d" / "README").write_text("not a probe")
    found, troubles = Shelf(tmp_path).look()
    mine = {one.path: one.kind for one in found if not one.path.startswith("shipped/")}
    assert mine == {
        "own/system-mine": Kind.SYSTEM,
        "own/monitor-mine": Kind.MONITOR,
        "host/monitor-heat": Kind.MONITOR,
        "host/rack": Kind.SYSTEM,
        "vm/backups": Kind.VM,
    }
    assert troubles == []
    assert Shelf(tmp_path / "nowhere").look() == Shelf(None).look()


def test_a_probe_that_changes_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "probes.d").mkdir()
    shelf = Shelf(tmp_path)
    for text in ("echo A=1", "echo A=1; echo B=2"):
        path = probe(tmp_path / "probes.d", "mine", text)
        assert [one.content for one in shelf.look()[0] if one.path == "own/mine"] == [path.read_bytes()]


def test_a_probe_that_cannot_be_sent_is_told(tmp_path: Path) -> None:
    (tmp_path / "probes.d").mkdir()
    probe(tmp_path / "probes.d", "two words", "echo A=1")
    large = probe(tmp_path / "probes.d", "large", "")
    os.truncate(large, PROBE_BYTES_MAX + 1)
    (tmp_path / "probes.d" / "lost").symlink_to("/nowhere")
    found, troubles = Shelf(tmp_path).look()
    assert found == Shelf(None).look()[0]
    assert troubles == [
        f"probe large: it has {PROBE_BYTES_MAX + 1} bytes, at most {PROBE_BYTES_MAX} are sent to hosts",
        "probe two words: its name has other characters than letters, digits and _ . + -, or more than 100",
    ]


def test_no_working_probe_is_a_failure_with_all_reasons(tmp_path: Path) -> None:
    bad = probe(tmp_path, "system-bad", "echo disk on fire >&2; exit 2")
    with pytest.raises(Failure, match="no probe worked on host localhost: probe system-bad: exit status 2: disk on fi"):
        run_here([of(bad)])


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
    probed = run_here([shipped("system-pci")], Told("", pci_filter))
    assert probed.troubles == ()
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
        probed = run_here([shipped("system-pci")], Told("", pci_filter))
        assert probed.system == (("PCI", ""),)


@pytest.mark.parametrize("wrong", ["gpu", "10d:*", "10de:1eb8:0302:0", "10de:", "$(reboot)"])
def test_a_filter_that_cannot_be_meant_offers_nothing(machine: Path, wrong: str) -> None:
    probed = run_here([shipped("system-host"), shipped("system-pci")], Told("", f"10de:* {wrong}"))
    assert "PCI" not in dict(probed.system)
    (trouble,) = probed.troubles
    assert f"PCI_FILTER: {wrong} is not like 10de:1eb8:0302" in trouble
