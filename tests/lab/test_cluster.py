"""A whole cluster of three hosts that the engine reaches by ssh: placing, moving, emptying, restarting.

Runs inside the lab's own namespaces (tools/in-lab), as root.  The cluster and its VMs are shared by the tests.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.cluster import LAB, NAMES, Cluster, Fleet
from tests.lab.guests import until_counted
from tests.lab.visitor import Visitor
from tests.system.home import Api

pytestmark = pytest.mark.timeout(600)

VMS = 4
MAINTENANCE_S = 120.0
ARRIVES_WITHIN_S, BACK_WITHIN_S, ROLLED_WITHIN_S = 30.0, 120.0, 180.0
QUIET_S = 15.0
"""Longer than it takes until a silent host is fenced whose VMs are UNKNOWN."""
AFTER_FENCE_S = 60.0
"""VMs of a host that is proven to be off run elsewhere within this time."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three hosts, and an engine that has them."""
    made = Cluster(tmp_path_factory.mktemp("lab") / "lab")
    begun = time.monotonic()
    try:
        made.up()
        print(f"cluster up: {time.monotonic() - begun:.1f} s")
        yield made
    finally:
        made.lab("down")


@pytest.fixture(scope="module")
def fleet(cluster: Cluster) -> Fleet:
    """VMs on a datastore that all hosts share, placed by the scheduler."""
    begun = time.monotonic()
    made = Fleet(cluster, "tiny", VMS)
    print(f"{VMS} VMs placed, booted and answering: {time.monotonic() - begun:.1f} s")
    return made


def empty(cluster: Cluster, host: str) -> None:
    """Have a host emptied for maintenance, as an administrator does."""
    cluster.home.run("onehost", "maintenance", host, "--timeout", f"{MAINTENANCE_S:g}")


def with_nothing(cluster: Cluster, fleet: Fleet) -> str:
    """Return a host that carries no VM."""
    host = min(NAMES, key=lambda name: len(fleet.on(name)))
    if fleet.on(host):
        empty(cluster, host)
        cluster.home.run("onehost", "enable", host)
    return host


def fullest(fleet: Fleet) -> str:
    """Return the host that carries most VMs."""
    return max(NAMES, key=lambda name: len(fleet.on(name)))


def test_the_scheduler_places_vms_on_all_three_hosts(fleet: Fleet) -> None:
    assert set(fleet.where().values()) == set(NAMES)
    fleet.runs_where_it_should()


def test_a_guest_answers_throughout_a_live_migration_over_ssh(cluster: Cluster, fleet: Fleet) -> None:
    vm_id = fleet.ids[0]
    target = next(name for name in NAMES if name != fleet.where()[vm_id])
    with Visitor(fleet.addresses[vm_id]) as visitor:
        begun = time.monotonic()
        cluster.home.run("onevm", "migrate", "--live", str(vm_id), target, "--wait")
        took_s = time.monotonic() - begun
        until_counted(fleet.addresses[vm_id], fleet.counts[vm_id].number + 3)
    assert visitor.failures == []
    print(f"live over ssh: {took_s:.1f} s, {visitor.asked} requests, longest gap {visitor.longest_s:.2f} s")
    assert fleet.where()[vm_id] == target
    fleet.runs_where_it_should()
    fleet.has_lost_nothing()


def test_maintenance_moves_every_vm_of_a_host_live_and_lets_them_come_back(cluster: Cluster, fleet: Fleet) -> None:
    host = fullest(fleet)
    moving = fleet.on(host)
    with Visitor(fleet.addresses[moving[0]]) as visitor:
        begun = time.monotonic()
        empty(cluster, host)
        took_s = time.monotonic() - begun
    assert visitor.failures == []
    print(f"maintenance of {host}: {len(moving)} VMs in {took_s:.1f} s, longest gap {visitor.longest_s:.2f} s")
    assert cluster.domains(host) == []
    fleet.runs_where_it_should()

    cluster.home.run("onehost", "enable", host)
    cluster.until_hosts(host)
    for vm_id in moving:
        cluster.home.run("onevm", "migrate", "--live", str(vm_id), host, "--wait")
    assert fleet.on(host) == moving
    fleet.runs_where_it_should()
    fleet.has_lost_nothing()


