#!/usr/bin/env python3
"""A program that decides for the scheduler: the host with fewest VMs takes the next one, the largest VM goes first.

In trifid.toml:

    [scheduler.executable]
    command = ["/path/to/fewest.py"]
"""

import json
import sys

problem = json.load(sys.stdin)
hosts = {host["id"]: host for host in problem["hosts"]}
vms = {vm["id"]: vm for vm in problem["vms"]}
may = {vm: one["hosts"] for one in problem["candidates"] for vm in one["vms"]}
answer = {"placements": [], "refusals": {}}

for vm in sorted(vms.values(), key=lambda vm: (-vm["memory_mib"], vm["id"])):
    memory_kib = vm["memory_mib"] * 1024
    fitting = [
        hosts[host]
        for host in may[vm["id"]]
        if vm["cpu_percent"] <= hosts[host]["free_cpu_percent"] and memory_kib <= hosts[host]["free_memory_kib"]
    ]
    if not fitting:
        answer["refusals"][vm["id"]] = f"no room on any of {len(may[vm['id']])} hosts that would do"
        continue
    host = min(fitting, key=lambda host: host["running_vms"])
    host["free_cpu_percent"] -= vm["cpu_percent"]
    host["free_memory_kib"] -= memory_kib
    host["running_vms"] += 1
    answer["placements"].append({"vm": vm["id"], "host": host["id"]})

json.dump(answer, sys.stdout)
