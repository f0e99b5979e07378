"""What clients that cannot run here put on the wire, letter by letter: the Ruby tools, goca, libraries under them.

Source: reference/api-modern.md §1, §2, §6, §7.
"""

import http.client
from collections.abc import Iterator

import pytest

from tests.clients.wire import GO, RUBY, Wire, bare, i4, i8
from tests.system.home import Api, Home
from trifid.wire.elements import iter_elements

NETWORK = "NAME = private\nVN_MAD = dummy\nBRIDGE = br0\nAR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 20 ]"
POOLS_OF_PAGES = {
    "one.vmpool.info": (),
    "one.imagepool.info": (),
    "one.templatepool.info": (),
    "one.vnpool.info": (),
    "one.secgrouppool.info": (),
    "one.vmgrouppool.info": (),
    "one.vntemplatepool.info": (),
    "one.vrouterpool.info": (),
    "one.marketapppool.info": (),
    "one.backupjobpool.info": (),
}


@pytest.fixture
def ruby(home: Home) -> Iterator[Wire]:
    """A connection that behaves as that of the Ruby tools."""
    made = Wire(home, RUBY)
    yield made
    made.close()


@pytest.fixture
def goca(home: Home) -> Iterator[Wire]:
    """A connection that behaves as that of goca."""
    made = Wire(home, GO)
    yield made
    made.close()


@pytest.fixture(scope="module", autouse=True)
def host_id(api: Api) -> int:
    """The id of a host that takes VMs; there is a network, and a template called small."""
    api.call("one.vn.allocate", NETWORK, -1)
    api.call("one.template.allocate", "NAME = small\nCPU = 0.1\nMEMORY = 64")
    return api.monitored_host("node1")


def ids(text: str, element: str) -> list[int]:
    """Return the ids of a pool's objects, in its order."""
    return [int(one["ID"]) for one in iter_elements(text, element)]


# -- the Ruby tools ------------------------------------------------------------------------------------


def test_ruby_keeps_one_connection_for_all_its_calls(ruby: Wire) -> None:
    for _ in range(3):
        assert ruby.call("one.system.version").values[1] == "7.4.0"
    assert not ruby.call("one.vm.info", i4(999), False).is_success
    assert ruby.send("one.nothing.such").fault is not None
    assert ruby.call("one.user.info", i4(-1), False).is_success
    assert ruby.is_kept


def test_ruby_always_sends_every_argument(ruby: Wire, api: Api, host_id: int) -> None:
    made = ruby.call("one.template.instantiate", i4(0), "", True, "", False)
    assert made.is_success
    vm_id = int(made.values[1])
    assert api.vm(vm_id)["NAME"] == f"small-{vm_id}"
    listed = ruby.call("one.vmpool.info", i4(-2), i4(-1), i4(-1), i4(-1), "")
    assert vm_id in ids(listed.values[1], "VM")
    assert ruby.call("one.vm.deploy", i4(vm_id), i4(host_id), False, i4(-1), "").values[1] == str(vm_id)
    api.until_state(vm_id, "RUNNING")
    assert ruby.call("one.vm.migrate", i4(vm_id), i4(host_id), False, False, i4(-1), i4(0)).values[2] == "2048"
    image = ruby.call("one.image.allocate", "NAME = data\nTYPE = DATABLOCK\nSIZE = 4", i4(1), False)
    image_id = i4(int(image.values[1]))
    api.until(lambda: ruby.call("one.image.clone", image_id, "copy", i4(-1)).is_success, "it is READY to be cloned")
    chmod = [i4(bit) for bit in (-1, -1, -1, 1, 0, 0, -1, -1, -1)]
    assert ruby.call("one.template.chmod", i4(0), *chmod, False).values[1] == "0"


def test_ruby_asks_for_every_pool_in_pages_with_a_state_and_a_query(ruby: Wire, api: Api) -> None:
    made = [int(ruby.call("one.vm.allocate", "CPU=1\nMEMORY=64", True).values[1]) for _ in range(5)]
    for method in POOLS_OF_PAGES:
        page = ruby.call(method, i4(-2), i4(0), i4(-200), i4(-1), "")
        assert page.is_success, method
    assert ruby.call("one.documentpool.info", i4(-2), i4(0), i4(-200), i4(100), "").is_success
    found: list[int] = []
    while page := ids(ruby.call("one.vmpool.info", i4(-2), i4(len(found)), i4(-2), i4(-1), "").values[1], "VM"):
        assert len(page) <= 2
        found += page
    assert found[:5] == made[::-1]
    assert len(found) == len(set(found))


def test_ruby_sends_a_boolean_or_a_number_to_pools_that_take_nothing(ruby: Wire) -> None:
    for name in ("host", "cluster", "datastore", "user", "group", "zone", "vdc", "hook", "market"):
        assert ruby.call(f"one.{name}pool.info", False).is_success, name
        assert ruby.call(f"one.{name}pool.info", i4(-1), False).is_success, name
    assert ruby.call("one.acl.info", i4(-1)).is_success


# -- goca ----------------------------------------------------------------------------------------------


