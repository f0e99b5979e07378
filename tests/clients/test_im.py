"""IM, the Infrastructure Manager of elastic clusters: its connector, unmodified, which writes its own XML-RPC."""

import json
from pathlib import Path

import pyone

from tests.clients.tools import Tools
from tests.system.home import Api, Home

SCRIPT = Path(__file__).parent / "im" / "life.py"


def test_a_vm_is_launched_seen_stopped_started_changed_and_removed(
    tools: Tools, home: Home, one: pyone.OneServer, api: Api
) -> None:
    api.monitored_host("node1")
    one.vn.allocate("NAME = private\nVN_MAD = dummy\nBRIDGE = br0\nAR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 20 ]", -1)
    image_id = one.image.allocate("NAME = disk\nTYPE = OS\nSIZE = 16\nPATH = /dev/null", 1)
    api.until(lambda: one.image.info(image_id).STATE == 1, "the image is READY")
    done = tools.run("python", str(SCRIPT), "127.0.0.1", str(home.port), str(image_id))
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["version"] == "7.4.0"
    assert seen["networks"] == [["private", "0", False]]
    assert (seen["ip"], seen["memory"]) == ("10.0.0.1", 128)
    assert seen["sizes"][1] == 8
    api.until_state(seen["id"], "DONE")
    vm = one.vm.info(seen["id"])
    assert (vm.TEMPLATE["MEMORY"], vm.TEMPLATE["VCPU"]) == ("256", "2")
    assert [group.NAME for group in one.secgrouppool.info(-2, -1, -1).SECURITY_GROUP] == ["default"]
