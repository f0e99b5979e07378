"""onevntemplate, typed against a small engine."""

import json

import pytest

from tests.cli.fake_engine import PERMISSIONS, Refusal, owner


@pytest.fixture(autouse=True)
def _templates(fake):
    fake.network_templates[3] = (
        f"<VNTEMPLATE><ID>3</ID>{owner()}<NAME>private</NAME>{PERMISSIONS}<REGTIME>1000</REGTIME>"
        "<TEMPLATE><VN_MAD>vxlan</VN_MAD></TEMPLATE></VNTEMPLATE>"
    )
    fake.answers("one.vntemplate.allocate", 4, 5)


def test_templates_are_sent_as_they_were_written(fake, type_in, tmp_path):
    (tmp_path / "a").write_text("NAME = a # one\n")
    assert type_in("onevntemplate", "create", str(tmp_path / "a"), "-", stdin="NAME=b").output == "ID: 4\nID: 5\n"
    assert fake.called("one.vntemplate.allocate") == [["NAME = a # one\n"], ["NAME=b"]]


def test_a_refusal_names_the_file(fake, type_in):
    fake.answers("one.vntemplate.allocate", Refusal("[one.vntemplate.allocate] VN_MAD is mandatory", 0x2000, -1))
    result = type_in("onevntemplate", "create", "-", stdin="NAME=b")
    assert (result.exit_code, "standard input: [one.vntemplate.allocate] VN_MAD" in result.stderr) == (255, True)


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("instantiate private", (3, "", "")),
        ("instantiate private --name mine", (3, "mine", "")),
        ("instantiate 3 - --name mine", (3, "mine", "DNS=1.1.1.1")),
    ],
)
def test_instantiate_tells_the_network(fake, type_in, words, call):
    fake.answers("one.vntemplate.instantiate", 12)
    assert type_in("onevntemplate", *words.split(), stdin="DNS=1.1.1.1").output == "VN ID: 12\n"
    assert fake.called("one.vntemplate.instantiate") == [list(call)]


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("delete private", ("one.vntemplate.delete", 3)),
        ("rename 3 other", ("one.vntemplate.rename", 3, "other")),
        ("chmod 3 604", ("one.vntemplate.chmod", 3, 1, 1, 0, 0, 0, 0, 1, 0, 0)),
        ("chown 3 oneadmin", ("one.vntemplate.chown", 3, 0, -1)),
        ("lock 3 --admin", ("one.vntemplate.lock", 3, 3, False)),
        ("unlock 3", ("one.vntemplate.unlock", 3)),
    ],
)
def test_a_command_is_one_call(fake, type_in, words, call):
    fake.answers(call[0], 0)
    result = type_in("onevntemplate", *words.split())
    assert (result.exit_code, result.output) == (0, "")
    assert fake.calls[-1] == call


def test_clone_tells_the_id(fake, type_in):
    fake.answers("one.vntemplate.clone", 9)
    assert type_in("onevntemplate", "clone", "private", "copy").output == "ID: 9\n"


def test_the_list_and_the_document(type_in):
    header, line = type_in("onevntemplate", "list", "-l", "ID,NAME,VN_MAD").stdout.splitlines()
    assert (header.split(), line.split()) == (["ID", "NAME", "VN_MAD"], ["3", "private", "vxlan"])
    said = [" ".join(one.split()) for one in type_in("onevntemplate", "show", "private").stdout.splitlines()]
    assert "NAME : private" in said
    assert 'VN_MAD="vxlan"' in said
    assert json.loads(type_in("onevntemplate", "show", "3", "-j").stdout)["VNTEMPLATE"]["ID"] == "3"
