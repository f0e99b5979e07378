"""onetemplate, typed against a small engine."""

import json

import pytest

from tests.cli.fake_engine import PERMISSIONS, Refusal, owner
from trifid.cli import template_inputs
from trifid.core.template.scanner import parse

INPUTS = (
    "<USER_INPUTS><ROLE>M|list|Role of the VM|web,db|web</ROLE><SIZE>O|range|Size|1..9</SIZE>"
    "<PASSWORD>O|password|Password</PASSWORD><NOTE>O|text64|Note</NOTE></USER_INPUTS>"
)
CONTEXT = "<CONTEXT><NETWORK>YES</NETWORK><ROLE>$ROLE</ROLE></CONTEXT>"


def template_xml(template_id=3, name="web", attributes="", lock=""):
    return (
        f"<VMTEMPLATE><ID>{template_id}</ID>{owner()}<NAME>{name}</NAME>{lock}{PERMISSIONS}<REGTIME>1000</REGTIME>"
        f"<TEMPLATE><CPU>1</CPU><MEMORY>64</MEMORY>{attributes}</TEMPLATE></VMTEMPLATE>"
    )


class Kept:
    """The templates of the engine, by id."""

    def __init__(self, fake):
        self.documents = {3: template_xml()}
        fake.methods["one.templatepool.info"] = lambda *_: (
            f"<VMTEMPLATE_POOL>{''.join(self.documents.values())}</VMTEMPLATE_POOL>"
        )
        fake.methods["one.template.info"] = lambda template_id, *_: self.documents[template_id]


@pytest.fixture(autouse=True)
def kept(fake):
    fake.answers("one.template.instantiate", 7, 8, 9)
    return Kept(fake)


def extra(fake):
    """Return the extra template of the last instantiation."""
    return parse(fake.called("one.template.instantiate")[-1][3])


