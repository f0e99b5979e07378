"""`one` of opennebula-cli, another project's commands, unmodified from PyPI: by pyone and by its own XML-RPC."""

import json
from typing import Any

import pyone
import pytest

from tests.clients.tools import Tools
from tests.system.home import Api


@pytest.fixture(scope="module", autouse=True)
def template_id(one: pyone.OneServer, api: Api) -> int:
    """The id of a template with a NIC; a host and a network are there as well."""
    api.monitored_host("node1")
    one.vn.allocate("NAME = private\nVN_MAD = dummy\nBRIDGE = br0\nAR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 20 ]", -1)
    made: int = one.template.allocate("NAME = tiny\nCPU = 0.1\nMEMORY = 64\nNIC = [ NETWORK = private ]")
    return made


def said(tools: Tools, *words: str) -> Any:
    """Return what a command prints as JSON."""
    return json.loads(tools.run("one", "--output", "json", *words).stdout)


def test_it_finds_the_engine_in_good_health(tools: Tools) -> None:
    assert said(tools, "doctor")["healthy"] is True
    assert "one.vm.vmgroupadd" in said(tools, "capabilities")["capabilities"]


def test_a_vm_goes_through_its_states(tools: Tools, one: pyone.OneServer, api: Api, template_id: int) -> None:
    made = said(tools, "template", "instantiate", str(template_id), "--name", "web")
    vm_id = str(made["id"])
    wait = ("vm", "wait", vm_id, "--no-progress", "--timeout", "60", "--poll-interval", "0.2", "--state")
    assert tools.run("one", *wait, "ACTIVE", "--lcm-state", "RUNNING")
    shown = said(tools, "vm", "show", vm_id)
    assert (shown["name"], shown["ips"], shown["lcm_state"]) == ("web", ["10.0.0.1"], "RUNNING")
    said(tools, "vm", "poweroff", vm_id)
    assert tools.run("one", *wait, "POWEROFF")
    said(tools, "vm", "rename", vm_id, "db")
    said(tools, "vm", "resume", vm_id)
    api.until_state(int(vm_id), "RUNNING")
    assert one.vm.info(int(vm_id)).NAME == "db"
    said(tools, "vm", "terminate", vm_id)
    api.until_state(int(vm_id), "DONE")


@pytest.mark.parametrize("kind", ["host", "vnet", "cluster", "datastore", "template", "user", "group", "acl"])
def test_its_own_xml_rpc_reads_what_pyone_reads(tools: Tools, kind: str) -> None:
    by_pyone, by_itself = (said(tools, "--backend", backend, kind, "list") for backend in ("pyone", "raw"))
    assert [found["id"] for found in by_pyone] == [found["id"] for found in by_itself] != []


def test_any_method_can_be_called_with_json(tools: Tools) -> None:
    call = ("raw", "call", "one.host.info", "--i-understand-this-is-unsafe", "--json-args-text")
    assert "node1" in json.dumps(said(tools, *call, "[0]"))
    assert said(tools, *call, "[99]")["result"][1:3] == ["[one.host.info] Error getting host [99].", 1024]
