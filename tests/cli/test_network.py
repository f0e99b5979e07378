"""onevnet, typed against a small engine."""

import pytest

from tests.cli.fake_engine import Refusal, network_xml

IP4_RANGE = 'AR=[TYPE="IP4", IP="10.1.0.1", SIZE="9"]'
IP6_RANGE = 'AR=[TYPE="IP6", ULA_PREFIX="fd00::", SIZE="9"]'
TWO_LEASES = 'LEASES=[IP="10.0.0.1"]\nLEASES=[IP6="fd00::1"]'


@pytest.fixture(autouse=True)
def _private(fake):
    fake.networks[0] = network_xml(0)


def test_a_network_is_created_from_a_file_or_standard_input(fake, type_in, tmp_path):
    fake.answers("one.vn.allocate", 1, 2)
    (tmp_path / "lan").write_text("NAME=lan\n")
    result = type_in("onevnet", "create", str(tmp_path / "lan"), "-", stdin="NAME=wan\n")
    assert result.stdout == "ID: 1\nID: 2\n"
    assert fake.called("one.vn.allocate") == [["NAME=lan\n", -1], ["NAME=wan\n", -1]]


def test_a_wrong_network_is_named_by_its_file(fake, type_in):
    fake.answers("one.vn.allocate", Refusal("[one.vn.allocate] BRIDGE is missing", 0x2000, -1))
    result = type_in("onevnet", "create", "-", stdin="NAME=lan")
    assert result.exit_code == 255
    assert "Error: standard input: [one.vn.allocate] BRIDGE is missing" in result.stderr


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["delete", "private"], ("one.vn.delete", 0)),
        (["hold", "0", "10.0.0.1"], ("one.vn.hold", 0, 'LEASES=[IP="10.0.0.1"]')),
        (["hold", "0", "02:00:0a:00:00:01"], ("one.vn.hold", 0, 'LEASES=[MAC="02:00:0a:00:00:01"]')),
        (["release", "0", "10.0.0.1,fd00::1"], ("one.vn.release", 0, TWO_LEASES)),
        (
            ["addar", "0", "--ip", "10.1.0.1", "-s", "9"],
            ("one.vn.add_ar", 0, IP4_RANGE),
        ),
        (["addar", "0", "--ip6-ula", "fd00::", "-s", "9"], ("one.vn.add_ar", 0, IP6_RANGE)),
        (["addar", "0", "--size", "9"], ("one.vn.add_ar", 0, 'AR=[TYPE="ETHER", SIZE="9"]')),
        (["updatear", "0", "1", "--size", "9"], ("one.vn.update_ar", 0, 'AR=[AR_ID="1", SIZE="9"]')),
        (["rmar", "private", "1"], ("one.vn.rm_ar", 0, 1, False)),
        (["rmar", "private", "1", "--force"], ("one.vn.rm_ar", 0, 1, True)),
        (["addleases", "0", "10.2.0.1"], ("one.vn.add_ar", 0, 'AR=[TYPE="IP4", SIZE="1", IP="10.2.0.1"]')),
        (["rmleases", "0", "10.0.9.9"], ("one.vn.rm_ar", 0, 3, False)),
        (["free", "0", "1"], ("one.vn.free_ar", 0, 1)),
        (["reserve", "0", "private", "-s", "4"], ("one.vn.reserve", 0, 'SIZE="4"\nNETWORK_ID="0"')),
        (["lock", "0", "--manage"], ("one.vn.lock", 0, 2, False)),
        (["unlock", "private"], ("one.vn.unlock", 0)),
        (
            ["addar", "0", "--ip6", "2001:db8::1", "--prefix-length", "64", "-s", "9"],
            ("one.vn.add_ar", 0, 'AR=[TYPE="IP6_STATIC", IP6="2001:db8::1", PREFIX_LENGTH="64", SIZE="9"]'),
        ),
        (["chmod", "0", "644"], ("one.vn.chmod", 0, 1, 1, 0, 1, 0, 0, 1, 0, 0)),
    ],
)
def test_a_command_is_one_call(fake, type_in, words, call):
    fake.answers(call[0], 0)
    result = type_in("onevnet", *words)
    assert (result.exit_code, result.output) == (0, "")
    assert fake.calls[-1] == call