class TestCreate:
    def test_a_template_comes_from_files(self, fake, type_in, tmp_path):
        fake.answers("one.template.allocate", 4, Refusal("[one.template.allocate] Invalid NAME", 0x2000, -1))
        (tmp_path / "a").write_text("NAME=a\n")
        result = type_in("onetemplate", "create", str(tmp_path / "a"), "-", stdin="CPU=1")
        assert (result.exit_code, result.stdout) == (255, "ID: 4\n")
        assert "Error: standard input: [one.template.allocate] Invalid NAME" in result.stderr
        assert fake.called("one.template.allocate") == [["NAME=a\n"], ["CPU=1"]]

    def test_a_template_comes_from_options(self, fake, type_in, tmp_path):
        fake.answers("one.template.allocate", 4)
        (tmp_path / "key.pub").write_text("ssh-ed25519 AAAA me\n")
        words = ["--name", "web", "--cpu", "0.5", "--vcpu", "2", "--memory", "2g", "--description", "a server"]
        words += ["--disk", "debian:size=20480:target=vda,alice[data],5", "--nic", "lan,7", "--net-context"]
        words += ["--ssh", str(tmp_path / "key.pub"), "--context", 'ROLE=db,HOSTS=a,b,TEXT="x=1,y=2"']
        assert type_in("onetemplate", "create", *words).stdout == "ID: 4\n"
        ((text,),) = fake.called("one.template.allocate")
        made = parse(text)
        assert [made.single(name) for name in ("NAME", "CPU", "VCPU", "MEMORY")] == ["web", "0.5", "2", "2048"]
        assert made.single("DESCRIPTION") == "a server"
        assert made.vectors("DISK") == [
            {"IMAGE": "debian", "SIZE": "20480", "TARGET": "vda"},
            {"IMAGE": "data", "IMAGE_UNAME": "alice"},
            {"IMAGE_ID": "5"},
        ]
        assert made.vectors("NIC") == [{"NETWORK": "lan"}, {"NETWORK_ID": "7"}]
        assert made.vector("CONTEXT") == {
            "SSH_PUBLIC_KEY": "ssh-ed25519 AAAA me",
            "NETWORK": "YES",
            "ROLE": "db",
            "HOSTS": "a,b",
            "TEXT": "x=1,y=2",
        }

    def test_addresses_have_colons_and_lists_have_commas(self, fake, type_in):
        nics = 'lan:MAC=02:00:0a:00:00:63:ip=10.0.0.99,7:IP6=fd00::63:SECURITY_GROUPS="103,104"'
        made = parse(type_in("onetemplate", "create", "--name", "web", "--nic", nics, "--dry").stdout)
        assert made.vectors("NIC") == [
            {"NETWORK": "lan", "MAC": "02:00:0a:00:00:63", "IP": "10.0.0.99"},
            {"NETWORK_ID": "7", "IP6": "fd00::63", "SECURITY_GROUPS": "103,104"},
        ]
        refused = type_in("onetemplate", "create", "--name", "web", "--nic", "lan:model=a:b", "--dry")
        assert "'b' of lan:model=a:b is not KEY=VALUE" in refused.stderr

    def test_auto_is_no_network_but_one_that_is_chosen(self, fake, type_in):
        nics = 'auto:SCHED_REQUIREMENTS="ID = 3",alice[auto],7'
        made = parse(type_in("onetemplate", "create", "--name", "web", "--nic", nics, "--dry").stdout)
        assert made.vectors("NIC") == [
            {"NETWORK_MODE": "auto", "SCHED_REQUIREMENTS": "ID = 3"},
            {"NETWORK": "auto", "NETWORK_UNAME": "alice"},
            {"NETWORK_ID": "7"},
        ]

    def test_what_a_clone_is_refused_for_may_be_of_another_kind(self, fake, type_in):
        fake.answers("one.template.clone", Refusal("[one.template.clone] image 11 is persistent", 0x0800, 11))
        stderr = type_in("onetemplate", "clone", "4", "copy").stderr
        assert "image 11 is persistent" in stderr
        assert "onetemplate show" not in stderr

    def test_it_is_only_printed_when_that_is_all_that_is_asked(self, fake, type_in):
        result = type_in("onetemplate", "create", "--name", "web", "--ssh-user", "--dry")
        assert parse(result.stdout).vector("CONTEXT") == {"SSH_PUBLIC_KEY": "$USER[SSH_PUBLIC_KEY]"}
        assert not fake.called("one.template.allocate")

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            ([], "needs a FILE, or --name"),
            (["--cpu", "1"], "needs a FILE, or --name"),
            (["-", "--cpu", "1"], "a FILE and options do not go together"),
            (["--name", "x", "--memory", "big"], "big is not a size"),
            (["--name", "x", "--disk", "a,,b"], "'' names no image"),
            (["--name", "x", "--disk", "a:20"], "'20' of a:20 is not KEY=VALUE"),
            (["--name", "x", "--context", "A"], "'A' is not NAME=VALUE"),
            (["--name", "x", "--ssh", "-", "--ssh-user"], "--ssh and --ssh-user do not go together"),
        ],
    )
    def test_what_cannot_be_is_told_before_anything_is_kept(self, fake, type_in, words, told):
        result = type_in("onetemplate", "create", *words, stdin="")
        assert result.exit_code == 255
        assert told in result.stderr
        assert not fake.called("one.template.allocate")


