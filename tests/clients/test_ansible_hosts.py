"""Ansible's one_host, unmodified from community.general: create, converge, change, remove."""

import pyone
import pytest

from tests.clients.tools import Tools
from tests.system.home import Api

pytestmark = pytest.mark.timeout(300)  # Ansible starts a process for each task


def test_one_host_creates_converges_changes_and_removes(tools: Tools, one: pyone.OneServer, api: Api) -> None:
    api.monitored_host("first")  # the module takes a host with id 0 for a failure
    one.cluster.allocate("racks")
    tools.converges("hosts.yml", "create")
    (host,) = [host for host in one.hostpool.info().HOST if host.NAME == "node1"]
    assert (host.STATE, host.IM_MAD, host.VM_MAD, host.CLUSTER) == (2, "dummy", "dummy", "default")
    kept = {"LABELS": "gold, ssd", "RACK": "12", "POWER": "500"}
    assert kept.items() <= host.TEMPLATE.items()

    tools.converges("hosts.yml", "change")
    host = one.host.info(host.ID)
    assert ({**kept, "LABELS": "silver", "RACK": "13"}).items() <= host.TEMPLATE.items()
    assert host.CLUSTER == "racks"

    for tag, state in (("disable", 4), ("offline", 8), ("enable", 2)):
        tools.converges("hosts.yml", tag)
        assert state == one.host.info(host.ID).STATE

    tools.converges("hosts.yml", "remove")
    assert [host.NAME for host in one.hostpool.info().HOST] == ["first"]
