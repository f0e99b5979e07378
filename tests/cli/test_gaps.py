"""Commands that today's users know, and what they are here: save, ssh, orphans, recover, share, a datastore."""

import os

import pytest

from tests.cli.fake_engine import Refusal, image_xml, network_xml, vm_xml
from trifid.cli.shell import Shell

OFF = 8


def template_xml(template_id, body, owner="oneadmin"):
    return (
        f"<VMTEMPLATE><ID>{template_id}</ID><UID>0</UID><GID>0</GID><UNAME>{owner}</UNAME><GNAME>oneadmin</GNAME>"
        f"<NAME>t{template_id}</NAME><TEMPLATE>{body}</TEMPLATE></VMTEMPLATE>"
    )


@pytest.fixture
def saved(fake, monkeypatch):
    monkeypatch.setattr(Shell, "sleep", lambda self, seconds: None)
    disks = (
        "<TEMPLATE_ID>4</TEMPLATE_ID>"
        "<DISK><DISK_ID>0</DISK_ID><IMAGE_ID>7</IMAGE_ID><TYPE>FILE</TYPE><DEV_PREFIX>vd</DEV_PREFIX></DISK>"
        "<DISK><DISK_ID>1</DISK_ID><TYPE>swap</TYPE><SIZE>64</SIZE></DISK>"
        "<DISK><DISK_ID>2</DISK_ID><IMAGE_ID>8</IMAGE_ID><TYPE>CDROM</TYPE></DISK>"
    )
    nics = "<NIC><NIC_ID>0</NIC_ID><NETWORK_ID>3</NETWORK_ID><IP>10.0.0.9</IP><MAC>02:00:0a:00:00:09</MAC></NIC>"
    fake.vms = {3: vm_xml(3, "web", OFF, 0, memory=2048, cpu="2", disks=disks, nics=nics)}
    old = "<CPU>1</CPU><MEMORY>512</MEMORY><DISK><IMAGE>debian</IMAGE></DISK><CONTEXT><A>1</A></CONTEXT>"
    fake.answers("one.template.info", template_xml(4, old))
    fake.answers("one.vm.disksaveas", 20)
    fake.answers("one.template.allocate", 9)
    fake.images = {20: image_xml(20)}
    return fake


def test_a_vm_is_saved_as_a_template_with_images_of_its_disks(saved, type_in):
    result = type_in("onevm", "save", "3", "mine")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "Image ID: 20\nTemplate ID: 9\n"
    assert saved.called("one.vm.disksaveas") == [[3, 0, "mine-disk-0", "", -1]]
    ((text,),) = saved.called("one.template.allocate")
    told = " ".join(text.split())
    for part in (
        'CPU="2"',
        'MEMORY="2048"',
        'NAME="mine"',
        'A="1"',
        'IMAGE_ID="20"',
        'IMAGE_ID="8"',
        'TYPE="swap"',
        'NETWORK_ID="3"',
    ):
        assert part in told
    assert not any(word in told for word in ("debian", "10.0.0.9", "02:00", 'CPU="1"', "512"))


def test_its_images_can_be_persistent(saved, type_in):
    saved.answers("one.image.persistent", 20)
    assert type_in("onevm", "save", "3", "mine", "--persistent").exit_code == 0
    assert saved.called("one.image.persistent") == [[20, True]]


def test_a_vm_that_runs_is_not_saved(saved, type_in):
    saved.vms = {3: vm_xml(3, disks="<TEMPLATE_ID>4</TEMPLATE_ID>")}
    result = type_in("onevm", "save", "3", "mine")
    assert "VM 3 is RUNNING" in result.stderr
    assert "onevm poweroff 3 --wait" in result.stderr
    assert not saved.called("one.vm.disksaveas")


def test_a_vm_that_was_made_of_no_template_is_not_saved(saved, type_in):
    saved.vms = {3: vm_xml(3, "web", OFF, 0)}
    assert "was not made of a VM template" in type_in("onevm", "save", "3", "mine").stderr


def test_a_disk_that_is_not_saved_makes_no_template(saved, type_in):
    saved.answers("one.vm.disksaveas", Refusal("[one.vm.disksaveas] no room", 0x0800, 3))
    assert type_in("onevm", "save", "3", "mine").exit_code == 255
    assert not saved.called("one.template.allocate")


@pytest.fixture
def ssh(tmp_path, monkeypatch):
    """Return the file into which what stands for ssh writes its arguments, one a line."""
    told = tmp_path / "told"
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {told}\nexit 7\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return told


