#!/usr/bin/env python3
"""A scheduler of its own: puts every waiting VM on the host with most free memory.

It speaks the public API with Python's standard library, and needs nothing of Trifid.  Switch the built-in scheduler
off ([scheduler] enabled = false in trifid.toml), then

    roomiest.py http://localhost:2633/RPC2 /srv/trifid/one_auth
"""

import json
import sys
import xml.etree.ElementTree as ET
import xmlrpc.client
from pathlib import Path

ALL, MINE_OR_NOT, PENDING, MONITORED = -1, -2, 1, "2"

if len(sys.argv) != 3:
    sys.exit("usage: roomiest.py ENDPOINT AUTH_FILE")
server = xmlrpc.client.ServerProxy(sys.argv[1])
session = Path(sys.argv[2]).read_text().split()[0]


def call(method, *arguments):
    done, answer, *_ = getattr(server, method)(session, *arguments)
    if not done:
        raise RuntimeError(answer)
    return answer


def number(element, path):
    return float(element.findtext(path) or 0)


def room(host):
    """Free CPU in cores and memory in MiB, as promised to VMs."""
    cpu = (number(host, "HOST_SHARE/MAX_CPU") - number(host, "HOST_SHARE/CPU_USAGE")) / 100
    return [cpu, (number(host, "HOST_SHARE/MAX_MEM") - number(host, "HOST_SHARE/MEM_USAGE")) / 1024]


def place_all():
    pool = ET.fromstring(call("one.hostpool.info"))
    free = {int(host.findtext("ID")): room(host) for host in pool if host.findtext("STATE") == MONITORED}
    for vm in ET.fromstring(call("one.vmpool.info", MINE_OR_NOT, ALL, ALL, PENDING)):
        cpu, memory = number(vm, "TEMPLATE/CPU"), number(vm, "TEMPLATE/MEMORY")
        fitting = [one for one, (free_cpu, free_memory) in free.items() if cpu <= free_cpu and memory <= free_memory]
        if fitting:
            host = max(fitting, key=lambda one: free[one][1])
            try:
                call("trifid.vm.place", int(vm.findtext("ID")), host)
            except RuntimeError as refused:  # somebody was faster: it is looked at again
                print(f"VM {vm.findtext('ID')}: {refused}", flush=True)
            free[host] = [free[host][0] - cpu, free[host][1] - memory]


seen = json.loads(call("trifid.event.list", -1))["last"]
while True:
    place_all()
    seen = json.loads(call("trifid.event.list", seen, 30))["last"]  # waits for news, 30 s at most
