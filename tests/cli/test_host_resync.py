"""onehost resync, onevm resync, onehost importvm, and where wild domains are shown."""

import json

from tests.cli.fake_engine import Refusal, host_xml, record, tags, vm_xml

DIFFERENCE = {"vm_id": 3, "name": "web", "believed": "RUNNING", "seen": "OFF", "becomes": "POWEROFF", "why": ""}
WILD = {"name": "legacy", "uuid": "u", "state": "RUNNING", "vcpus": 2, "memory_kib": 65536, "vm_id": -1}


def answer(*differences, wilds=(), host="host1") -> str:
    return json.dumps({"host": 0, "name": host, "differences": differences, "wilds": wilds})


def wild_host() -> str:
    vector = tags({"VM_NAME": "legacy", "STATE": "RUNNING", "VCPU": 2, "MEMORY": 65536, "IMPORT_TEMPLATE": "TkFNRQ=="})
    zombie = tags({"VM_NAME": "one-7", "STATE": "RUNNING", "VCPU": 1, "MEMORY": 1024})
    counts = {"TOTAL_WILDS": 1, "WILDS": "legacy", "TOTAL_ZOMBIES": 1, "ZOMBIES": "one-7"}
    extra = f"<TEMPLATE><VM>{vector}</VM><VM>{zombie}</VM>{tags(counts)}"
    return host_xml(0, RACK="r1").replace("<TEMPLATE>", extra)


def test_differences_are_shown_and_nothing_is_mended_unasked(fake, type_in):
    fake.hosts[0] = host_xml(0)
    fake.answers("trifid.host.resync", answer(DIFFERENCE, wilds=[WILD]))
    for options in ((), ("--dry-run",)):
        out = type_in("onehost", "resync", "host1", *options).stdout
        assert fake.calls[-1] == ("trifid.host.resync", 0, False, -1)
        assert out.splitlines()[1].split() == ["host1", "3", "web", "RUNNING", "OFF", "POWEROFF"]
        assert "Nothing was changed: --apply" in out
        assert "onehost importvm HOST NAME" in out
        assert out.splitlines()[-1].split() == ["host1", "legacy", "RUNNING", "2", "64M"]


def test_mending_is_asked_for_in_two_ways(fake, type_in):
    fake.answers("trifid.host.resync", answer(DIFFERENCE))
    for word in ("--apply", "-y", "--yes"):
        out = type_in("onehost", "resync", "0", word).stdout
        assert fake.calls[-1] == ("trifid.host.resync", 0, True, -1)
        assert "Nothing was changed" not in out
    both = type_in("onehost", "resync", "0", "--apply", "--dry-run")
    assert both.exit_code == 255
    assert "do not go together" in both.stderr


def test_a_host_that_cannot_be_looked_at_keeps_no_other_from_it(fake, type_in):
    fake.answers("trifid.host.resync", Refusal("[trifid.host.resync] it is OFFLINE", 0x0800, 0), answer())
    result = type_in("onehost", "resync", "0,1")
    assert "it is OFFLINE" in result.stderr
    assert result.stdout == "Nothing differs.\n"
    assert result.exit_code == 255


def test_vms_are_compared_on_their_hosts(fake, type_in):
    fake.vms = {3: vm_xml(3, records=record(0, host_id=8) + record(1, host_id=9)), 4: vm_xml(4)}
    fake.answers("trifid.host.resync", answer(DIFFERENCE, wilds=[WILD]))
    result = type_in("onevm", "resync", "3,4")
    assert fake.called("trifid.host.resync") == [[9, False, 3]]
    assert "legacy" not in result.stdout
    assert "VM 4 was never on a host" in result.stderr


def test_without_a_vm_all_hosts_that_are_watched_are_compared(fake, type_in):
    fake.hosts = {0: host_xml(0), 1: host_xml(1, "host2", state=8), 2: host_xml(2, "host3", state=3)}
    fake.answers("trifid.host.resync", answer())
    type_in("onevm", "resync", "--apply")
    assert sorted(fake.called("trifid.host.resync")) == [[0, True, -1], [2, True, -1]]


def test_what_was_found_comes_as_json_too(fake, type_in):
    fake.answers("trifid.host.resync", answer(DIFFERENCE, wilds=[WILD]))
    assert json.loads(type_in("onehost", "resync", "0", "-j").stdout) == [json.loads(answer(DIFFERENCE, wilds=[WILD]))]


def test_a_wild_domain_is_imported_by_its_name(fake, type_in):
    fake.hosts[0] = host_xml(0)
    fake.answers("trifid.host.import_vm", 12)
    assert type_in("onehost", "importvm", "host1", "legacy").stdout == "ID: 12\n"
    assert fake.calls[-1] == ("trifid.host.import_vm", 0, "legacy")


def test_a_host_shows_its_wild_domains_and_not_their_templates(fake, type_in):
    fake.hosts[0] = wild_host()
    out = type_in("onehost", "show", "0").stdout
    rows = out[out.index("WILD VMS") :].splitlines()
    assert rows[2].split() == ["legacy", "RUNNING", "2", "64M"]
    assert rows[3].split() == ["one-7", "RUNNING", "1", "1M", "VM", "7"]
    assert "IMPORT_TEMPLATE" not in out and "TOTAL_WILDS" not in out
    assert 'RACK="r1"' in out
    assert type_in("onehost", "list", "-l", "NAME,WILDS", "--csv").stdout == "NAME,WILDS\nhost1,2\n"
    fake.hosts[0] = host_xml(0)
    assert "WILD VMS" not in type_in("onehost", "show", "0").stdout
