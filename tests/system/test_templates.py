"""VM templates of a real engine: the page about them can be followed, and pyone binds their documents."""

import subprocess
import sys
from pathlib import Path

import pyone

from tests.system.home import Api, Home
from tests.test_docs import DOCS, fenced

PAGE = DOCS / "vm-templates.md"
COMMAND = f"{sys.executable} -m trifid.cli.template "


def test_the_page_about_templates_can_be_followed(home: Home, api: Api, tmp_path: Path) -> None:
    (text,) = fenced(PAGE, "template")
    (tmp_path / "web.tmpl").write_text(text)
    typed = [line[2:] for block in fenced(PAGE, "console") for line in block.splitlines() if line.startswith("$ ")]
    assert len(typed) > 5
    for line in typed:
        done = subprocess.run(
            ["sh", "-c", line.replace("onetemplate ", COMMAND, 1)],
            cwd=tmp_path,
            env=home.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    front, first, second, mine = (api.vm(vm_id) for vm_id in range(4))
    assert [vm["NAME"] for vm in (front, first, second, mine)] == ["front", "db-0", "db-1", "mine"]
    assert front["TEMPLATE"]["CONTEXT"]["ROLE"] == "web"
    assert second["TEMPLATE"]["MEMORY"] == "512"
    assert second["USER_TEMPLATE"]["NOTE"] == "three, no: two"
    assert api.state(1) == "HOLD"


def test_pyone_keeps_and_uses_templates(home: Home, api: Api) -> None:
    session = (home.path / "one_auth").read_text().strip()
    one = pyone.OneServer(f"http://127.0.0.1:{home.port}/RPC2", session=session)
    template_id = one.template.allocate({"TEMPLATE": {"NAME": "web", "CPU": "1", "MEMORY": "64", "NOTE": "a <b> & c"}})
    kept = one.template.info(template_id)
    assert (kept.NAME, kept.UNAME, kept.TEMPLATE["NOTE"]) == ("web", "oneadmin", "a <b> & c")
    assert kept.REGTIME > 0
    one.template.update(template_id, {"TEMPLATE": {"VCPU": "2"}}, 1)
    one.template.chmod(template_id, 1, 1, 0, 1, 0, 0, 0, 0, 0)
    assert one.template.info(template_id, True).PERMISSIONS.GROUP_U == 1
    copy_id = one.template.clone(template_id, "copy")
    assert [one_of.ID for one_of in one.templatepool.info(-2, -1, -1).VMTEMPLATE] == [copy_id, template_id]
    vm_id = one.template.instantiate(template_id, "", True, "MEMORY = 32", False)
    vm = one.vm.info(vm_id)
    assert (vm.NAME, vm.TEMPLATE["TEMPLATE_ID"]) == (f"web-{vm_id}", str(template_id))
    assert (vm.TEMPLATE["MEMORY"], vm.TEMPLATE["VCPU"], vm.TEMPLATE["CPU"]) == ("32", "2", "1")
    one.template.lock(template_id, 4)
    assert one.template.info(template_id).LOCK.LOCKED == 1
    one.template.unlock(template_id)
    assert one.template.delete(template_id) == template_id
