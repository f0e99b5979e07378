"""onezone, typed against a small engine."""

import json

import pytest

from tests.cli.fake_engine import Refusal
from trifid.client.session import endpoint_of

ENDPOINT = "http://cloud.example:2633/RPC2"


@pytest.fixture(autouse=True)
def _zones(fake):
    fake.zones[0] = (
        f"<ZONE><ID>0</ID><NAME>OpenNebula</NAME><STATE>0</STATE><TEMPLATE><ENDPOINT>{ENDPOINT}</ENDPOINT></TEMPLATE>"
        "<SERVER_POOL></SERVER_POOL></ZONE>"
    )


def test_the_list_tells_where_it_is(type_in):
    header, zone = type_in("onezone", "list").stdout.splitlines()
    assert header.split() == ["ID", "NAME", "ENDPOINT", "STAT"]
    assert zone.split() == ["0", "OpenNebula", ENDPOINT, "ENABLED"]


def test_show_tells_its_attributes(type_in):
    said = type_in("onezone", "show", "OpenNebula").stdout
    assert f'ENDPOINT="{ENDPOINT}"' in said
    assert json.loads(type_in("onezone", "show", "0", "-j").stdout)["ZONE"]["NAME"] == "OpenNebula"


def test_what_the_engine_refuses_is_told(fake, type_in):
    fake.answers("one.zone.rename", Refusal("[one.zone.rename] set zone_name in [api] of trifid.toml", 0x0800, 0))
    result = type_in("onezone", "rename", "0", "mine")
    assert (result.exit_code, "zone_name in [api]" in result.stderr) == (255, True)
    assert fake.called("one.zone.rename") == [[0, "mine"]]
    fake.answers("one.zone.enable", 0)
    type_in("onezone", "enable", "OpenNebula")
    type_in("onezone", "disable", "0")
    assert fake.called("one.zone.enable") == [[0, True], [0, False]]
    fake.answers("one.zone.update", 0)
    type_in("onezone", "update", "0", "-", stdin=f'ENDPOINT="{ENDPOINT}"')
    assert fake.called("one.zone.update") == [[0, f'ENDPOINT="{ENDPOINT}"', 0]]


def test_a_zone_that_is_set_is_where_commands_go_when_the_environment_names_none(type_in, tmp_path, monkeypatch):
    type_in("onezone", "set", "OpenNebula")
    assert (tmp_path / "user" / ".one" / "one_endpoint").read_text() == f"{ENDPOINT}\n"
    monkeypatch.setenv("ONE_XMLRPC", "http://other/RPC2")
    assert endpoint_of() == "http://other/RPC2"
    monkeypatch.delenv("ONE_XMLRPC")
    assert endpoint_of() == ENDPOINT
    monkeypatch.setenv("TRIFID_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "trifid.toml").write_text("[api]\nport = 7\n")
    assert endpoint_of() == "http://127.0.0.1:7/RPC2"


def test_it_is_forgotten_again(type_in, tmp_path, monkeypatch):
    type_in("onezone", "set", "0")
    type_in("onezone", "set", "--unset")
    monkeypatch.delenv("ONE_XMLRPC")
    assert endpoint_of() == "http://localhost:2633/RPC2"
    assert type_in("onezone", "set", "--unset").exit_code == 0


def test_set_needs_a_zone_or_unset(type_in):
    result = type_in("onezone", "set")
    assert (result.exit_code, "give --unset" in result.stderr) == (255, True)
