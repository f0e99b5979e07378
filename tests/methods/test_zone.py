"""The one zone: what its clients read, and that its name and place are settings."""

import pytest

from tests.methods.world import ADMIN, ALICE, EVE, Refusal
from trifid.engine.config import ConfigFault, parse
from trifid.methods.zone import zone_of


@pytest.mark.parametrize(
    ("settings", "endpoint"),
    [
        ("", "http://127.0.0.1:2633/RPC2"),
        ('listen = "10.0.0.1"\nport = 80', "http://10.0.0.1:80/RPC2"),
        ('listen = "fd00::1"', "http://[fd00::1]:2633/RPC2"),
        ('listen = "0.0.0.0"', "http://front:2633/RPC2"),
        ('listen = "::"', "http://front:2633/RPC2"),
        ('endpoint = "https://cloud.example/RPC2"', "https://cloud.example/RPC2"),
    ],
)
def test_its_endpoint_is_the_one_that_is_configured_or_where_the_engine_is_reached(settings, endpoint):
    config = parse(f'[api]\n{settings}\n[engine]\nfrontend = "front"\n', "trifid.toml")
    assert zone_of(config).endpoint == endpoint


@pytest.mark.parametrize("setting", ['zone_name = ""', 'endpoint = "cloud.example"', 'endpoint = "http://a b"'])
def test_what_is_no_name_and_no_url_is_refused_at_the_start(setting):
    with pytest.raises(ConfigFault, match=setting.partition(" ")[0]):
        parse(f"[api]\n{setting}\n", "trifid.toml")


async def test_everybody_reads_it_and_that_its_server_is_alone(world):
    zone = await world.ask(EVE, "one.zone.info", 0, False)
    assert "<ENDPOINT><![CDATA[http://127.0.0.1:2633/RPC2]]></ENDPOINT>" in zone
    assert zone in await world.ask(EVE, "one.zonepool.info")
    status = await world.ask(EVE, "one.zone.raftstatus")
    assert "<SERVER_ID>-1</SERVER_ID><STATE>0</STATE>" in status
    assert await world.code(EVE, "one.zone.info", 1) == 0x0400


async def test_what_it_has_already_is_taken_and_anything_else_is_a_setting(world):
    endpoint = "http://127.0.0.1:2633/RPC2"
    assert await world.ask(ADMIN, "one.zone.rename", 0, "OpenNebula") == 0
    assert await world.ask(ADMIN, "one.zone.update", 0, f'ENDPOINT="{endpoint}"', 0) == 0
    assert await world.ask(ADMIN, "one.zone.enable", 0, True) == 0
    for method, arguments, said in (
        ("rename", ("mine",), "zone_name in"),
        ("update", ("ENDPOINT=http://elsewhere", 1), "endpoint in"),
        ("update", ("X=1", 1), "X of zone OpenNebula"),
        ("enable", (False,), "cannot be disabled"),
    ):
        with pytest.raises(Refusal, match=said) as refusal:
            await world.ask(ADMIN, f"one.zone.{method}", 0, *arguments)
        assert refusal.value.code == 0x0800
    assert await world.code(ADMIN, "one.zone.update", 0, "X=1", 2) == 0x1000
    for method, arguments in (("rename", ("mine",)), ("update", ("X=1",)), ("enable", (True,))):
        assert await world.code(ALICE, f"one.zone.{method}", 0, *arguments) == 0x0200
        assert await world.code(ADMIN, f"one.zone.{method}", 7, *arguments) == 0x0400