def test_goca_reads_the_types_of_answers_and_of_errors(goca: Wire) -> None:
    assert goca.call("one.vm.allocate", "CPU=1\nMEMORY=64", True).types == ("boolean", "i4", "i4")
    assert goca.call("one.system.version").types == ("boolean", "string", "i4")
    refused = goca.call("one.vm.info", 999, False)
    assert refused.types == ("boolean", "string", "i4", "i4", "i8")
    assert refused.values == ("0", "[one.vm.info] Error getting virtual machine [999].", "1024", "999", "-1")


def test_goca_takes_networks_apart(goca: Wire, api: Api) -> None:
    network = int(goca.call("one.vn.allocate", 'NAME="lan"\nVN_MAD="dummy"\nBRIDGE="br2"', -1).values[1])
    ranges = 'AR=[TYPE="IP4",IP="10.1.0.1",SIZE="8"]'
    api.until(lambda: goca.call("one.vn.add_ar", network, ranges).is_success, "the network takes a range")
    assert goca.call("one.vn.update_ar", network, 'AR=[AR_ID="0",SIZE="12"]').values[1] == str(network)
    assert goca.call("one.vn.hold", network, 'LEASES=[IP="10.1.0.3"]').is_success
    assert goca.call("one.vn.release", network, 'LEASES=[IP="10.1.0.3"]').is_success
    reserved = goca.call("one.vn.reserve", network, 'SIZE="2"\nNAME="mine"\nAR_ID="0"')
    assert int(reserved.values[1]) > network
    assert goca.call("one.vn.delete", int(reserved.values[1])).is_success
    api.until(lambda: not goca.call("one.vn.info", int(reserved.values[1]), False).is_success, "it is gone")
    assert goca.call("one.vn.rm_ar", network, 0, False).is_success


def test_goca_sends_arrays_of_ids(goca: Wire) -> None:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?><methodCall><methodName>one.user.allocate</methodName><params>'
        f"<param><value><string>{goca.session}</string></value></param><param><value><string>dora</string></value>"
        "</param><param><value><string>secret</string></value></param><param><value><string>core</string></value>"
        "</param><param><value><array><data><value><int>1</int></value><value><int>0</int></value></data></array>"
        "</value></param></params></methodCall>"
    )
    made = goca.post(body.encode())
    (user,) = iter_elements(f"<P>{goca.call('one.user.info', int(made.values[1]), False).values[1]}</P>", "USER")
    assert (user["GID"], user["GROUPS"]["ID"]) == ("1", ["0", "1"])


# -- what libraries do ---------------------------------------------------------------------------------


def test_a_value_without_a_type_is_a_string_and_all_integers_are_one(ruby: Wire) -> None:
    made = ruby.call("one.template.allocate", bare('NAME=bare\nNOTE="a & b"'))
    template_id = int(made.values[1])
    for number in (template_id, i4(template_id), i8(template_id)):
        assert ruby.call("one.template.info", number).is_success
    (found,) = iter_elements(f"<P>{ruby.call('one.template.info', i8(template_id)).values[1]}</P>", "VMTEMPLATE")
    assert found["TEMPLATE"]["NOTE"] == "a & b"
    assert ruby.call("one.template.info", bare(str(template_id))).fault[0] == -501


def test_a_call_may_be_laid_out_in_lines_and_hold_cdata(ruby: Wire) -> None:
    body = f"""<?xml version="1.0" encoding="utf-8"?>
    <methodCall>
      <methodName>one.template.allocate</methodName>
      <params>
        <param>
          <value><string><![CDATA[{ruby.session}]]></string></value>
        </param>
        <param>
          <value>
            <string><![CDATA[<TEMPLATE><NAME>laid out</NAME><NOTE>1 < 2</NOTE></TEMPLATE>]]></string>
          </value>
        </param>
      </params>
    </methodCall>
    """
    refused = ruby.post(body.encode())
    assert refused.is_success is False  # what the template says is no XML
    made = ruby.post(body.replace("1 < 2", "1 &lt; 2").encode())
    assert made.is_success


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/xml", "Expect": "100-continue"},
        {"Content-Type": "text/xml", "Transfer-Encoding": "chunked"},
        {"Content-Type": "application/xml; charset=UTF-8", "User-Agent": "axios"},
        {"Content-Type": "text/xml", "Accept-Encoding": "gzip, deflate", "Connection": "close"},
    ],
    ids=["waits for leave", "sends pieces", "says application/xml", "takes gzip"],
)
def test_libraries_send_their_bodies_in_their_own_ways(home: Home, headers: dict[str, str]) -> None:
    body = (
        "<methodCall><methodName>one.system.version</methodName><params><param><value>"
        f"<string>{home.session}</string></value></param></params></methodCall>"
    ).encode()
    connection = http.client.HTTPConnection("127.0.0.1", home.port, timeout=30)
    try:
        is_chunked = "Transfer-Encoding" in headers
        connection.request("POST", "/RPC2", iter([body]) if is_chunked else body, headers, encode_chunked=is_chunked)
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Content-Encoding"]) == (200, None)
        assert b"7.4.0" in answer.read()
    finally:
        connection.close()
