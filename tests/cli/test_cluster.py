"""onecluster, typed against a small engine."""

import json

import pytest

from tests.cli.fake_engine import Refusal, datastore_xml, host_xml, owner


@pytest.fixture(autouse=True)
def _clusters(fake):
    fake.hosts |= {0: host_xml(0, "node1"), 1: host_xml(1, "node2")}
    fake.datastores[1] = datastore_xml(1, "default")
    fake.networks[4] = f"<VNET><ID>4</ID>{owner()}<NAME>private</NAME></VNET>"
    members = "<HOSTS><ID>0</ID><ID>1</ID></HOSTS><DATASTORES><ID>1</ID></DATASTORES><VNETS></VNETS>"
    fake.clusters[100] = (
        f"<CLUSTER><ID>100</ID><NAME>prod</NAME>{members}<TEMPLATE><QOS>gold</QOS></TEMPLATE></CLUSTER>"
    )
    nothing = "<HOSTS></HOSTS><DATASTORES></DATASTORES><VNETS></VNETS>"
    fake.clusters[0] = f"<CLUSTER><ID>0</ID><NAME>default</NAME>{nothing}<TEMPLATE></TEMPLATE></CLUSTER>"


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("delete prod", ("one.cluster.delete", 100)),
        ("rename prod production", ("one.cluster.rename", 100, "production")),
        ("addhost prod node1", ("one.cluster.addhost", 100, 0)),
        ("delhost 100 node2", ("one.cluster.delhost", 100, 1)),
        ("adddatastore prod default", ("one.cluster.adddatastore", 100, 1)),
        ("deldatastore prod 1", ("one.cluster.deldatastore", 100, 1)),
        ("addvnet default private", ("one.cluster.addvnet", 0, 4)),
        ("delvnet prod 4", ("one.cluster.delvnet", 100, 4)),
    ],
)
def test_a_command_is_one_call(fake, type_in, words, call):
    fake.answers(call[0], 0)
    result = type_in("onecluster", *words.split())
    assert (result.exit_code, result.output) == (0, "")
    assert fake.calls[-1] == call


def test_create_tells_the_id(fake, type_in):
    fake.answers("one.cluster.allocate", 101)
    assert type_in("onecluster", "create", "test").output == "ID: 101\n"
    assert fake.called("one.cluster.allocate") == [["test"]]


def test_several_hosts_are_put_into_a_cluster_and_the_one_that_is_refused_is_told(fake, type_in):
    fake.answers("one.cluster.addhost", Refusal("[one.cluster.addhost] VM 5 is there", 0x0800, 0), 100)
    result = type_in("onecluster", "addhost", "prod", "node1,node2")
    assert (result.exit_code, "VM 5 is there" in result.stderr) == (255, True)
    assert fake.called("one.cluster.addhost") == [[100, 0], [100, 1]]


def test_attributes_come_from_a_file(fake, type_in):
    fake.answers("one.cluster.update", 100)
    type_in("onecluster", "update", "prod", "-", "--append", stdin="RESERVED_CPU=10")
    assert fake.called("one.cluster.update") == [[100, "RESERVED_CPU=10", 1]]


@pytest.mark.parametrize(
    ("program", "words", "method"),
    [
        ("onehost", "create node3 --im kvm --vm kvm", "one.host.allocate"),
        ("onedatastore", "create --name x --ds fs --tm ssh", "one.datastore.allocate"),
        ("onevnet", "create -", "one.vn.allocate"),
    ],
)
@pytest.mark.parametrize(("option", "cluster_id"), [([], -1), (["--cluster", "prod"], 100)])
def test_what_is_added_is_put_into_a_cluster(fake, type_in, program, words, method, option, cluster_id):
    fake.answers(method, 7)
    assert type_in(program, *words.split(), *option, stdin="NAME=x").output == "ID: 7\n"
    assert fake.called(method)[0][-1] == cluster_id


def test_the_list(type_in):
    header, prod, default = type_in("onecluster", "list").stdout.splitlines()
    assert header.split() == ["ID", "NAME", "HOSTS", "VNETS", "DATASTORES"]
    assert prod.split() == ["100", "prod", "2", "0", "1"]
    assert default.split() == ["0", "default", "0", "0", "0"]


def test_show_names_what_is_in_it(type_in):
    said = [" ".join(line.split()) for line in type_in("onecluster", "show", "prod").stdout.splitlines()]
    for line in ("NAME : prod", 'QOS="gold"', "0 node1", "1 node2", "1 default"):
        assert line in said
    assert said[said.index("VIRTUAL NETWORKS") + 1] == "-"


def test_show_as_json(type_in):
    assert json.loads(type_in("onecluster", "show", "0", "-j").stdout)["CLUSTER"]["NAME"] == "default"
