"""Takes a VM through its life with the OpenNebula connector of IM, and prints what it saw as JSON.

Run by the Python of build/clients:  ONE_USERNAME=… ONE_PASSWORD=… life.py HOST PORT IMAGE_ID
"""

import json
import logging
import os
import sys
import threading
import time
from types import SimpleNamespace

from IM.auth import Authentication
from IM.CloudInfo import CloudInfo
from IM.config import Config
from IM.connectors.OpenNebula import OpenNebulaCloudConnector
from IM.VirtualMachine import VirtualMachine
from radl import radl_parse

RADL = """
network net (outports = '8080/tcp,9000:9010/udp')
system front (
cpu.arch='x86_64' and cpu.count=1 and memory.size=128m and
net_interface.0.connection = 'net' and
disk.0.image.url = 'one://{host}/{image}' and
disk.0.os.name = 'linux' and
disk.0.os.credentials.username = 'root' and
disk.0.os.credentials.password = 'a-password' and
disk.1.size = 8m and disk.1.device = 'vdb'
)
"""


class Infrastructure:
    """What the connector asks of the infrastructure that it works for; IM's own needs a web server's packages."""

    def __init__(self, radl, auth):
        self.id, self.radl, self.auth, self._lock = "tests", radl, auth, threading.Lock()
        self.vms, self.snapshots = [], []

    def add_vm(self, vm):
        """Take a VM in."""
        vm.im_id = len(self.vms)
        self.vms.append(vm)


def until(connector, vm, auth, state, seconds=60.0):
    """Wait until the connector sees the VM in a state."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, told = connector.updateVMInfo(vm, auth)
        assert done, told
        if vm.state == state:
            return
        time.sleep(0.2)
    raise SystemExit(f"VM {vm.id} is {vm.state}, not {state}")


def main():
    host, port, image = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    # the connector looks for the address of IM's own web server, which does not run here
    no_server = SimpleNamespace(RESTServer=SimpleNamespace(REST_URL=None))
    sys.modules["IM.rest"] = sys.modules["IM.rest.REST"] = no_server
    Config.SSH_REVERSE_TUNNELS = False
    cloud = CloudInfo()
    cloud.type, cloud.protocol, cloud.server, cloud.port = "OpenNebula", "http", host, int(port)
    who = {"username": os.environ["ONE_USERNAME"], "password": os.environ["ONE_PASSWORD"]}
    auth = Authentication([{"id": "one", "type": "OpenNebula", "host": f"{host}:{port}", **who}])
    radl = radl_parse.parse_radl(RADL.format(host=host, image=image))
    radl.check()
    inf = Infrastructure(radl, auth)
    connector = OpenNebulaCloudConnector(cloud, inf)
    seen = {"version": connector.getONEVersion(auth), "networks": connector.getONENetworks(auth)}
    ((done, vm),) = connector.launch(inf, radl, radl, 1, auth)
    assert done, vm
    seen["id"] = int(vm.id)
    until(connector, vm, auth, VirtualMachine.RUNNING)
    system = vm.info.systems[0]
    seen["ip"] = system.getValue("net_interface.0.ip")
    seen["sizes"] = [system.getFeature(f"disk.{number}.size").getValue("M") for number in (0, 1)]
    seen["memory"] = system.getFeature("memory.size").getValue("M")
    for act, state in ((connector.stop, VirtualMachine.STOPPED), (connector.start, VirtualMachine.RUNNING)):
        done, told = act(vm, auth)
        assert done, told
        until(connector, vm, auth, state)
    seen["quotas"] = connector.get_quotas(auth) if hasattr(connector, "get_quotas") else None
    larger = radl_parse.parse_radl("system front ( cpu.count=2 and memory.size=256m )")
    done, told = connector.alterVM(vm, larger, auth)
    assert done, told
    until(connector, vm, auth, VirtualMachine.RUNNING)
    done, told = connector.finalize(vm, True, auth)
    assert done, told
    print(json.dumps(seen))


main()
