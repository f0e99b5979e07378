"""Attributes of a machine that must go together are refused when a VM is submitted."""

import pytest

from trifid.core.template.hardware import topology_of
from trifid.core.template.model import Value, template
from trifid.core.template.prepare import prepare
from trifid.errors import BadTemplate

SMALL = {"CPU": "1", "MEMORY": "64"}


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"GRAPHICS": {"TYPE": "VNC", "PASSWD": "123456789"}}, "GRAPHICS: PASSWD for VNC has at most 8 characters"),
        ({"GRAPHICS": {"PASSWD": "123456789"}}, "GRAPHICS: PASSWD for VNC has at most 8 characters"),
        ({"CONSOLE": {"TYPE": "tcp"}}, "CONSOLE: TYPE=TCP needs a PORT of the host"),
        ({"USB": {"VENDOR": "8087"}}, "USB 0: name a device by VENDOR and PRODUCT"),
        ({"USB": {"VENDOR": "8087", "PRODUCT": "1", "BUS": "1"}}, "USB 0: name a device by VENDOR and PRODUCT"),
        ({"USB": [{"BUS": "1", "DEVICE": "2"}, {}]}, "USB 1: name a device by VENDOR and PRODUCT"),
        ({"VCPU": "3", "TOPOLOGY": {"SOCKETS": "2"}}, "2 SOCKETS of 1 CORES of 1 THREADS are 2 CPUs, and the VM has 3"),
        ({"VCPU": "2", "VCPU_MAX": "4", "TOPOLOGY": {"CORES": "2", "SOCKETS": "1"}}, "are 2 CPUs, and the VM has 4"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(attributes: dict[str, Value], said: str) -> None:
    with pytest.raises(BadTemplate) as refused:
        prepare(template(SMALL, **attributes))
    assert said in refused.value.message


@pytest.mark.parametrize(
    "attributes",
    [
        {"GRAPHICS": {"TYPE": "VNC", "PASSWD": "12345678"}},
        {"GRAPHICS": {"TYPE": "SPICE", "PASSWD": "1234567890123456"}},
        {"CONSOLE": {"TYPE": "UNIX"}},
        {"CONSOLE": {"TYPE": "TCP", "PORT": "4000"}},
        {"USB": {"VENDOR": "8087", "PRODUCT": "1"}},
        {"USB": {"BUS": "1", "DEVICE": "2"}},
        {"VCPU": "4", "TOPOLOGY": {"CORES": "2", "PIN_POLICY": "CORE"}},
    ],
)
def test_what_goes_together_is_taken(attributes: dict[str, Value]) -> None:
    prepare(template(SMALL, **attributes))


@pytest.mark.parametrize(
    ("topology", "cpus", "found"),
    [
        ({}, 4, None),
        ({"PIN_POLICY": "CORE"}, 4, None),
        ({"CORES": "2"}, 4, (2, 2, 1)),
        ({"SOCKETS": "2"}, 4, (2, 2, 1)),
        ({"THREADS": "2"}, 4, (2, 1, 2)),
        ({"SOCKETS": "1", "THREADS": "2"}, 8, (1, 4, 2)),
        ({"SOCKETS": "2", "CORES": "2", "THREADS": "2"}, 8, (2, 2, 2)),
    ],
)
def test_what_a_topology_leaves_out_follows_from_the_processors(
    topology: dict[str, str], cpus: int, found: tuple[int, int, int] | None
) -> None:
    assert topology_of(topology, cpus) == found
