"""onevdc, typed against a small engine."""

import pytest

from tests.cli.fake_engine import Refusal, datastore_xml, host_xml, owner

LAB = """<VDC><ID>100</ID><NAME>lab</NAME><GROUPS><ID>1</ID></GROUPS><CLUSTERS><CLUSTER><ZONE_ID>0</ZONE_ID>
<CLUSTER_ID>-10</CLUSTER_ID></CLUSTER></CLUSTERS><HOSTS><HOST><ZONE_ID>0</ZONE_ID><HOST_ID>0</HOST_ID></HOST><HOST>
<ZONE_ID>0</ZONE_ID><HOST_ID>1</HOST_ID></HOST></HOSTS><DATASTORES></DATASTORES><VNETS></VNETS>
<TEMPLATE><COST>5</COST></TEMPLATE></VDC>"""


@pytest.fixture(autouse=True)
def _vdcs(fake):
    fake.hosts |= {0: host_xml(0, "node1"), 1: host_xml(1, "node2")}
    fake.datastores[1] = datastore_xml(1, "default")
    fake.networks[4] = f"<VNET><ID>4</ID>{owner()}<NAME>private</NAME></VNET>"
    fake.clusters[100] = "<CLUSTER><ID>100</ID><NAME>prod</NAME></CLUSTER>"
    fake.methods["one.vdcpool.info"] = lambda: f"<VDC_POOL>{LAB}</VDC_POOL>"
    fake.methods["one.vdc.info"] = lambda vdc_id, *_: LAB
    fake.methods["one.zonepool.info"] = lambda: "<ZONE_POOL><ZONE><ID>0</ID><NAME>here</NAME></ZONE></ZONE_POOL>"


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("delete lab", ("one.vdc.delete", 100)),
        ("rename lab other", ("one.vdc.rename", 100, "other")),
        ("addgroup lab users", ("one.vdc.addgroup", 100, 1)),
        ("delgroup lab 1", ("one.vdc.delgroup", 100, 1)),
        ("addcluster lab 0 prod", ("one.vdc.addcluster", 100, 0, 100)),
        ("delcluster lab 0 ALL", ("one.vdc.delcluster", 100, 0, -10)),
        ("addhost lab here node2", ("one.vdc.addhost", 100, 0, 1)),
        ("delhost lab 0 0", ("one.vdc.delhost", 100, 0, 0)),
        ("adddatastore 100 0 default", ("one.vdc.adddatastore", 100, 0, 1)),
        ("deldatastore 100 0 ALL", ("one.vdc.deldatastore", 100, 0, -10)),
        ("addvnet lab 0 private", ("one.vdc.addvnet", 100, 0, 4)),
        ("delvnet lab 0 4", ("one.vdc.delvnet", 100, 0, 4)),
    ],
)
def test_a_command_is_one_call(fake, type_in, words, call):
    fake.answers(call[0], 100)
    result = type_in("onevdc", *words.split())
    assert (result.exit_code, result.output) == (0, "")
    assert fake.calls[-1] == call


def test_create_tells_the_id(fake, type_in):
    fake.answers("one.vdc.allocate", 101)
    assert type_in("onevdc", "create", 'say "hi"').output == "ID: 101\n"
    assert fake.called("one.vdc.allocate") == [['NAME="say \\"hi\\""\n']]


def test_of_several_hosts_the_one_that_is_refused_is_told(fake, type_in):
    fake.answers("one.vdc.addhost", Refusal("[one.vdc.addhost] it is there", 0x0800, 0), 100)
    result = type_in("onevdc", "addhost", "lab", "0", "node1,node2")
    assert (result.exit_code, "it is there" in result.stderr) == (255, True)
    assert fake.called("one.vdc.addhost") == [[100, 0, 0], [100, 0, 1]]


def test_the_list_counts_and_tells_what_is_all(type_in):
    header, lab = type_in("onevdc", "list").stdout.splitlines()
    assert header.split() == ["ID", "NAME", "GROUPS", "CLUSTERS", "HOSTS", "VNETS", "DATASTORES"]
    assert lab.split() == ["100", "lab", "1", "ALL", "2", "0", "0"]


def test_show_tells_names(type_in):
    shown = type_in("onevdc", "show", "lab").stdout
    assert "VDC 100 INFORMATION" in shown and 'COST="5"' in shown
    assert "    1 users" in shown and "node2" in shown and "zone 0      ALL" in shown