class TestInstantiate:
    def test_a_template_becomes_a_vm(self, fake, type_in):
        assert type_in("onetemplate", "instantiate", "web").stdout == "VM ID: 7\n"
        assert fake.called("one.template.instantiate") == [[3, "", False, "", False]]

    def test_name_hold_and_persistent_are_told(self, fake, type_in):
        type_in("onetemplate", "instantiate", "3", "--name", "mine", "--hold", "--persistent")
        assert fake.called("one.template.instantiate") == [[3, "mine", True, "", True]]

    @pytest.mark.parametrize(("name", "names"), [("n%i-x", ["n0-x", "n1-x"]), ("n", ["n-0", "n-1"]), ("", ["", ""])])
    def test_several_vms_are_numbered(self, fake, type_in, name, names):
        result = type_in("onetemplate", "instantiate", "3", "--name", name, "--multiple", "2")
        assert result.stdout == "VM ID: 7\nVM ID: 8\n"
        assert [call[1] for call in fake.called("one.template.instantiate")] == names

    def test_the_rest_is_not_tried_after_a_refusal(self, fake, type_in):
        refusal = Refusal("[one.template.instantiate] no lease", 0x2000, -1)
        fake.answers("one.template.instantiate", 7, refusal)
        result = type_in("onetemplate", "instantiate", "3", "-m", "5")
        assert (result.exit_code, result.stdout) == (255, "VM ID: 7\n")
        assert result.stderr.count("no lease") == 1
        assert len(fake.called("one.template.instantiate")) == 2

    def test_options_stand_over_the_file_and_the_file_over_the_answers(self, fake, type_in, kept, tmp_path):
        kept.documents[3] = template_xml(attributes=INPUTS + CONTEXT)
        (tmp_path / "more").write_text("MEMORY=128\nCPU=2\nSIZE=3\n")
        words = [str(tmp_path / "more"), "--memory", "256", "--user-inputs", "ROLE=db,SIZE=5"]
        type_in("onetemplate", "instantiate", "web", *words)
        assert dict(extra(fake)) == {"ROLE": "db", "SIZE": "3", "CPU": "2", "MEMORY": "256"}

    def test_variables_come_on_top_of_those_of_the_template(self, fake, type_in, kept, tmp_path):
        kept.documents[3] = template_xml(attributes=CONTEXT)
        type_in("onetemplate", "instantiate", "web", "--context", "ROLE=db,X=1")
        assert extra(fake).vector("CONTEXT") == {"NETWORK": "YES", "ROLE": "db", "X": "1"}
        (tmp_path / "more").write_text("CONTEXT=[A=1]")
        type_in("onetemplate", "instantiate", "web", str(tmp_path / "more"), "--context", "X=1")
        assert extra(fake).vector("CONTEXT") == {"A": "1", "X": "1"}

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["--user-inputs", "ROLE=mail"], 'ROLE must be one of web,db, is "mail"'),
            (["--user-inputs", "SIZE=10"], "SIZE must be a whole number from 1..9"),
            (["--user-inputs", "COLOUR=red"], "the template has no user input COLOUR"),
            (["--user-inputs", "ROLE"], "'ROLE' is not NAME=VALUE"),
            (["--persistent", "-m", "2"], "--persistent and --multiple do not go together"),
            (["nosuch.txt"], "nosuch.txt: No such file or directory"),
            (["--wait", "POWEROF"], "POWEROF is neither a state of a VM nor a file"),
        ],
    )
    def test_what_cannot_be_is_told_before_a_vm_is_made(self, fake, type_in, kept, words, told):
        kept.documents[3] = template_xml(attributes=INPUTS)
        result = type_in("onetemplate", "instantiate", "web", *words)
        assert result.exit_code == 255
        assert told in result.stderr
        assert not fake.called("one.template.instantiate")

    def test_what_is_not_given_is_the_default_where_nobody_can_be_asked(self, fake, type_in, kept):
        kept.documents[3] = template_xml(attributes=INPUTS)
        type_in("onetemplate", "instantiate", "web", "--user-inputs", "NOTE=größer")
        assert dict(extra(fake)) == {"ROLE": "web", "NOTE": "Z3LDtsOfZXI="}
        kept.documents[3] = template_xml(attributes="<USER_INPUTS><A>M|text|x</A></USER_INPUTS>")
        assert "A must have a value" in type_in("onetemplate", "instantiate", "web").stderr

    def test_at_a_terminal_it_is_asked_until_it_is_right(self, fake, type_in, kept, monkeypatch):
        monkeypatch.setattr(template_inputs, "is_terminal", lambda: True)
        kept.documents[3] = template_xml(attributes=INPUTS)
        result = type_in("onetemplate", "instantiate", "web", "--user-inputs", "NOTE=x", stdin="mail\ndb\n4\nsecret\n")
        assert dict(extra(fake)) == {"ROLE": "db", "SIZE": "4", "PASSWORD": "secret", "NOTE": "eA=="}
        assert "Role of the VM (ROLE: one of web,db) [web]:" in result.stderr
        assert 'ROLE must be one of web,db, is "mail"' in result.stderr
        assert "secret" not in result.output
        assert result.stdout == "VM ID: 7\n"


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["delete", "web"], ("one.template.delete", 3, False)),
        (["delete", "3", "-r"], ("one.template.delete", 3, True)),
        (["clone", "web", "copy"], ("one.template.clone", 3, "copy", False)),
        (["clone", "web", "copy", "--recursive"], ("one.template.clone", 3, "copy", True)),
        (["rename", "web", "x"], ("one.template.rename", 3, "x")),
        (["chmod", "web", "604"], ("one.template.chmod", 3, 1, 1, 0, 0, 0, 0, 1, 0, 0, False)),
        (["chmod", "web", "604", "-r"], ("one.template.chmod", 3, 1, 1, 0, 0, 0, 0, 1, 0, 0, True)),
        (["chgrp", "web", "users"], ("one.template.chown", 3, -1, 1)),
        (["chown", "web", "oneadmin"], ("one.template.chown", 3, 0, -1)),
        (["lock", "web"], ("one.template.lock", 3, 4, False)),
        (["lock", "web", "--manage"], ("one.template.lock", 3, 2, False)),
        (["unlock", "web"], ("one.template.unlock", 3)),
    ],
)
def test_a_command_is_one_call(fake, type_in, words, call):
    fake.answers(call[0], 9)
    result = type_in("onetemplate", *words)
    assert (result.exit_code, result.output) == (0, "ID: 9\n" if words[0] == "clone" else "")
    assert fake.calls[-1] == call