NICS = (
    "<NIC><NIC_ID>0</NIC_ID><IP6>fd00::9</IP6><IP>10.0.0.9</IP></NIC><NIC><NIC_ID>1</NIC_ID><IP>10.9.0.9</IP></NIC>"
    "<NIC><NIC_ID>2</NIC_ID><IP>-oProxyCommand=x</IP></NIC>"
)


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ([], ["--", "root@10.0.0.9"]),
        (["debian"], ["--", "debian@10.0.0.9"]),
        (["debian", "--cmd", "uptime -p"], ["--", "debian@10.0.0.9", "uptime -p"]),
        (["--nic", "1"], ["--", "root@10.9.0.9"]),
    ],
)
def test_a_vm_is_logged_in_to_at_its_address(fake, type_in, ssh, words, arguments):
    fake.vms = {3: vm_xml(3, "web", nics=NICS)}
    assert type_in("onevm", "ssh", "web", *words).exit_code == 7
    assert ssh.read_text().splitlines() == arguments


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--nic", "2"], "has no address on NIC 2"), (["-x@y"], ""), (["a@b"], "is not the name of a user")],
)
def test_what_is_no_address_and_no_user_never_reaches_ssh(fake, type_in, ssh, words, said):
    fake.vms = {3: vm_xml(3, "web", nics=NICS)}
    result = type_in("onevm", "ssh", "web", *words)
    assert result.exit_code == 255
    assert said in result.stderr
    assert not ssh.exists()


def test_a_vm_that_does_not_run_is_not_logged_in_to(fake, type_in, ssh):
    fake.vms = {3: vm_xml(3, "web", OFF, 0, nics=NICS)}
    assert "VM 3 is POWEROFF" in type_in("onevm", "ssh", "3").stderr
    assert not ssh.exists()


def test_orphans_are_what_nothing_uses_and_no_template_names(fake, type_in):
    named = "<DISK><IMAGE_ID>1</IMAGE_ID></DISK><DISK><IMAGE>by-name</IMAGE></DISK>"
    of_other = "<DISK><IMAGE>theirs</IMAGE><IMAGE_UNAME>alice</IMAGE_UNAME></DISK>"
    templates = template_xml(0, named) + template_xml(1, of_other)
    fake.answers("one.templatepool.info", f"<VMTEMPLATE_POOL>{templates}</VMTEMPLATE_POOL>")
    names = ("used", "by-id", "by-name", "theirs", "orphan")
    fake.images = {n: image_xml(n, name, vms=(5,) if name == "used" else ()) for n, name in enumerate(names)}
    shown = type_in("oneimage", "orphans", "--csv", "-l", "NAME", "--no-header").stdout
    assert shown.split() == ["orphan", "theirs"]


def test_a_network_with_leases_is_no_orphan(fake, type_in):
    fake.answers("one.templatepool.info", f"<VMTEMPLATE_POOL>{template_xml(0, '')}</VMTEMPLATE_POOL>")
    unused = network_xml(1, "unused").replace("<USED_LEASES>2</USED_LEASES>", "<USED_LEASES>0</USED_LEASES>", 1)
    fake.networks = {0: network_xml(0, "used"), 1: unused}
    assert type_in("onevnet", "orphans", "-l", "NAME", "--no-header").stdout.split() == ["unused"]


@pytest.mark.parametrize(("word", "number"), [("failure", 0), ("success", 1), ("delete", 2), ("retry", 3)])
def test_a_network_is_recovered(fake, type_in, word, number):
    fake.answers("one.vn.recover", 3)
    assert type_in("onevnet", "recover", "3", f"--{word}").exit_code == 0
    assert fake.called("one.vn.recover") == [[3, number]]


def test_how_a_network_is_recovered_must_be_said_once(fake, type_in):
    for words in ([], ["--retry", "--delete"]):
        assert "recover needs one of" in type_in("onevnet", "recover", "3", *words).stderr
    assert not fake.called("one.vn.recover")


def test_sharing_changes_only_what_the_group_may_do(fake, type_in):
    fake.answers("one.template.chmod", 4)
    type_in("onetemplate", "share", "4")
    type_in("onetemplate", "unshare", "4")
    keep = -1
    share = [4, keep, keep, keep, 1, keep, keep, keep, keep, keep, True]
    assert fake.called("one.template.chmod") == [
        share,
        [0 if flag == 1 and flag is not True else flag for flag in share],
    ]


def test_a_vm_can_be_sent_to_a_datastore(fake, type_in):
    fake.answers("one.vm.deploy", 3)
    fake.answers("one.vm.migrate", 3)
    type_in("onevm", "deploy", "3", "2", "100")
    type_in("onevm", "migrate", "3", "2", "100", "--live")
    type_in("onevm", "migrate", "3", "2", "100", "--poff")
    assert fake.called("one.vm.deploy") == [[3, 2, False, 100]]
    assert fake.called("one.vm.migrate") == [[3, 2, True, False, 100], [3, 2, False, False, 100, 1]]


def test_what_is_not_here_tells_what_is_there_instead(type_in):
    result = type_in("onevm", "backup", "3")
    assert result.exit_code == 255
    assert "disk-saveas" in result.stderr


def test_options_that_do_nothing_here_are_taken(fake, type_in):
    fake.vms = {3: vm_xml(3)}
    assert type_in("onevm", "list", "--no-pager", "--no-expand", "--adjust", "NAME").exit_code == 0
    assert type_in("onevm", "show", "3", "--all").exit_code == 0
    assert "--no-pager" not in type_in("onevm", "list", "--help").stdout
