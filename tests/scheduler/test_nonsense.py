"""An engine that answers nonsense is waited for like one that is away."""

import logging

import pytest

from tests.scheduler.builders import Engine
from trifid.scheduler.loop import Loop


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("one_vmpool_info", "<VM_POOL><VM>"),
        ("trifid_host_changes", "not a document"),
        ("trifid_host_changes", "<HOST_CHANGES><READ>1</READ></HOST_CHANGES>"),
        ("trifid_host_changes", "<HOST_CHANGES><READ>1</READ><IDS>2 x</IDS></HOST_CHANGES>"),
        ("trifid_host_changes", "<HOST_CHANGES><READ>1</READ><IDS>77</IDS></HOST_CHANGES>"),
        ("trifid_vm_place_all", "[]"),
        ("trifid_vm_place_all", '[{"code": "x"}]'),
        ("one_datastorepool_info", "<DATASTORE_POOL>"),
        ("trifid_event_list", "not json"),
        ("trifid_event_list", '{"events": []}'),
        ("trifid_event_list", 7),
    ],
)
def test_nonsense_is_an_outage_with_a_line_in_the_log(method, answer, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "trifid.scheduler")
    engine = Engine()
    engine.pending, engine.hosts = {4: {}}, {2: {}}
    scheduler = Loop(engine, policy="striping", interval_s=30, clock=engine.clock, sleep=engine.sleep, now=engine.clock)
    with monkeypatch.context() as patch:
        patch.setattr(engine, method, lambda *_: answer)
        scheduler.round()
        scheduler.round()
    said = [record.getMessage() for record in caplog.records]
    assert sum(text.startswith("cannot schedule: ") for text in said) == 1
    scheduler.round()
    assert engine.running == {} and not engine.pending
    assert "engine is back" in caplog.text