def test_a_range_comes_from_a_file(fake, type_in):
    fake.answers("one.vn.add_ar", 0)
    type_in("onevnet", "addar", "private", "-", stdin="AR=[SIZE=4]")
    assert fake.called("one.vn.add_ar") == [[0, "AR=[SIZE=4]"]]


def test_a_reservation_tells_its_id(fake, type_in):
    fake.answers("one.vn.reserve", 12)
    words = ["-n", "mine", "-s", "8", "-a", "0", "-i", "10.0.0.9"]
    result = type_in("onevnet", "reserve", "private", *words)
    assert (result.exit_code, result.stdout) == (0, "ID: 12\n")
    assert fake.calls[-1] == ("one.vn.reserve", 0, 'SIZE="8"\nNAME="mine"\nAR_ID="0"\nIP="10.0.0.9"')


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["reserve", "0", "-n", "mine"], "how many addresses shall be reserved?"),
        (["reserve", "0", "-s", "4"], "what shall the reservation be called?"),
        (["reserve", "0", "-s", "4", "-n", 'a"b'], "leave out quotes"),
        (["free", "0", "first"], "first is not the number of a range"),
        (["addar", "0"], "nothing is said about the range"),
        (["addar", "0", "--ip", "10.1.0.1"], "how many addresses"),
        (["addar", "0", "--size", "1", "--ip", '1"'], "leave out quotes"),
        (["rmar", "0", "first"], "first is not the number of a range"),
        (["rmleases", "0", "10.0.0.1"], "onevnet hold 0 10.0.0.1"),
        (["delete", "lan"], "Virtual networks named lan not found."),
        (["publish", "0"], "onevnet chmod NETWORK 644"),
    ],
)
def test_what_cannot_be_is_told_before_the_engine_is_asked_to_do_it(fake, type_in, words, told):
    result = type_in("onevnet", *words)
    assert result.exit_code == 255
    assert told in result.stderr


def test_the_columns_of_today_and_of_2009(type_in):
    header, line = type_in("onevnet", "list").stdout.splitlines()
    assert " ".join(header.split()) == "ID USER GROUP NAME CLUSTERS BRIDGE STATE LEASES OUTDATED ERROR"
    assert line.split() == ["0", "oneadmin", "oneadmin", "private", "0", "br0", "rdy", "2", "0", "0"]
    classic = type_in("onevnet", "list", "-l", "NID,NAME,TYPE,SIZE,BRIDGE", "--no-header").stdout
    assert classic.split() == ["0", "private", "RANGED", "251", "br0"]


def test_show_tells_who_has_which_address(fake, type_in):
    taken = "<LEASE><IP>10.0.0.1</IP><MAC>02:00:0a:00:00:01</MAC><VM>7</VM></LEASE>"
    held = "<LEASE><IP>10.0.0.2</IP><MAC>02:00:0a:00:00:02</MAC><VM>-1</VM></LEASE>"
    reserved = "<LEASE><IP>10.0.0.3</IP><MAC>02:00:0a:00:00:03</MAC><VNET>5</VNET></LEASE>"
    fake.networks[0] = network_xml(0, leases=taken + held + reserved)
    lines = [line.split() for line in type_in("onevnet", "show", "private").stdout.splitlines()]
    assert ["0", "VM", "7", "10.0.0.1", "02:00:0a:00:00:01"] in lines
    assert ["0", "held", "10.0.0.2", "02:00:0a:00:00:02"] in lines
    assert ["0", "network", "5", "10.0.0.3", "02:00:0a:00:00:03"] in lines
    assert ["IP", ":", "10.0.0.1", "…", "10.0.0.250"] in lines
