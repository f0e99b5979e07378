"""How the engine bears a large catalogue: images registered, listed, and made into VMs, with a dummy datastore."""

import functools
import itertools
import statistics
from pathlib import Path

from bench.common import Figures, command_ms, cpu_s, memory_mib, rate, wall_s
from tests.system.home import Api, Home, engine

DATASTORE_ID = 1
IMAGE = 'NAME = "image {n}"\nTYPE = OS\nPATH = "/images/etch.img"\nFORMAT = raw\nDESCRIPTION = "one of many"\n'
EMPTY = 'NAME = "empty {n}"\nTYPE = DATABLOCK\nSIZE = 64\nFS = ext4\n'
KEPT = """
NAME = "web server"
CPU = 0.1
MEMORY = 64
DISK = [ IMAGE_ID = {image_id}, TARGET = vda ]
DISK = [ TYPE = fs, FORMAT = raw, SIZE = 64, TARGET = vdb ]
CONTEXT = [ HOSTNAME = "vm$VMID", NETWORK = YES ]
DESCRIPTION = "one of many"
"""
READY = "<STATE>1</STATE>"


def measure(directory: Path, quick: bool) -> Figures:
    """Return the figures of an engine with 10,000 images; 1,000 when it has to be quick."""
    images, calls = (1_000, 300) if quick else (10_000, 2_000)
    with engine(directory / "catalogue") as home:
        figures: Figures = {"images": images}
        numbers = itertools.count()
        figures["image_allocate_first"] = rate(home, calls, 16, lambda api, n: allocate(api, IMAGE, numbers))
        rate(home, images - 2 * calls, 16, lambda api, n: allocate(api, EMPTY, numbers))
        figures["image_allocate_last"] = rate(home, calls, 16, lambda api, n: allocate(api, IMAGE, numbers))
        all_ready(home)
        figures["memory_mib"] = memory_mib(home.pid)
        figures["imagepool_info"] = listed(home, 5 if quick else 15)
        figures["oneimage_list_ms"] = command_ms(3, "oneimage", "list", env=home.environment)
        figures["image_info"] = rate(home, calls, 1, lambda api, n: api.call("one.image.info", 5))
        figures["datastorepool_info"] = rate(home, calls // 10, 1, lambda api, n: api.call("one.datastorepool.info"))
        figures["template_instantiate"] = instantiated(home, calls)
        home.stop()
        figures["start_s"] = round(wall_s(home.start), 2)
        figures["memory_mib_after_start"] = memory_mib(home.pid)
    return figures


def allocate(api: Api, template: str, numbers: "itertools.count[int]") -> int:
    """Register one more image, under a name that no other has."""
    image_id: int = api.call("one.image.allocate", template.format(n=next(numbers)), DATASTORE_ID)
    return image_id


def all_ready(home: Home) -> None:
    """Wait until no image is being made."""
    api = Api(home)

    def ready() -> bool:
        pool = api.call("one.imagepool.info", -2, -1, -1)
        return bool(pool.count(READY) == pool.count("<IMAGE>"))

    api.until(ready, "all images are READY", timeout_s=300)


def listed(home: Home, runs: int) -> Figures:
    """Return how long the whole pool takes, and a page of 100."""
    api = Api(home)
    pages = {"all": (-2, -1, -1), "page_of_100": (-2, 200, -100)}
    figures: Figures = {"bytes": len(api.call("one.imagepool.info", *pages["all"]))}
    for name, page in pages.items():
        ask = functools.partial(api.call, "one.imagepool.info", *page)
        before = cpu_s(home.pid)
        walls = [wall_s(ask) for _ in range(runs)]
        figures[f"{name}_ms"] = round(statistics.median(walls) * 1000, 1)
        figures[f"{name}_server_cpu_ms"] = round((cpu_s(home.pid) - before) / runs * 1000, 1)
    return figures


def instantiated(home: Home, calls: int) -> Figures:
    """Return how fast VMs are made of a template whose disk is an image; they wait in HOLD."""
    template_id = Api(home).call("one.template.allocate", KEPT.format(image_id=5))
    return rate(home, calls, 1, lambda api, n: api.call("one.template.instantiate", template_id, "", True, "", False))
