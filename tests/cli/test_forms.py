"""Answers as data: every form says the same."""

import json
from xml.etree import ElementTree

import pytest
import yaml

from tests.cli.fake_engine import vm_xml
from trifid.cli.forms import text_of
from trifid.cli.yaml_text import yaml_lines

AWKWARD = [
    "",
    "3",
    "1e3",
    "no",
    "Null",
    "~",
    "- a",
    "a: b",
    "a #b",
    "two words",
    " blank",
    'quo"te',
    "back\\slash",
    "line\nline",
    "tab\t",
    "é ✓ 😀",
    "\x7f\x85\u2028\ufeff",
    "0x10",
    "2026-01-01",
    "=",
    "<<",
    "@at",
    "`tick",
    "%",
    "{x}",
    "[y]",
    "*star",
    "&and",
    "!bang",
    "|",
    ">",
    "'",
    "?",
    ".inf",
    "12:30:45",
]


def test_yaml_is_blocks_of_names_and_texts():
    value = {"VM": {"ID": "3", "NAME": "web", "DISK": [{"SIZE": "1"}, {"SIZE": "2"}], "NIC": [], "LOCK": {}}}
    assert "\n".join(yaml_lines(value)) == (
        'VM:\n  ID: "3"\n  NAME: web\n  DISK:\n    - SIZE: "1"\n    - SIZE: "2"\n  NIC: []\n  LOCK: {}'
    )


def test_yaml_has_lists_in_lists_and_other_scalars():
    value = {"a": [["p", "q"], [], "r"], "done": True, "count": 3, "none": None}
    text = "a:\n  - - p\n    - q\n  - []\n  - r\ndone: true\ncount: 3\nnone: null"
    assert "\n".join(yaml_lines(value)) == text


@pytest.mark.parametrize("text", AWKWARD)
def test_a_text_that_yaml_might_take_for_something_else_is_quoted(text):
    (line,) = yaml_lines({"it": text})
    if text == "two words":
        assert line == "it: two words"
        return
    assert line.isascii() or "é" in text
    assert json.loads(line.removeprefix("it: ")) == text


def test_readers_of_yaml_find_what_was_written():
    value = {"texts": AWKWARD, **{f"k{n}": {"of": text, text or "empty": [text]} for n, text in enumerate(AWKWARD)}}
    assert yaml.safe_load("\n".join(yaml_lines(value))) == value


def test_data_as_xml_repeats_the_name_of_a_list_and_is_sound():
    text = text_of({"id": 3, "said": ["a<b", "c\x1b"], "done": True}, "xml", "ANSWER")
    tree = ElementTree.fromstring(text)
    assert [(one.tag, one.text) for one in tree] == [("ID", "3"), ("SAID", "a<b"), ("SAID", "c?"), ("DONE", "true")]


@pytest.mark.parametrize("words", [["--json", "--xml"], ["-j", "-y"], ["--csv", "--yaml"]])
def test_two_forms_at_once_are_refused(fake, type_in, words):
    result = type_in("onevm", "list", *words)
    assert result.exit_code == 255
    assert "cannot be together" in result.stderr
    assert not fake.calls


def test_lists_have_one_content_in_all_forms(fake, type_in):
    fake.vms = {n: vm_xml(n, name, user={"NOTE": "a: b"}) for n, name in enumerate(["web", "db"])}
    by_json = json.loads(type_in("onevm", "list", "-j").stdout)
    tree = ElementTree.fromstring(type_in("onevm", "list", "-x").stdout)
    assert [vm["NAME"] for vm in by_json["VM_POOL"]["VM"]] == [vm.findtext("NAME") for vm in tree] == ["db", "web"]
    assert type_in("onevm", "list", "-y").stdout.rstrip("\n") == "\n".join(yaml_lines(by_json))


@pytest.mark.parametrize("form", ["-j", "-x", "-y"])
def test_filters_and_order_hold_for_every_form(fake, type_in, form):
    fake.vms = {n: vm_xml(n, name) for n, name in enumerate(["web1", "db", "web2"])}
    shown = type_in("onevm", "list", form, "-f", "NAME~web", "-o", "-ID").stdout
    assert "db" not in shown
    assert shown.index("web1") < shown.index("web2")


@pytest.mark.parametrize(
    ("form", "empty"),
    [("-j", '{\n  "VM_POOL": {\n    "VM": []\n  }\n}\n'), ("-x", "<VM_POOL />\n"), ("-y", "VM_POOL:\n  VM: []\n")],
)
def test_an_empty_list_is_told(type_in, form, empty):
    assert type_in("onevm", "list", form).stdout == empty


def test_other_signs_between_values(fake, type_in):
    fake.vms = {0: vm_xml(0, "a;b")}
    assert type_in("onevm", "list", "--csv", "--csv-del", ";", "-l", "ID,NAME").stdout == 'ID;NAME\n0;"a;b"\n'
    assert "not one character" in type_in("onevm", "list", "--csv", "--csv-del", "ab").stderr


@pytest.mark.parametrize("size", ["NAME", "NAME=0", "NAME=x", "NAME=99999"])
def test_sizes_that_are_none(type_in, size):
    assert "is not the size of a column" in type_in("onevm", "list", "--size", size).stderr


def test_several_objects_are_several_documents(fake, type_in):
    fake.vms = {n: vm_xml(n, f"vm{n}") for n in (1, 2)}
    documents = type_in("onevm", "show", "1,2", "-y").stdout.split("---\n")
    assert ["NAME: vm1" in documents[0], "NAME: vm2" in documents[1]] == [True, True]
    decoder, text = json.JSONDecoder(), type_in("onevm", "show", "1,2", "-j").stdout
    first, end = decoder.raw_decode(text)
    second, _ = decoder.raw_decode(text[end:].lstrip())
    assert [first["VM"]["ID"], second["VM"]["ID"]] == ["1", "2"]