def test_an_update_comes_from_a_file(fake, type_in, tmp_path):
    fake.answers("one.template.update", 3)
    (tmp_path / "more").write_text("MEMORY=128\n")
    type_in("onetemplate", "update", "web", str(tmp_path / "more"), "-a")
    assert fake.called("one.template.update") == [[3, "MEMORY=128\n", 1]]


def test_templates_are_listed(type_in):
    header, line = type_in("onetemplate", "list").stdout.splitlines()
    assert header.split() == ["ID", "USER", "GROUP", "NAME", "REGTIME"]
    assert line.split()[:4] == ["3", "oneadmin", "oneadmin", "web"]
    assert type_in("onetemplate", "list", "-l", "CPU,MEMORY", "--no-header").stdout.split() == ["1", "64"]


def test_a_template_is_shown_with_what_its_images_tell_when_asked(fake, type_in, kept):
    lock = "<LOCK><LOCKED>2</LOCKED><OWNER>5</OWNER><TIME>1</TIME><REQ_ID>1</REQ_ID></LOCK>"
    kept.documents[3] = template_xml(lock=lock, attributes=CONTEXT)
    shown = type_in("onetemplate", "show", "web").stdout
    for told in ("TEMPLATE 3 INFORMATION", "manage, by user 5", 'MEMORY="64"', 'ROLE="$ROLE"', "OWNER"):
        assert told in shown
    assert fake.called("one.template.info")[-1] == [3]
    found = json.loads(type_in("onetemplate", "show", "3", "-j", "--extended").stdout)
    assert found["VMTEMPLATE"]["TEMPLATE"]["MEMORY"] == "64"
    assert fake.called("one.template.info")[-1] == [3, True]


@pytest.mark.parametrize("word", ["publish", "unpublish"])
def test_words_of_old_are_explained(type_in, word):
    assert "onetemplate chmod TEMPLATE" in type_in("onetemplate", word, "3").stderr
