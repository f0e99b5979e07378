"""Pools come page by page, each object once, whatever comes and goes meanwhile."""

import json

import pytest

from tests.cli.fake_engine import vm_xml
from trifid.cli import pools
from trifid.cli.columns import View
from trifid.cli.kinds import HOST, VM
from trifid.cli.pools import Look
from trifid.cli.shell import Shell

CALL = ("one.vmpool.info", -2, -1, -1, -1)


class Engine:
    """Answers pages of VMs, newest first; something happens before some of the calls."""

    def __init__(self, ids, happens=None):
        self.ids = set(ids)
        self.happens = happens or {}
        self.calls = []

    def call(self, method, *args):
        self.happens.get(len(self.calls), lambda: None)()
        self.calls.append(args)
        listing = sorted(self.ids, reverse=True)
        if len(args) > 2 and args[2] < -1:
            listing = listing[args[1] : args[1] - args[2]]
        return f"<VM_POOL>{''.join(f'<VM><ID>{i}</ID><NAME>vm{i}</NAME></VM>' for i in listing)}</VM_POOL>"


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(pools, "PAGE", 10)
    monkeypatch.setattr(pools, "_OVERLAP", 2)


def listed(engine, call=CALL, **more):
    pages = list(Look(VM, call, View(), **more).pages(Shell(engine)))
    return [int(row["ID"]) for page in pages for row in page], pages


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 18, 19, 35])
def test_every_object_comes_once(count):
    ids, pages = listed(Engine(range(count)))
    assert ids == list(range(count))[::-1]
    assert all(len(page) <= 10 for page in pages)


@pytest.mark.parametrize("new", [1, 7, 8, 9, 25])
def test_what_comes_meanwhile_shifts_the_pages_and_nothing_comes_twice(new):
    engine = Engine(range(30))
    engine.happens = {1: lambda: engine.ids.update(range(30, 30 + new))}
    ids, _ = listed(engine)
    assert [one for one in ids if one < 30] == list(range(30))[::-1]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("gone", [range(29, 27, -1), range(29, 22, -1), range(29, 19, -1), range(29, 10, -1)])
def test_what_goes_meanwhile_shifts_the_pages_and_nothing_is_left_out(gone):
    engine = Engine(range(30))
    engine.happens = {1: lambda: engine.ids.difference_update(gone)}
    ids, _ = listed(engine)
    assert sorted({*ids, *gone}) == list(range(30))
    assert len(ids) == len(set(ids))


def test_everything_may_go_meanwhile():
    engine = Engine(range(30))
    engine.happens = {1: engine.ids.clear}
    assert listed(engine)[0] == list(range(29, 19, -1))


def test_a_method_without_pages_is_asked_once():
    engine = Engine(range(3))
    call = ("one.hostpool.info",)
    pages = list(Look(HOST._replace(element="VM"), call, View()).pages(Shell(engine)))
    assert [len(page) for page in pages] == [3]
    assert engine.calls == [()]


def test_an_engine_that_knows_no_pages_is_asked_once():
    class Old(Engine):
        def call(self, method, *args):
            return super().call(method, args[0])

    engine = Old(range(25))
    assert len(listed(engine)[0]) == 25
    assert len(engine.calls) == 1


@pytest.mark.parametrize("form", ["--json", "--csv", "--xml", "--yaml"])
def test_a_long_list_comes_in_one_piece(fake, type_in, form):
    fake.vms = {vm_id: vm_xml(vm_id, f"web{vm_id}") for vm_id in range(25)}
    shown = type_in("onevm", "list", form, "-l", "NAME").stdout
    assert [n for n in range(24, -1, -1) if f"web{n}" in shown] == list(range(24, -1, -1))
    assert len(fake.called("one.vmpool.info")) == 3
    if form == "--json":
        assert [vm["ID"] for vm in json.loads(shown)["VM_POOL"]["VM"]] == [str(n) for n in range(24, -1, -1)]
