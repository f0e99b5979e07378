"""How fast the scheduler is: many VMs at once, one VM on an idle engine, and decisions alone."""

import json
import os
import random
import signal
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from bench.common import Figures, cpu_s, wall_s
from tests.system.home import Api, Home, engine
from trifid.placement.place import place
from trifid.placement.reading import hosts
from trifid.placement.synthetic import synthetic
from trifid.scheduler.look import Looks

TEMPLATE = 'NAME=vm{n}\nCPU=0.1\nMEMORY=64\nDISK=[SOURCE="/images/etch.img",TARGET=sda]'
RUNNING = "<STATE>3</STATE><LCM_STATE>3</LCM_STATE>"
STATE_ACTIVE = 3
SEED, PLANS = 6, 3
REST_S = 2.0
PAUSE_S_MAX = 0.3
"""Longest pause between two submissions of which each is to find an idle engine."""


def measure(directory: Path, quick: bool) -> Figures:
    """Return the figures of many VMs, of single ones, and of decisions alone."""
    figures: Figures = {}
    with engine(directory / "many") as home:
        figures["many"] = many(home, 200 if quick else 1000, 20 if quick else 100)
    with engine(directory / "single") as home:
        figures["submission_to_dispatch"] = single(home, 20 if quick else 200, 100 if quick else 1250)
        figures["look_at_all_hosts"] = looks(home, 3 if quick else 9)
    figures["decisions"] = decisions(*((1000, 250) if quick else (10_000, 2500)))
    return figures


def many(home: Home, vms: int, host_count: int) -> Figures:
    """Let the scheduler find VMs all at once; return how long it takes until all of them run."""
    api = Api(home)
    add_hosts(api, host_count)
    scheduler = home.child("scheduler")
    time.sleep(REST_S)  # after a round it pauses as long as the round took: a round that is stopped would count
    os.kill(scheduler, signal.SIGSTOP)
    try:
        submitted_s = wall_s(lambda: [api.call("one.vm.allocate", TEMPLATE.format(n=n), False) for n in range(vms)])
        before, began = (cpu_s(home.pid), cpu_s(scheduler)), time.perf_counter()
    finally:
        os.kill(scheduler, signal.SIGCONT)
    placed_s = 0.0
    seen = running = 0
    for event in events(api):
        placed = event["kind"] == "VM" and event["new"] == "PROLOG"
        seen += placed
        placed_s = time.perf_counter() - began if placed else placed_s
        running += event["kind"] == "VM" and event["new"] == "RUNNING"
        if running == vms:
            break
    running_s = time.perf_counter() - began
    return {
        "vms": vms,
        "hosts": host_count,
        "submitted_after_s": round(submitted_s, 2),
        "placed_after_s": round(placed_s, 2),
        "running_after_s": round(running_s, 2),
        "per_s": round(vms / running_s),
        "server_cpu_ms_per_vm": round((cpu_s(home.pid) - before[0]) / vms * 1000, 2),
        "scheduler_cpu_ms_per_vm": round((cpu_s(scheduler) - before[1]) / vms * 1000, 2),
    }


def single(home: Home, vms: int, host_count: int) -> Figures:
    """Submit VMs one after another at random moments; return how long each waits for its host."""
    api = Api(home)
    add_hosts(api, host_count)
    chance = random.Random(SEED)  # noqa: S311
    waits_ms = []
    heard = events(api)
    for n in range(vms):
        time.sleep(chance.uniform(0, PAUSE_S_MAX))
        began = time.perf_counter()
        vm_id = api.call("one.vm.allocate", TEMPLATE.format(n=n), False)
        next(one for one in heard if (one["kind"], one["object_id"], one["new"]) == ("VM", vm_id, "PROLOG"))
        waits_ms.append((time.perf_counter() - began) * 1000)
    hundredths = statistics.quantiles(waits_ms, n=100, method="inclusive")
    return {"vms": vms, "hosts": host_count, **{f"p{n}_ms": round(hundredths[n - 1], 1) for n in (50, 90, 99)}}


def looks(home: Home, runs: int) -> Figures:
    """Return how long reading all hosts takes: the whole pool, and what has changed since a second ago."""
    api = Api(home)
    seen = Looks(api.client)
    seen.hosts()
    whole_s, changed_s = [], []
    for _ in range(runs):
        time.sleep(1.0)
        changed_s.append(wall_s(seen.hosts))
        whole_s.append(wall_s(lambda: hosts(api.call("one.hostpool.info"), api.call("one.clusterpool.info"))))
    medians = {"whole_ms": statistics.median(whole_s), "changed_ms": statistics.median(changed_s)}
    return {name: round(seconds * 1000, 1) for name, seconds in medians.items()}


def decisions(vms: int, host_count: int) -> Figures:
    """Return how long planning takes by the number of different expressions."""
    figures: Figures = {"vms": vms, "hosts": host_count}
    for expressions in (1, 100, vms):
        view = synthetic(SEED, host_count, vms, expressions)
        before = time.process_time()
        walls = [wall_s(lambda view=view: place(view)) for _ in range(PLANS)]
        used_s = (time.process_time() - before) / PLANS
        figures[f"{expressions}_expressions"] = {
            "wall_s": round(statistics.median(walls), 3),
            "cpu_s": round(used_s, 3),
        }
    return figures


def add_hosts(api: Api, count: int) -> None:
    """Add hosts and return when they take VMs."""
    for n in range(count):
        api.call("one.host.allocate", f"node{n}", "dummy", "dummy", -1)
    api.until(lambda: all(host["STATE"] == "2" for host in api.hosts()), "all hosts are monitored", timeout_s=300)


def events(api: Api) -> Iterator[dict]:
    """Yield what happens from now on."""
    after = json.loads(api.call("trifid.event.list", -1, 0, 1))["last"]
    while True:
        answer = json.loads(api.call("trifid.event.list", after, 30, 1000))
        after = answer["last"]
        yield from answer["events"]
