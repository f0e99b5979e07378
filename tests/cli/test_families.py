"""What every family of commands has, by being registered: lists in all forms, filters, order, columns."""

import csv
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import PROGRAMS
from tests.cli.fake_engine import datastore_xml, host_xml, image_xml, network_xml, owner, user_xml, vm_xml
from trifid.cli import docs
from trifid.cli.listing import Listing


def plain(element):
    """Return what makes a document that has nothing but an owner and a name."""
    return lambda n, name: f"<{element}><ID>{n}</ID>{owner()}<NAME>{name}</NAME><REGTIME>0</REGTIME></{element}>"


SAMPLES = {
    "VM": vm_xml,
    "HOST": host_xml,
    "VNET": network_xml,
    "IMAGE": image_xml,
    "DATASTORE": datastore_xml,
    "USER": user_xml,
}
"""How a document of a kind is made, where lists look at more than its owner and its name."""

LISTS = [
    pytest.param(program, row.word, row.run.__self__, id=f"{program}-{row.word}")
    for program, main in PROGRAMS.items()
    for row in main.rows
    if isinstance(getattr(row.run, "__self__", None), Listing) and row.run.__func__ is Listing.run
    if row.run.__self__.only is None
]


def test_what_is_tried_here_is_what_is_documented():
    assert set(PROGRAMS) == {str(program.name) for program, _ in docs.PROGRAMS}


def test_every_family_has_a_list():
    families = {program for program, main in PROGRAMS.items() if main.kind is not None and "show" in words(main)}
    families.add("oneacl")  # a rule is one line
    assert families == {param.values[0] for param in LISTS}


def words(main):
    return {row.word for row in main.rows}


@pytest.fixture
def listed(fake, type_in, request):
    """Return what lists three objects, a, b and c with the ids 0, 1, 2, with further words."""
    program, word, listing = (request.getfixturevalue(name) for name in ("program", "word", "listing"))
    sample = SAMPLES.get(listing.kind.element, plain(listing.kind.element))
    documents = [sample(n, name) for n, name in enumerate("abc")]
    root = f"{listing.kind.element}_POOL"
    fake.answers(listing.kind.pool[0], f"<{root}>{''.join(reversed(documents))}</{root}>")
    fake.answers("one.vmpool.monitoring", "<MONITORING_DATA></MONITORING_DATA>")

    def run(*more):
        result = type_in(program, word, *more)
        assert result.exit_code == 0, result.stderr
        return result.stdout

    return run


each = pytest.mark.parametrize(("program", "word", "listing"), LISTS)


@each
def test_columns_can_be_chosen_and_are_told(listed, program, word, listing):
    told = listed("--list-columns")
    assert all(column.name in told and column.about in told for column in listing.columns.all)
    assert listed("--describe") == told
    every = ",".join(column.name for column in listing.columns.all)
    assert listed("-l", every).splitlines()[0].split() == every.split(",")
    default = listed().splitlines()[0].split()
    assert default == listing.columns.default.split(",")


@each
def test_rows_can_be_filtered_and_ordered(listed, program, word, listing):
    ids = lambda *more: listed("-l", "ID", "--no-header", *more).split()  # noqa: E731
    assert ids() == ["2", "1", "0"]
    assert ids("-o", "-ID") == ["0", "1", "2"]
    assert ids("-f", "ID=1") == ["1"]
    assert ids("-f", "ID!=1") == ["2", "0"]
    assert ids("-f", "ID>0") == ["2", "1"]
    assert ids("-f", "ID=0,ID=1") == []
    assert ids("-f", "ID=0,ID=1", "--operator", "OR") == ["1", "0"]


@each
def test_one_list_has_all_forms(listed, program, word, listing):
    entry, root = listing.kind.element, f"{listing.kind.element}_POOL"
    by_json = json.loads(listed("--json"))[root][entry]
    assert [one["ID"] for one in by_json] == ["2", "1", "0"]
    assert [one.findtext("ID") for one in ElementTree.fromstring(listed("--xml"))] == ["2", "1", "0"]
    assert re.findall(r'^    - ID: "(\d)"$', listed("--yaml"), re.MULTILINE) == ["2", "1", "0"]
    rows = list(csv.reader(listed("--csv").splitlines()))
    assert rows[0] == listing.columns.default.split(",")
    assert len(rows) == 4
    assert [one["ID"] for one in json.loads(listed("-j", "-f", "ID=1"))[root][entry]] == ["1"]


@each
def test_a_delay_looks_once_where_no_terminal_is(listed, program, word, listing):
    assert listed("-d", "5") == listed()


@each
def test_a_column_has_the_size_that_is_asked_for(listed, program, word, listing):
    first = listing.columns.all[0].name
    header = listed("--size", f"{first}=30", "-l", f"{first},{first}").splitlines()[0]
    assert len(header) in (31 + len(first), 61)


@each
def test_nothing_is_coloured_where_no_terminal_is(listed, program, word, listing):
    assert "\x1b" not in listed()


def test_ids_of_what_is_made_are_told_in_one_way():
    sources = Path(docs.__file__).parent.glob("*.py")
    own = [path.name for path in sources if re.search(r'say\(f"(\w+ )?ID: ', path.read_text(encoding="utf-8"))]
    assert own == [], "tell the id of a new object with shell.made(KIND, id): answers as data have it then"
