"""`--wait` of everything that is no VM: until it is done, with the reason when it ended badly."""

import io
import json

import pytest

from tests.cli.fake_engine import Refusal, host_xml, image_xml, network_xml, vm_xml
from trifid.cli.settle import Progress
from trifid.cli.shell import Shell


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(Shell, "clock", lambda self: now[0])
    monkeypatch.setattr(Shell, "sleep", lambda self, seconds: now.__setitem__(0, now[0] + seconds))


CREATE = ["create", "h", "--im", "kvm", "--vm", "kvm", "--wait"]


def test_a_host_is_waited_for_until_it_was_looked_at(fake, type_in):
    fake.answers("one.host.allocate", 3)
    fake.answers("one.host.info", host_xml(3, state=0), host_xml(3, state=0), host_xml(3, state=2))
    assert type_in("onehost", *CREATE).exit_code == 0
    assert len(fake.called("one.host.info")) == 3


def test_a_host_that_cannot_be_looked_at_is_told_with_the_reason(fake, type_in):
    fake.answers("one.host.allocate", 3)
    fake.answers("one.host.info", host_xml(3, state=0), host_xml(3, state=3, ERROR="no route to it"))
    result = type_in("onehost", *CREATE, "-j")
    assert result.exit_code == 255
    assert json.loads(result.stderr)["error"] == "host 3: no route to it"
    assert json.loads(result.stdout)["objects"] == [{"kind": "HOST", "id": 3, "state": "ERROR"}]


def test_without_wait_nothing_is_looked_at(fake, type_in):
    fake.answers("one.host.allocate", 3)
    assert type_in("onehost", *CREATE[:-1]).exit_code == 0
    assert not fake.called("one.host.info")


def test_an_end_of_waiting_tells_what_is_being_done(fake, type_in):
    fake.answers("one.host.status", 3)
    fake.answers("one.host.info", host_xml(3, state=0))
    result = type_in("onehost", "enable", "3", "--wait", "--timeout", "2")
    assert result.exit_code == 255
    assert "host 3 is not done yet: is looked at for the first time" in result.stderr


def test_a_network_is_gone_when_its_deletion_is_done(fake, type_in):
    fake.answers("one.vn.delete", 3)
    locked = network_xml(3).replace("<STATE>1</STATE>", "<STATE>3</STATE>")
    fake.answers("one.vn.info", locked, locked, Refusal("[one.vn.info] Error getting virtual network [3].", 0x0400, 3))
    assert type_in("onevnet", "delete", "3", "--wait").exit_code == 0
    assert len(fake.called("one.vn.info")) == 3


def test_a_network_that_is_still_there_after_its_deletion_is_a_failure(fake, type_in):
    fake.answers("one.vn.delete", 3)
    fake.answers("one.vn.info", network_xml(3).replace("<STATE>1</STATE>", "<STATE>5</STATE>"))
    result = type_in("onevnet", "delete", "3", "--wait")
    assert result.exit_code == 255
    assert 'then "onevnet recover 3 --retry"' in result.stderr


def group(**vms):
    lists = "".join(
        f"<{state}_VMS>{''.join(f'<ID>{i}</ID>' for i in vms.get(state, ()))}</{state}_VMS>"
        for state in ("UPDATED", "OUTDATED", "UPDATING", "ERROR")
    )
    return f"<SECURITY_GROUP><ID>5</ID><NAME>web</NAME>{lists}<TEMPLATE></TEMPLATE></SECURITY_GROUP>"


def test_rules_are_waited_for_until_every_host_has_them(fake, type_in):
    fake.answers("one.secgroup.commit", 5)
    documents = (group(), group(OUTDATED=[1, 2]), group(UPDATING=[2]), group(UPDATED=[1, 2]))
    fake.answers("one.secgroup.info", *documents)
    assert type_in("onesecgroup", "commit", "5", "--wait").exit_code == 0
    assert len(fake.called("one.secgroup.info")) == 4


def test_a_host_that_could_not_get_the_rules_is_told(fake, type_in):
    fake.answers("one.secgroup.commit", 5)
    fake.answers("one.secgroup.info", group(), group(UPDATED=[1], ERROR=[2]))
    result = type_in("onesecgroup", "commit", "5", "--wait")
    assert result.exit_code == 255
    assert "1 VM could not be updated" in result.stderr


def test_a_vm_to_be_moved_is_waited_for_until_it_runs_again(fake, type_in):
    fake.answers("one.vm.action", 3)
    marked, moving = vm_xml(3, resched=1), vm_xml(3, lcm=43)
    fake.answers("one.vm.info", vm_xml(3), marked, marked, moving, vm_xml(3))
    assert type_in("onevm", "resched", "3", "--wait").exit_code == 0
    assert len(fake.called("one.vm.info")) == 5


def test_an_older_error_is_no_news(fake, type_in):
    fake.answers("one.image.snapshotdelete", 3)
    fake.answers("one.image.info", image_xml(3, template={"ERROR": "long ago"}))
    assert type_in("oneimage", "snapshot-delete", "3", "0", "--wait").exit_code == 0


def test_whoever_stops_waiting_is_told_that_it_goes_on(fake, type_in, monkeypatch):
    def interrupt(self, seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(Shell, "sleep", interrupt)
    fake.answers("one.host.status", 3)
    fake.answers("one.host.info", host_xml(3, state=0))
    result = type_in("onehost", "enable", "3,4", "--wait")
    assert result.exit_code == 130
    assert 'host 3 goes on; see "onehost show 3"' in result.stderr
    assert "host 4 goes on" in result.stderr


def test_the_images_of_a_cloned_template_are_waited_for(fake, type_in):
    fake.answers("one.template.clone", 7)
    body = "<TEMPLATE><DISK><IMAGE_ID>4</IMAGE_ID></DISK><DISK><TYPE>swap</TYPE></DISK></TEMPLATE>"
    fake.answers("one.template.info", f"<VMTEMPLATE><ID>7</ID><NAME>x</NAME>{body}</VMTEMPLATE>")
    fake.answers("one.image.info", image_xml(4, state=4), image_xml(4, state=1))
    assert type_in("onetemplate", "clone", "3", "x", "--recursive", "--wait").exit_code == 0
    assert fake.called("one.image.info") == [[4], [4]]


def test_the_images_of_a_deleted_template_are_waited_for(fake, type_in):
    fake.answers("one.template.delete", 7)
    body = "<TEMPLATE><DISK><IMAGE_ID>4</IMAGE_ID></DISK></TEMPLATE>"
    fake.answers("one.template.info", f"<VMTEMPLATE><ID>7</ID><NAME>x</NAME>{body}</VMTEMPLATE>")
    fake.answers(
        "one.image.info", image_xml(4, state=7), Refusal("[one.image.info] Error getting image [4].", 0x0400, 4)
    )
    assert type_in("onetemplate", "delete", "7", "--recursive", "--wait").exit_code == 0
    assert fake.called("one.template.delete") == [[7, True]]
    assert fake.called("one.image.info") == [[4], [4]]


class Terminal(io.StringIO):
    """Somebody who looks on."""

    def isatty(self):
        return True


@pytest.mark.parametrize(("form", "shown"), [("", "\rhalf\rall \r   \r"), ("json", "")])
def test_how_far_it_is_is_one_line_for_people_and_nothing_beside_data(monkeypatch, form, shown):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    shell = Shell()
    shell.form = form
    progress = Progress(shell)
    for text in ("half", "half", "all", ""):
        progress.show(text)
    assert terminal.getvalue() == shown