def test_all_hosts_are_rebooted_one_after_the_other_while_guests_run_on(
    cluster: Cluster, fleet: Fleet, tmp_path: Path
) -> None:
    reboot = tmp_path / "reboot"
    reboot.write_text(f"#!/bin/sh\nset -eu\n{LAB} crash $1\n{LAB} start $1\necho $1 >> {tmp_path}/rebooted\n")
    reboot.chmod(0o755)
    with Visitor(fleet.addresses[fleet.ids[0]]) as visitor:
        begun = time.monotonic()
        with cluster.asked("onehost", "roll", "--all", "--command", str(reboot)) as roll:
            out, err = roll.communicate(timeout=ROLLED_WITHIN_S)
        took_s = time.monotonic() - begun
    assert roll.returncode == 0, out + err
    gap = f"{visitor.asked} requests, longest gap {visitor.longest_s:.2f} s"
    print(f"{len(NAMES)} hosts rebooted in {took_s:.1f} s, {gap}")
    assert visitor.failures == []
    assert sorted((tmp_path / "rebooted").read_text().split()) == list(NAMES)
    fleet.runs_where_it_should()
    fleet.has_lost_nothing()


def test_a_guest_whose_disks_are_on_its_host_moves_live_with_them(cluster: Cluster) -> None:
    alone = Fleet(cluster, "tiny-local", 1)
    (vm_id,) = alone.ids
    source = alone.where()[vm_id]
    target = next(name for name in NAMES if name != source)
    with Visitor(alone.addresses[vm_id]) as visitor:
        begun = time.monotonic()
        cluster.home.run("onevm", "migrate", "--live", str(vm_id), target, "--wait")
        took_s = time.monotonic() - begun
        until_counted(alone.addresses[vm_id], alone.counts[vm_id].number + 3)
    print(f"live with its disk: {took_s:.1f} s, {visitor.asked} requests, longest gap {visitor.longest_s:.2f} s")
    assert visitor.failures == []
    assert cluster.files(source, vm_id) == [] and "disk.0" in cluster.files(target, vm_id)
    assert alone.where()[vm_id] == target and alone.states() == {"RUNNING"}
    assert f"one-{vm_id}" in cluster.domains(target) and f"one-{vm_id}" not in cluster.domains(source)
    alone.has_lost_nothing()
    alone.end()


def test_an_engine_killed_in_the_middle_of_maintenance_ends_it_after_its_restart(
    cluster: Cluster, fleet: Fleet
) -> None:
    host = fullest(fleet)
    with cluster.asked("onehost", "maintenance", host, "--timeout", f"{MAINTENANCE_S:g}") as maintenance:
        cluster.api.until(
            lambda: any(cluster.api.state(vm_id) == "MIGRATE" for vm_id in fleet.ids), "a VM is on its way"
        )
        cluster.home.kill()
        begun = time.monotonic()
        cluster.up()
        out, err = maintenance.communicate(timeout=MAINTENANCE_S)
    assert maintenance.returncode == 0, out + err
    print(f"engine killed in maintenance of {host}: done {time.monotonic() - begun:.1f} s after")
    assert cluster.domains(host) == []
    fleet.runs_where_it_should()
    fleet.has_lost_nothing()
    cluster.home.run("onehost", "enable", host)
    cluster.until_hosts(*NAMES)


def test_a_target_that_loses_power_in_the_middle_of_a_live_migration_leaves_the_vm_where_it_was(
    cluster: Cluster, fleet: Fleet
) -> None:
    target = with_nothing(cluster, fleet)
    vm_id = fleet.ids[0]
    source = fleet.where()[vm_id]
    cluster.lab("on", source, "virsh", "-q", "migrate-setspeed", f"one-{vm_id}", "1")
    with Visitor(fleet.addresses[vm_id]) as visitor:
        cluster.api.call("one.vm.migrate", vm_id, cluster.host_id(target), True, False, -1, 0)
        until = time.monotonic() + ARRIVES_WITHIN_S
        while f"one-{vm_id}" not in cluster.domains(target):
            assert time.monotonic() < until, "it does not arrive"
        begun = time.monotonic()
        cluster.lab("crash", target)
        cluster.api.until(lambda: fleet.states(vm_id) == {"RUNNING"}, f"VM {vm_id} is RUNNING", BACK_WITHIN_S)
        took_s = time.monotonic() - begun
    print(f"target lost in a live migration: on {source} after {took_s:.1f} s, longest gap {visitor.longest_s:.2f} s")
    assert visitor.failures == []
    fleet.runs_where_it_should(without=target)
    fleet.has_lost_nothing()
    cluster.lab("start", target)
    if cluster.is_fenced(target):
        cluster.home.run("onehost", "enable", target)
    cluster.until_hosts(*NAMES)
    assert cluster.domains(target) == []


