"""onedatastore, typed against a small engine."""

import json

import pytest

from tests.cli.fake_engine import Refusal, datastore_xml, image_xml


@pytest.fixture(autouse=True)
def _datastores(fake):
    fake.datastores |= {
        0: datastore_xml(0, "system", 1),
        1: datastore_xml(1, "default", total=40960, images=(3,), LIMIT_MB=10240),
    }
    fake.answers("one.datastore.allocate", 100, 101)


def test_options_describe_a_datastore(fake, type_in):
    words = "--name fast --type image --ds fs --tm qcow2 --base-path /fast --safe-dirs /srv --limit 500g"
    result = type_in("onedatastore", "create", *words.split(), "--restricted-dirs", "/etc /root")
    text = (
        'NAME="fast"\nTYPE="IMAGE_DS"\nLIMIT_MB="512000"\nDS_MAD="fs"\nTM_MAD="qcow2"\nBASE_PATH="/fast"\n'
        'SAFE_DIRS="/srv"\nRESTRICTED_DIRS="/etc /root"\n'
    )
    assert (result.output, fake.called("one.datastore.allocate")) == ("ID: 100\n", [[text, -1]])


def test_templates_are_sent_as_they_were_written(fake, type_in, tmp_path):
    (tmp_path / "a.ds").write_text("NAME = a # one\n")
    result = type_in("onedatastore", "create", str(tmp_path / "a.ds"), "-", stdin="NAME=b")
    assert result.output == "ID: 100\nID: 101\n"
    assert fake.called("one.datastore.allocate") == [["NAME = a # one\n", -1], ["NAME=b", -1]]


def test_a_refusal_names_the_file(fake, type_in):
    fake.answers("one.datastore.allocate", Refusal("[one.datastore.allocate] No DS_MAD in template.", 0x2000, -1))
    result = type_in("onedatastore", "create", "-", stdin="NAME=b")
    assert (result.exit_code, "standard input: [one.datastore.allocate] No DS_MAD" in result.stderr) == (255, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "a datastore needs a FILE, or --name"),
        (["--ds", "fs"], "a datastore needs a FILE, or --name"),
        (["-", "--name", "x"], "do not go together"),
        (["--name", "x", "--limit", "all"], "all is not a size"),
    ],
)
def test_what_cannot_be_is_told_before_the_engine_is_asked(fake, type_in, words, told):
    result = type_in("onedatastore", "create", *words)
    assert (result.exit_code, told in result.stderr) == (255, True)
    assert fake.called("one.datastore.allocate") == []


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("delete default", ("one.datastore.delete", 1)),
        ("enable 0", ("one.datastore.enable", 0, True)),
        ("disable system", ("one.datastore.enable", 0, False)),
        ("rename 1 slow", ("one.datastore.rename", 1, "slow")),
        ("chmod 1 644", ("one.datastore.chmod", 1, 1, 1, 0, 1, 0, 0, 1, 0, 0)),
        ("chown 1 oneadmin users", ("one.datastore.chown", 1, 0, 1)),
        ("chgrp 1 users", ("one.datastore.chown", 1, -1, 1)),
    ],
)
def test_a_command_is_one_call(fake, type_in, words, call):
    fake.answers(call[0], 0)
    result = type_in("onedatastore", *words.split())
    assert (result.exit_code, result.output) == (0, "")
    assert fake.calls[-1] == call


def test_attributes_come_from_a_file(fake, type_in):
    fake.answers("one.datastore.update", 1)
    type_in("onedatastore", "update", "default", "-", "--append", stdin="LIMIT_MB=1")
    assert fake.called("one.datastore.update") == [[1, "LIMIT_MB=1", 1]]


def test_the_columns_of_today(type_in):
    header, default, system = type_in("onedatastore", "list").stdout.splitlines()
    assert header.split() == ["ID", "NAME", "SIZE", "AVA", "CLUSTERS", "IMAGES", "TYPE", "DS", "TM", "STAT"]
    assert default.split() == ["1", "default", "40G", "25%", "0", "1", "img", "fs", "shared", "on"]
    assert system.split() == ["0", "system", "-", "-", "0", "0", "sys", "-", "shared", "on"]


def test_others_can_be_chosen(type_in):
    line = type_in("onedatastore", "list", "-l", "NAME,USED,FREE,USER", "-f", "ID=1", "--no-header").stdout
    assert line.split() == ["default", "30G", "10G", "oneadmin"]


def test_room_is_compared_with_units(type_in):
    said = type_in("onedatastore", "list", "-l", "NAME", "--no-header", "-f", "SIZE>39G,FREE<11G").stdout
    assert said.split() == ["default"]


def test_show_tells_its_room_and_its_images(fake, type_in):
    fake.images |= {3: image_xml(3), 4: image_xml(4, "elsewhere")}
    said = [" ".join(line.split()) for line in type_in("onedatastore", "show", "default").stdout.splitlines()]
    for line in (
        "TYPE : IMAGE",
        "DS_MAD : fs",
        "BASE PATH : /home/engine/datastores/1",
        "USED : 30G / 40G (75%)",
        "LIMIT : 10G",
        "3 oneadmin oneadmin debian 2.2G OS No rdy 0",
    ):
        assert line in said
    assert not any("elsewhere" in line for line in said)


def test_show_of_one_without_room_of_its_own(type_in):
    assert "every host has its own" in type_in("onedatastore", "show", "0").stdout


def test_show_as_json(type_in):
    assert json.loads(type_in("onedatastore", "show", "1", "-j").stdout)["DATASTORE"]["TM_MAD"] == "shared"
