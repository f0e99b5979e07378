"""onevm monitoring, onehost monitoring and top: charts for people, data for programs."""

import csv
import io
import json

import pytest

from tests.cli.fake_engine import FIRST_PAGE, Refusal, host_xml, vm_xml
from trifid.cli.shell import Shell

NOW = 1_000_000_000


@pytest.fixture
def measured(fake, monkeypatch):
    """A VM and a host that were measured every 30 s for an hour."""
    monkeypatch.setattr(Shell, "now", lambda self: NOW)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("COLUMNS", "100")
    fake.vms[3] = vm_xml(3, "web")
    fake.hosts[1] = host_xml(1, "node1")
    asked = []

    def tell(figures):
        def method(object_id, resolution_s, seconds):
            asked.append((object_id, resolution_s, seconds))
            step_s = resolution_s or 30
            moments = range(NOW - seconds + step_s, NOW + 1, step_s)
            samples = [{"at": at, "count": max(1, resolution_s // 30), "figures": figures(at)} for at in moments]
            return json.dumps({"kind": "VM", "id": object_id, "resolution_s": resolution_s, "samples": samples})

        return method

    fake.methods["trifid.vm.monitoring"] = tell(
        lambda at: {"CPU": 25.5, "MEMORY": 65536, "NETRX": (at - NOW + 10**6) * 2048, "OWN": 7}
    )
    fake.methods["trifid.host.monitoring"] = tell(lambda at: {"USED_CPU": 100, "FREE_CPU": 300, "USED_MEMORY": 1024})
    return asked


def test_a_chart_tells_figures_with_their_units(measured, type_in):
    out = type_in("onevm", "monitoring", "web").stdout
    assert "VM 3 MONITORING" in out
    assert "CPU: now 25.5 %, mean 25.5 %, most 25.5 %" in out
    assert "MEMORY: now 64M, mean 64M, most 64M" in out
    assert "NETRX, growth each second: now 2KB/s" in out
    assert "OWN" not in out
    assert "120 samples, as measured, the last of" in out
    assert "    25.5 % │" + "█" * 88 in out
    assert max(map(len, out.splitlines())) <= 100


def test_figures_of_own_probes_are_drawn_when_asked_for(measured, type_in):
    out = type_in("onevm", "monitoring", "3", "-l", "own").stdout
    assert "OWN: now 7, mean 7, most 7" in out
    assert "CPU" not in out


def test_a_figure_that_is_not_told_is_an_error_with_those_there_are(measured, type_in):
    result = type_in("onevm", "monitoring", "3", "-l", "SPEED")
    assert result.exit_code != 0
    assert "there is no figure SPEED" in result.stderr
    assert "CPU, MEMORY, NETRX, OWN" in result.stderr


@pytest.mark.parametrize(
    ("words", "resolution_s", "seconds"),
    [
        ((), 0, 3600),
        (("--since", "4h"), 0, 14400),
        (("--since", "5h"), 300, 18000),
        (("--since", "7d"), 3600, 7 * 86400),
        (("--since", "90m", "--average", "5m"), 300, 5400),
        (("--since", "7d", "--average", "raw"), 0, 7 * 86400),
    ],
)
def test_the_time_chooses_the_average_unless_it_is_said(measured, type_in, words, resolution_s, seconds):
    assert type_in("onehost", "monitoring", "1", *words).exit_code == 0
    assert measured == [(1, resolution_s, seconds)]


@pytest.mark.parametrize("word", ["1", "0h", "h", "-1h", "1w", "٣h"])
def test_what_is_no_length_of_time_is_refused(measured, type_in, word):
    result = type_in("onevm", "monitoring", "3", f"--since={word}")
    assert result.exit_code != 0
    assert "is not a length of time" in result.stderr
    assert measured == []


def test_json_has_all_figures(measured, type_in):
    told = json.loads(type_in("onevm", "monitoring", "3", "-j").stdout)
    assert (told["id"], told["resolution_s"], len(told["samples"])) == (3, 0, 120)
    assert told["samples"][-1]["figures"]["OWN"] == 7


def test_csv_has_a_line_for_each_sample(measured, type_in):
    rows = list(csv.DictReader(io.StringIO(type_in("onevm", "monitoring", "3", "--csv", "-l", "CPU,OWN").stdout)))
    assert len(rows) == 120
    assert rows[-1] == {"ID": "3", "TIMESTAMP": str(NOW), "COUNT": "1", "CPU": "25.5", "OWN": "7"}


def test_json_and_csv_do_not_go_together(measured, type_in):
    assert "--json and --csv cannot be together" in type_in("onevm", "monitoring", "3", "--csv", "-j").stderr


def test_nothing_measured_is_told(measured, fake, type_in):
    fake.methods["trifid.vm.monitoring"] = lambda *_: json.dumps({"samples": []})
    assert "nothing was measured in this time" in type_in("onevm", "monitoring", "3").stdout


def test_what_began_lately_is_drawn_as_measured_although_a_week_was_asked_for(measured, fake, type_in):
    of_all = fake.methods["trifid.vm.monitoring"]
    fake.methods["trifid.vm.monitoring"] = lambda vm_id, resolution_s, seconds: (
        json.dumps({"samples": []}) if resolution_s else of_all(vm_id, resolution_s, 3600)
    )
    assert "120 samples, as measured" in type_in("onevm", "monitoring", "3", "--since", "7d").stdout
    assert json.loads(type_in("onevm", "monitoring", "3", "--since", "7d", "-j").stdout)["resolution_s"] == 0


def test_averages_that_are_not_there_are_told_with_where_to_look(measured, fake, type_in):
    fake.methods["trifid.vm.monitoring"] = lambda *_: json.dumps({"samples": []})
    out = type_in("onevm", "monitoring", "3", "--average", "1h").stdout
    assert "no averages of 60 min in this time; --average raw tells what was measured" in out


def test_a_refusal_is_told(measured, fake, type_in):
    def refuse(*_):
        raise Refusal("[trifid.vm.monitoring] samples are not kept: see the engine's log", 0x0800, -1)

    fake.methods["trifid.vm.monitoring"] = refuse
    result = type_in("onevm", "monitoring", "3")
    assert result.exit_code != 0
    assert "samples are not kept" in result.stderr


# -- top -------------------------------------------------------------------------------------------


def test_top_looks_once_where_no_terminal_is(measured, fake, type_in):
    out = type_in("onevm", "top").stdout
    assert out.count("UCPU") == 1
    assert fake.calls == [("one.vmpool.info", -2, *FIRST_PAGE, -1)]


def test_top_looks_as_often_as_asked(measured, type_in, monkeypatch):
    slept = []
    monkeypatch.setattr(Shell, "sleep", lambda self, seconds: slept.append(seconds))
    assert type_in("onehost", "top", "-n", "3", "-d", "5").stdout.count("TCPU") == 3
    assert slept == [5.0, 5.0]


def test_top_shows_the_busiest_first_unless_told_otherwise(measured, fake, type_in):
    for vm_id, load in ((4, 10), (5, 90), (6, 50)):
        fake.vms[vm_id] = vm_xml(vm_id, f"vm{vm_id}", monitoring={"CPU": load})
    del fake.vms[3]
    column = ("-l", "ID", "--no-header")
    assert type_in("onevm", "top", *column).stdout.split() == ["5", "6", "4"]
    assert type_in("onevm", "top", "-o", "-UCPU", *column).stdout.split() == ["4", "6", "5"]


def sample(vm_id: int, at: int, **figures: int) -> str:
    told = "".join(f"<{name}>{value}</{name}>" for name, value in figures.items())
    return f"<MONITORING><ID>{vm_id}</ID>{told}<TIMESTAMP>{at}</TIMESTAMP></MONITORING>"


def test_columns_of_growth_ask_once_and_only_when_they_are_shown(measured, fake, type_in):
    fake.vms[4] = vm_xml(4, "db")
    fake.vms[5] = vm_xml(5, "new")
    samples = [
        sample(3, NOW - 60, NETRX=0),
        sample(3, NOW - 30, NETRX=1000),
        sample(3, NOW, NETRX=1000 + 30 * 2048, NETTX=7),
        sample(4, NOW - 30, NETRX=10**9, NETTX=0),
        sample(4, NOW, NETRX=5, NETTX=30 * 512),
        sample(5, NOW, NETRX=10**9),
    ]
    fake.methods["one.vmpool.monitoring"] = lambda *_: f"<MONITORING_DATA>{''.join(samples)}</MONITORING_DATA>"
    out = type_in("onevm", "top", "-l", "ID,RX,TX", "-o", "RX,TX", "--csv", "--no-header").stdout
    assert out.splitlines() == ["3,2K,0K", "4,0K,0.5K", "5,0K,0K"]
    assert [call[0] for call in fake.calls] == ["one.vmpool.info", "one.vmpool.monitoring"]
    type_in("onevm", "list")
    assert [call[0] for call in fake.calls].count("one.vmpool.monitoring") == 1


def test_show_draws_the_last_hour_on_a_terminal_only(measured, fake, type_in, monkeypatch):
    from trifid.cli import monitoring_shown

    fake.vms[3] = vm_xml(3, "web", monitoring={"CPU": 25.5, "MEMORY": 65536})
    assert "last hour" not in type_in("onevm", "show", "3").stdout
    assert measured == []
    monkeypatch.setattr(monitoring_shown, "_can_draw", lambda: True)
    out = type_in("onevm", "show", "3").stdout
    assert f"CPU                 : 25.5 % of a core     {'█' * 40} last hour" in out

    def refuse(*_):
        raise Refusal("[trifid.vm.monitoring] samples are not kept", 0x0800, -1)

    fake.methods["trifid.vm.monitoring"] = refuse
    shown = type_in("onevm", "show", "3")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "25.5 % of a core" in shown.stdout


def test_top_as_json_is_the_engines_document(measured, type_in):
    assert json.loads(type_in("onehost", "top", "-j").stdout)["HOST_POOL"]["HOST"][0]["NAME"] == "node1"


def test_on_a_terminal_a_list_is_written_over_the_one_before_and_cut_to_the_height():
    from trifid.cli.listing import _in_place

    text = _in_place("\n".join(f"line{n}" for n in range(10)), 6)
    assert text.startswith("\x1b[H")
    assert "line3\x1b[K\n… 6 more\x1b[K\n" in text
    assert text.endswith("\x1b[J")
    assert "more" not in _in_place("a\nb", 6)