def until_elsewhere(cluster: Cluster, fleet: Fleet, host: str, lost: list[int]) -> None:
    """Wait for the proof that a host runs nothing, then for what it lost to run elsewhere, in time."""
    begun = time.monotonic()
    cluster.api.until(lambda: cluster.is_fenced(host), f"{host} is fenced", timeout_s=90)
    fenced = time.monotonic()
    for vm_id in lost:
        cluster.api.until_state(vm_id, "RUNNING")
    runs = time.monotonic()
    fleet.has_booted(*lost)
    print(
        f"{host} lost: fenced after {fenced - begun:.1f} s, its {len(lost)} VMs run elsewhere {runs - fenced:.1f} s "
        f"after that, and answer {time.monotonic() - fenced:.1f} s after it"
    )
    assert runs - fenced <= AFTER_FENCE_S
    assert fleet.on(host) == []
    fleet.runs_where_it_should(without=host)
    fleet.has_lost_nothing()


def comes_back(cluster: Cluster, fleet: Fleet, host: str) -> None:
    """Switch a fenced host on: it takes VMs again when somebody says so, and has none of those that it had."""
    cluster.lab("start", host)
    enabled = lambda: not cluster.home.run("onehost", "enable", host, status=None).returncode  # noqa: E731
    cluster.api.until(enabled, f"{host} has reported, and is enabled", timeout_s=90)
    cluster.until_hosts(*NAMES)
    assert cluster.domains(host) == []
    fleet.runs_where_it_should()


def test_the_vms_of_a_host_that_loses_power_run_elsewhere_although_the_engine_is_killed_meanwhile(
    cluster: Cluster, fleet: Fleet
) -> None:
    host = fullest(fleet)
    lost = fleet.on(host)
    cluster.lab("crash", host)
    cluster.api.until(lambda: fleet.states(*lost) == {"UNKNOWN"}, f"the VMs of {host} are UNKNOWN")
    cluster.home.kill()
    cluster.home.start()
    cluster.api = Api(cluster.home)
    until_elsewhere(cluster, fleet, host, lost)
    comes_back(cluster, fleet, host)


def cut_off(cluster: Cluster, fleet: Fleet) -> tuple[str, list[int]]:
    """Cut the fullest host off the network; return its name and its VMs once these are UNKNOWN."""
    host = fullest(fleet)
    vms = fleet.on(host)
    cluster.lab("cut", host)
    cluster.api.until(lambda: fleet.states(*vms) == {"UNKNOWN"}, f"the VMs of {host} are UNKNOWN")
    return host, vms


def test_a_host_that_is_cut_off_for_a_while_keeps_its_vms(cluster: Cluster, fleet: Fleet) -> None:
    host, _ = cut_off(cluster, fleet)
    cluster.lab("mend", host)
    cluster.api.until(lambda: fleet.states() == {"RUNNING"}, "all VMs are RUNNING again")
    cluster.until_hosts(*NAMES)
    fleet.runs_where_it_should()
    fleet.has_lost_nothing()


def test_the_vms_of_a_host_that_is_cut_off_but_alive_start_elsewhere_only_after_it_is_fenced(
    cluster: Cluster, fleet: Fleet
) -> None:
    host, cut = cut_off(cluster, fleet)
    cluster.stays(lambda: fleet.states(*cut) == {"UNKNOWN"}, f"the VMs of {host} are UNKNOWN", for_s=QUIET_S)
    fleet.is_only_where_it_should()
    assert "CUT_OFF" in cluster.home.run("onehost", "show", host).stdout
    refused = cluster.home.run("onehost", "fenced", host, "--yes", status=255)
    assert "shows signs of life" in refused.stderr

    cluster.lab("power", "off", host)
    until_elsewhere(cluster, fleet, host, cut)
    comes_back(cluster, fleet, host)
