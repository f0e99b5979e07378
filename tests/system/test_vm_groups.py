"""VM groups of a real engine: what the manual types, and that rules are kept."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.system.home import Api, Home
from trifid.core.template.scanner import parse
from trifid.core.vm_group.define import defined
from trifid.core.vm_group.record import VmGroup
from trifid.wire.elements import one_element, several

PAGE = Path(__file__).parents[2] / "docs" / "vm-groups.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def typed() -> list[str]:
    """Return the command lines that the manual shows."""
    blocks = [text for language, text in FENCE.findall(PAGE.read_text(encoding="utf-8")) if language == "console"]
    return [line.removeprefix("$ ") for text in blocks for line in text.splitlines()]


def test_the_groups_that_the_manual_shows_are_accepted() -> None:
    found = [text for language, text in FENCE.findall(PAGE.read_text(encoding="utf-8")) if language == "template"]
    groups = [template for template in map(parse, found) if "ROLE" in template]
    assert len(groups) == 2
    for template in groups:
        defined(VmGroup(0, 0, 0, "x"), template.without("NAME"))


@pytest.mark.timeout(180)
def test_what_the_manual_types_works_and_what_it_says_is_refused(home: Home, api: Api, tmp_path: Path) -> None:
    for name in ("node1", "node2"):
        api.monitored_host(name)
    for command in typed():
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=home.environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        if command == "onevm deploy --enforce web-1 node1":
            refused = home.run("onevm", "deploy", "--enforce", "web-2", "node1", status=None)
            told = " ".join(
                PAGE.read_text(encoding="utf-8").partition("is refused:\n\n```\n")[2].partition("\n```")[0].split()
            )
            assert (refused.returncode, told in refused.stderr) == (255, True), refused.stderr
    group = one_element(api.call("one.vmgroup.info", 0), "VM_GROUP")
    assert {role["NAME"]: role.get("VMS") for role in several(group["ROLES"]["ROLE"])} == {
        "web": "0,1",
        "db": "2",
        "cache": None,
    }
    for host in ("node1", "node2"):
        assert "apart from role web" in home.run("onevm", "deploy", "--enforce", "db-1", host, status=None).stderr
    home.stop()
    home.start()
    assert one_element(Api(home).call("one.vmgroup.info", 0), "VM_GROUP") == group
