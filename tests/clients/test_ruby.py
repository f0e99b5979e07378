"""The XML-RPC library of Ruby, on which the Ruby tools and their bindings stand, unmodified from its package."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.tools import Tools
from tests.system.home import Api
from trifid.wire.elements import iter_elements

SCRIPT = Path(__file__).parent / "ruby" / "calls.rb"


class Ruby:
    """Makes calls through Ruby's library."""

    def __init__(self, tools: Tools) -> None:
        found = shutil.which("ruby")
        assert found, "ruby is missing: run tools/packages clients, as make test does"
        self._argv = [found, str(SCRIPT)]
        self._environment = tools.environment

    def __call__(self, *calls: list[Any]) -> list[Any]:
        """Make calls one after the other, and return what Ruby made of each answer."""
        done = subprocess.run(
            self._argv,
            input=json.dumps(calls),
            capture_output=True,
            text=True,
            env=self._environment,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        answers: list[Any] = json.loads(done.stdout)
        return answers


@pytest.fixture(scope="module")
def ruby(tools: Tools) -> Ruby:
    """The library, pointed at the engine."""
    return Ruby(tools)


def test_answers_errors_and_faults_arrive_as_ruby_expects_them(ruby: Ruby) -> None:
    version, refused, fault, unknown = ruby(
        ["one.system.version"], ["one.vm.info", 999, False], ["one.vm.info", "999"], ["one.no.such"]
    )
    assert version == [True, "7.4.0", 0]
    assert refused == [False, "[one.vm.info] Error getting virtual machine [999].", 1024, 999, -1]
    assert fault["fault"] == -501
    assert unknown["fault"] == -506


def test_a_vm_is_made_listed_changed_and_ended(ruby: Ruby, api: Api) -> None:
    host_id = api.monitored_host("node1")
    text = 'NAME = "grüße"\nCPU = 0.5\nMEMORY = 64\nNOTE = "a & b < c > d \' \\" ü"'
    ((made, template_id, _),) = ruby(["one.template.allocate", text])
    assert made
    instantiate = ["one.template.instantiate", template_id, "", True, "", False]
    ((made, vm_id, _),) = ruby(instantiate)
    assert made
    assert ruby(["one.vm.deploy", vm_id, host_id, False, -1, ""])[0] == [True, vm_id, 0]
    api.until_state(vm_id, "RUNNING")
    listed, shown, renamed, updated = ruby(
        ["one.vmpool.info", -2, 0, -200, -1, ""],
        ["one.vm.info", vm_id, False],
        ["one.vm.rename", vm_id, "web"],
        ["one.vm.update", vm_id, "EXTRA = yes", 1],
    )
    assert [vm["ID"] for vm in iter_elements(listed[1], "VM")] == [str(vm_id)]
    (vm,) = iter_elements(f"<P>{shown[1]}</P>", "VM")
    assert vm["NAME"] == f"grüße-{vm_id}"
    assert vm["USER_TEMPLATE"]["NOTE"] == "a & b < c > d ' \" ü"
    assert [renamed, updated] == [[True, vm_id, 0]] * 2
    assert ruby(["one.vm.action", "terminate-hard", vm_id])[0] == [True, vm_id, 0]
    api.until_state(vm_id, "DONE")


def test_every_pool_is_read_in_pages_as_the_ruby_tools_do(ruby: Ruby) -> None:
    names = ("vm", "image", "template", "vn", "secgroup", "vmgroup", "vntemplate", "vrouter", "marketapp", "backupjob")
    pages = ruby(*([f"one.{name}pool.info", -2, 0, -200, -1, ""] for name in names))
    assert [page[0] for page in pages] == [True] * len(names)
    plain = ("host", "cluster", "datastore", "user", "group", "zone", "vdc", "hook", "market")
    assert [answer[0] for answer in ruby(*([f"one.{name}pool.info"] for name in plain))] == [True] * len(plain)
    assert ruby(["one.documentpool.info", -2, 0, -200, 100, ""], ["one.acl.info"])[1][0]
