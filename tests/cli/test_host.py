"""onehost, typed against a small engine."""

import pytest

from tests.cli.fake_engine import Refusal, host_xml, tags, vm_xml


@pytest.mark.parametrize(
    "words",
    [
        ["host1", "--im", "kvm", "--vm", "qemu"],
        ["host1", "-i", "kvm", "-v", "qemu"],
        ["host1", "im_kvm", "vmm_qemu", "tm_shared"],
        ["host1", "kvm", "qemu"],
    ],
)
def test_a_host_is_created_in_the_form_of_today_and_of_2009(fake, type_in, words):
    fake.answers("one.host.allocate", 4)
    assert type_in("onehost", "create", *words).stdout == "ID: 4\n"
    assert fake.calls[-1] == ("one.host.allocate", "host1", "kvm", "qemu", -1)


def test_a_host_without_drivers_is_not_created(fake, type_in):
    result = type_in("onehost", "create", "host1")
    assert result.exit_code == 255
    assert "onehost create host1 --im kvm --vm kvm" in result.stderr
    assert fake.calls == []


def test_the_engine_tells_which_drivers_there_are(fake, type_in):
    text = "[one.host.allocate] Error allocating a new host. IM_MAD_NAME x is not configured"
    fake.answers("one.host.allocate", Refusal(text, 0x4000, -1))
    assert text in type_in("onehost", "create", "host1", "-i", "x", "-v", "x").stderr


def test_what_has_no_owner_yet_is_not_a_matter_for_its_owner(fake, type_in):
    fake.answers("one.host.allocate", Refusal("Not authorized to perform CREATE HOST.", 0x0200, -1))
    stderr = type_in("onehost", "create", "host1", "-i", "kvm", "-v", "kvm").stderr
    assert "its owner" not in stderr
    assert "a member of the group oneadmin" in stderr
    fake.answers("one.host.delete", Refusal("Not authorized to perform ADMIN HOST [0].", 0x0200, 0))
    stderr = type_in("onehost", "delete", "0").stderr
    assert "its owner" not in stderr
    assert "a member of the group oneadmin" in stderr


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["enable", "host1"], ("one.host.status", 0, 0)),
        (["disable", "0"], ("one.host.status", 0, 1)),
        (["offline", "0"], ("one.host.status", 0, 2)),
        (["delete", "host1"], ("one.host.delete", 0)),
        (["rename", "host1", "host2"], ("one.host.rename", 0, "host2")),
    ],
)
def test_a_command_is_one_call(fake, type_in, words, call):
    fake.hosts[0] = host_xml(0)
    fake.answers(call[0], 0)
    assert type_in("onehost", *words).output == ""
    assert fake.calls[-1] == call


def test_names_of_hosts_in_the_words_of_2009(fake, type_in):
    assert "Error: Host named host9 not found." in type_in("onehost", "delete", "host9").stderr
    fake.hosts |= {0: host_xml(0), 1: host_xml(1)}
    assert "Error: There are multiple hosts with name host1." in type_in("onehost", "delete", "host1").stderr


def test_the_columns_of_today(fake, type_in):
    fake.hosts[0] = host_xml(0)
    header, line = type_in("onehost", "list").stdout.splitlines()
    assert header.split() == ["ID", "NAME", "CLUSTER", "TVM", "ALLOCATED_CPU", "ALLOCATED_MEM", "STAT"]
    assert line.split() == ["0", "host1", "default", "1", "100", "/", "400", "(25%)", "1G", "/", "4G", "(25%)", "on"]


def test_the_columns_of_2009(fake, type_in):
    fake.hosts[0] = host_xml(0)
    line = type_in("onehost", "list", "-l", "HID,NAME,RVM,TCPU,FCPU,ACPU,TMEM,FMEM,STAT", "--no-header").stdout
    # FCPU is what is there less what is used, not what the probe says is free.
    assert line.split() == ["0", "host1", "1", "400", "370", "300", "4G", "3G", "on"]


def test_a_host_in_error_tells_why(fake, type_in):
    fake.hosts[0] = host_xml(0, state=3, ERROR="connection refused")
    out = type_in("onehost", "show", "host1").stdout
    assert "STATE               : ERROR" in out
    assert "WHY                 : connection refused" in out
    assert type_in("onehost", "list", "-l", "STAT,WHY", "--csv").stdout == "STAT,WHY\nerr,connection refused\n"


def test_show_lists_the_vms_that_are_there(fake, type_in):
    fake.hosts[0] = host_xml(0, RESERVED_CPU="10")
    fake.vms = {0: vm_xml(0, "web"), 1: vm_xml(1, "elsewhere")}
    out = type_in("onehost", "show", "0").stdout
    assert "web" in out
    assert "elsewhere" not in out
    assert 'RESERVED_CPU="10"' in out


def test_show_lists_the_devices_and_who_has_them(fake, type_in):
    about = "<TYPE>10de:1eb8:0302</TYPE><DEVICE_NAME>Tesla</DEVICE_NAME>"
    pairs = (("0000:3b:00.0", 7), ("0000:af:00.0", -1))
    told = [f"<PCI><ADDRESS>{address}</ADDRESS>{about}<VMID>{vm_id}</VMID></PCI>" for address, vm_id in pairs]
    devices = f"<PCI_DEVICES>{''.join(told)}</PCI_DEVICES>"
    fake.hosts[0] = host_xml(0).replace("</HOST_SHARE>", f"{devices}</HOST_SHARE>")
    out = type_in("onehost", "show", "0").stdout
    rows = out[out.index("PCI DEVICES") :].splitlines()
    assert rows[2].split() == ["7", "0000:3b:00.0", "10de:1eb8:0302", "Tesla"]
    assert rows[3].split() == ["0000:af:00.0", "10de:1eb8:0302", "Tesla"]
    fake.hosts[0] = host_xml(0)
    assert "PCI DEVICES" not in type_in("onehost", "show", "0").stdout


def _measuring(**measures: object) -> str:
    return host_xml(0).replace("</CAPACITY>", f"</CAPACITY><SYSTEM>{tags(measures)}</SYSTEM>")


def test_show_tells_what_the_probes_measured(fake, type_in):
    fake.hosts[0] = _measuring(NETRX=7, TEMPERATURE=41)
    out = type_in("onehost", "show", "0").stdout
    assert 'TEMPERATURE="41"' in out[out.index("HOST MONITORING") :]
    assert "TROUBLE" not in out


def test_show_tells_each_probe_in_trouble_on_its_line(fake, type_in):
    first, second = "probe monitor-a: exit status 3: no disk; really", "probe b: not done after 10 s, and was ended"
    fake.hosts[0] = _measuring(PROBE_TROUBLES=f"{first}; {second}")
    lines = type_in("onehost", "show", "0").stdout.splitlines()
    assert lines[lines.index("PROBES IN TROUBLE") + 1 :][:2] == [first, second]
    assert not [line for line in lines if "PROBE_TROUBLES" in line]
