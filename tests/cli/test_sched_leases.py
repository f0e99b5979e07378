"""`trifid sched leases`: the table, the picture, JSON."""

import json
import time

import pytest

from tests.cli.fake_engine import host_xml, vm_xml
from trifid.cli.lease_picture import Bar, picture
from trifid.core.template.lease import moment_text

NOW = 1_800_000_000


@pytest.fixture
def now(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    return NOW


def with_lease(document, start, duration="unlimited", preemptible="no", mark=""):
    keys = f"<START>{start}</START><DURATION>{duration}</DURATION><PREEMPTIBLE>{preemptible}</PREEMPTIBLE>"
    assert "</USER_TEMPLATE>" in document
    return document.replace("</USER_TEMPLATE>", f"<HAIZEA>{keys}</HAIZEA>{mark}</USER_TEMPLATE>")


def test_a_picture_has_a_line_per_lease_and_a_block_per_host():
    bars = [
        Bar("b", "1 web", NOW, None, "~"),
        Bar("a", "2 course", NOW + 3600, NOW + 2 * 3600, "="),
        Bar("a", "3 test", NOW, NOW + 60, "#"),
    ]
    lines = picture(bars, NOW, 12)
    assert lines[1].startswith("From 2027-01-15 08:00:00 (UTC) on, each sign is 15 min")
    assert lines[2].split() == ["08:00", "11:00", "14:00", "17:00"]
    assert lines[3:] == [
        "a",
        f"  3 test              #{'.' * 47}",
        f"  2 course            ....===={'.' * 40}",
        "b",
        f"  1 web               {'~' * 48}",
    ]


def test_leases_are_listed_with_their_time_and_host(type_in, fake, now):
    mark = (
        "<SCHED_LEASE><STATE>accepted</STATE><HOST_ID>2</HOST_ID>"
        f"<START>{NOW + 3600}</START><END>{NOW + 7200}</END></SCHED_LEASE>"
    )
    fake.hosts[2] = host_xml(2, "node2")
    fake.vms[4] = vm_xml(4, state=1, lcm=0)
    fake.vms[5] = with_lease(vm_xml(5, state=1, lcm=0), moment_text(NOW + 3600), "01:00:00", "no", mark)
    fake.vms[6] = with_lease(vm_xml(6, state=1, lcm=0), "best_effort", "unlimited", "yes")
    result = type_in("trifid", "sched", "leases")
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines() if line.split()[:1] in (["5"], ["6"])]
    assert lines[0][-7:] == ["reserved", "2027-01-15", "09:00:00", "2027-01-15", "10:00:00", "node2", "accepted"]
    assert lines[1][-6:] == ["effort", "*", "-", "-", "-", "waiting"]
    assert "* may be suspended for others" in result.stdout
    assert "....====...." in result.stdout


def test_one_that_is_suspended_is_listed_with_what_it_waits_for(type_in, fake, now):
    mark = (
        "<SCHED_LEASE><STATE>suspended</STATE></SCHED_LEASE>"
        "<SCHED_MESSAGE>Suspended for others; it cannot go on</SCHED_MESSAGE>"
    )
    fake.vms[6] = with_lease(vm_xml(6, state=5, lcm=0), "best_effort", "unlimited", "yes", mark)
    lines = type_in("trifid", "sched", "leases").stdout.splitlines()
    assert lines[1].endswith("suspended for another")
    assert lines[3].startswith("6 ") and lines[3].endswith(": Suspended for others; it cannot go on")


def test_leases_come_as_json(type_in, fake, now):
    fake.vms[6] = with_lease(vm_xml(6, state=1, lcm=0), "best_effort", "01:00:00", "yes")
    (one,) = json.loads(type_in("trifid", "sched", "leases", "--json").stdout)
    assert (one["id"], one["kind"], one["is_preemptible"], one["duration_s"]) == (6, "best effort", True, 3600)
    assert (one["start"], one["end"], one["host_id"], one["state"]) == (None, None, -1, "waiting")


def test_without_leases_that_is_told(type_in, fake):
    fake.vms[4] = vm_xml(4)
    assert "No VM has a lease" in type_in("trifid", "sched", "leases").stdout
