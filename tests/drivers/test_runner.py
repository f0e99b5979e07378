"""The loop that runs probes: on this machine, and on one that has nothing but busybox."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.drivers.probe_builders import Fixed, of, probe, run_here, watched
from trifid.drivers.im.host_probes import VmName
from trifid.drivers.im.probes import Kind
from trifid.drivers.im.runner import FRAME_BYTES_MAX, Openings, Runner, Told
from trifid.drivers.kit import Failure
from trifid.drivers.remote.channel import PROGRAM
from trifid.drivers.remote.faults import ConnectionLost
from trifid.drivers.remote.host import Host

LOOP = '"$(cut -d " " -f 4 /proc/$PPID/stat)"'
"""In a probe: the process of the loop that runs it."""
VMS = (VmName(12, "one-12", "uuid-12"), VmName(13, "one-13", "uuid-13"))


@pytest.fixture(params=["this machine", "busybox"])
def programs(request: pytest.FixtureRequest, busybox: Path) -> Path | None:
    """Where the programs of the host are; None: all of this machine's."""
    return busybox if request.param == "busybox" else None


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory in which the loop makes its own."""
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return place


def is_running(pid: int) -> bool:
    """Tell whether a process is there and not merely waiting to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_names_that_begin_with_monitor_are_measures(tmp_path: Path, programs: Path | None) -> None:
    probed = run_here(
        [of(probe(tmp_path, "monitor-heat", "echo HEAT=40")), of(probe(tmp_path, "rack", "echo RACK=7"))], path=programs
    )
    assert (probed.monitor, probed.system) == ((("HEAT", "40"),), (("RACK", "7"),))


def test_one_that_fails_does_not_fail_the_others(tmp_path: Path, programs: Path | None) -> None:
    texts = {
        "system-bad": "echo A=1; echo disk on fire >&2; exit 2",
        "system-garbage": "echo hello world",
        "system-good": """echo 'RACK="7 b"'; echo 'SHELF = [ ROW = 3 ]'""",
        "system-hangs": f"echo $$ >{tmp_path}/pid; exec sleep 600",
        "system-large": "while :; do echo A=0123456789012345678901234567890123456789; done",
    }
    missing = tmp_path / "system-odd"
    missing.write_text("#!/no/such/program\n")
    probes = [of(probe(tmp_path, name, text)) for name, text in texts.items()]
    probed = run_here([*probes, of(missing)], path=programs, limit_s=1)
    assert probed.system == (("RACK", "7 b"), ("SHELF", {"ROW": "3"}))
    told = dict(trouble.split(": ", 1) for trouble in probed.troubles)
    assert set(told) == {f"probe {name}" for name in (*texts, "system-odd") if name != "system-good"}
    assert told["probe system-bad"] == "exit status 2: disk on fire"
    assert told["probe system-garbage"].startswith("printed no NAME=VALUE lines: ")
    assert told["probe system-hangs"] == "not done after 1 s, and was ended"
    assert told["probe system-large"] == "printed more than 1 MiB, and was ended"
    assert told["probe system-odd"].startswith("cannot be run: ")
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_what_a_hanging_probe_started_ends_with_it(tmp_path: Path) -> None:
    good = probe(tmp_path, "system-good", "echo A=1")
    hangs = probe(tmp_path, "system-hangs", f"sleep 600 & echo $! >{tmp_path}/child; wait")
    run_here([of(good), of(hangs)], limit_s=0.5)
    assert not is_running(int((tmp_path / "child").read_text()))


def test_a_probe_that_makes_light_of_its_limit_is_still_too_large(tmp_path: Path) -> None:
    good = probe(tmp_path, "system-good", "echo A=1")
    large = tmp_path / "system-large"
    large.write_text(
        f"#!{sys.executable}\nimport os, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "try:\n    while True: os.write(1, b'x' * 100000)\nexcept OSError: pass\n"
    )
    probed = run_here([of(good), of(large)])
    assert probed.troubles == ("probe system-large: printed more than 1 MiB, and was ended",)


def test_a_program_of_any_language_is_run(tmp_path: Path, programs: Path | None) -> None:
    script = tmp_path / "python"
    script.write_text(f"#!{sys.executable}\nprint('LANGUAGE=Python')\n")
    binary = tmp_path / "binary"
    binary.write_bytes(Path("/bin/echo").read_bytes())
    echo = of(binary)
    assert b"\0" in echo.content
    probed = run_here([of(script), of(probe(tmp_path, "none", "exit 0"))], path=programs)
    assert dict(probed.system) == {"LANGUAGE": "Python"}
    assert run_here([echo], path=programs).troubles == ()


def test_a_script_arrives_byte_for_byte(tmp_path: Path, programs: Path | None) -> None:
    odd = of(
        probe(
            tmp_path,
            "odd",
            "printf 'A=\"%s\"' '\\n $HOME `x` ä \\  \t'  # \udcff".encode("utf-8", "surrogateescape").decode(
                "utf-8", "replace"
            ),
        )
    )
    assert dict(run_here([odd], path=programs).system) == {"A": "\\n $HOME `x` ä \\  \t"}


def test_probes_are_told_where_datastores_are_and_which_devices_are_offered(
    tmp_path: Path, programs: Path | None
) -> None:
    text = """echo "TOLD=\\"$(sh -c 'echo $DATASTORE_LOCATION $PCI_FILTER')\\"" """
    told = Told("/srv/it's $HOME", "10de:*")
    probed = run_here([of(probe(tmp_path, "monitor-told", text))], told, programs)
    assert probed.monitor == (("TOLD", "/srv/it's $HOME 10de:*"),)


def test_a_probe_may_keep_something_until_its_next_run(tmp_path: Path) -> None:
    text = 'n=0; [ ! -e "$TRIFID_PROBE_STATE" ] || read -r n <"$TRIFID_PROBE_STATE"; echo $((n + 1)) '
    counts = of(probe(tmp_path, "monitor-n", f'{text} | tee "$TRIFID_PROBE_STATE" | sed s/^/N=/'))
    with watched(Fixed([counts])) as host:
        assert [dict(host.run().monitor)["N"] for _ in range(3)] == ["1", "2", "3"]


def test_what_the_host_is_is_asked_once_and_when_a_probe_changes(tmp_path: Path) -> None:
    shelf = Fixed([of(probe(tmp_path, "rack", "echo RACK=7")), of(probe(tmp_path, "monitor-a", "echo A=1"))])
    with watched(shelf) as host:
        told = [host.run(), host.run()]
        shelf.probes[0] = of(probe(tmp_path, "rack", "echo RACK=8"))
        told.append(host.run())
    assert [one.is_described for one in told] == [True, False, True]
    assert [dict(one.system)["RACK"] for one in told] == ["7", "7", "8"]


def test_a_probe_that_was_cleaned_away_is_put_there_again(tmp_path: Path, temporary: Path) -> None:
    with watched(Fixed([of(probe(tmp_path, "monitor-a", "echo A=1"))])) as host:
        host.run()
        (there,) = temporary.glob("trifid-watch.*/own/monitor-a")
        there.unlink()
        assert host.run().monitor == (("A", "1"),)


def test_a_directory_that_was_cleaned_away_is_made_again(tmp_path: Path, temporary: Path) -> None:
    with watched(Fixed([of(probe(tmp_path, "monitor-a", "echo A=1"))])) as host:
        host.run()
        subprocess.run(["rm", "-rf", *map(str, temporary.iterdir())], check=True)
        assert host.run().monitor == (("A", "1"),)


def test_a_slow_probe_is_not_waited_for_twice(tmp_path: Path, programs: Path | None) -> None:
    hangs = of(probe(tmp_path, "monitor-hangs", f"echo $$ >>{tmp_path}/pids; exec sleep 600"))
    with watched(Fixed([hangs, of(probe(tmp_path, "monitor-a", "echo A=1"))]), path=programs, limit_s=1) as host:
        trouble = ("probe monitor-hangs: not done after 1 s, and was ended",)
        assert host.run().troubles == trouble
        for _ in range(5):  # at once each: it is at work all the time, and its trouble stands
            probed = host.run()
            assert (probed.monitor, probed.troubles) == ((("A", "1"),), trouble)
    assert len((tmp_path / "pids").read_text().split()) == 2, "one at a time"


def test_a_slow_probe_is_told_with_the_next_report(tmp_path: Path, programs: Path | None) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    text = f'[ ! -e {tmp_path}/second ] || read -r said <{gate}; echo B=${{said:-first}}; [ -n "$said" ] || sleep 600'
    slow = of(probe(tmp_path, "monitor-slow", text))
    with watched(Fixed([slow, of(probe(tmp_path, "monitor-a", "echo A=1"))]), path=programs, limit_s=2) as host:
        assert host.run().troubles
        (tmp_path / "second").touch()
        host.run()
        gate.write_text("later\n")
        found = ()
        while ("B", "later") not in found:
            found = host.run().monitor


def test_probes_of_vms_read_which_there_are_and_say_of_each(tmp_path: Path, programs: Path | None) -> None:
    text = (
        """while read -r id name uuid; do echo "VM=[ID=$id, NAMED=$name, UUIDED=$uuid]"; done; echo 'VM=[ID=99,A=1]'"""
    )
    probes = [of(probe(tmp_path, "rack", "echo RACK=7")), of(probe(tmp_path, "backups", text), Kind.VM)]
    probed = run_here(probes, path=programs, vms=VMS)
    assert probed.vms == {
        12: {"NAMED": "one-12", "UUIDED": "uuid-12"},
        13: {"NAMED": "one-13", "UUIDED": "uuid-13"},
    }, "and nothing of a VM that is not on the host"
    assert run_here(probes).vms == {}


def test_a_probe_of_vms_that_speaks_of_none_is_told(tmp_path: Path) -> None:
    probes = [of(probe(tmp_path, "rack", "echo RACK=7")), of(probe(tmp_path, "wrong", "echo CPU=7"), Kind.VM)]
    assert run_here(probes, vms=VMS).troubles == ("probe wrong: printed no VM=[ID=…, KEY=VALUE]",)


# -- what is left behind -----------------------------------------------------------------------------


def test_nothing_is_left_when_the_watch_ends(tmp_path: Path, temporary: Path, programs: Path | None) -> None:
    with watched(Fixed([of(probe(tmp_path, "monitor-a", "echo A=1"))]), path=programs) as host:
        host.run()
        (there,) = temporary.iterdir()
        assert there.stat().st_mode & 0o777 == 0o700
    assert list(temporary.iterdir()) == []


def test_what_a_killed_loop_left_is_removed_by_a_later_one(
    tmp_path: Path, temporary: Path, programs: Path | None
) -> None:
    a = of(probe(tmp_path, "monitor-a", "echo A=1"))
    yesterday = time.time() - 2 * 86400
    with watched(Fixed([a])) as living:
        living.run()
        (used,) = temporary.iterdir()
        os.utime(used, (yesterday, yesterday))
        for name in ("new", "old", "at-work"):
            (temporary / f"trifid-watch.{name}").mkdir()
            (temporary / f"trifid-watch.{name}" / "alive").touch()
        old = temporary / "trifid-watch.old"
        os.utime(old / "alive", (yesterday, yesterday))
        for place in (old, temporary / "trifid-watch.at-work"):
            os.utime(place, (yesterday, yesterday))
        (temporary / "trifid-watch.link").symlink_to(tmp_path)
        run_here([a], path=programs)
        left = {place.name.removeprefix("trifid-watch.") for place in temporary.iterdir()}
        assert left == {used.name.removeprefix("trifid-watch."), "new", "at-work", "link"}
        assert living.run().monitor == (("A", "1"),)


# -- hosts that do not do what they should -----------------------------------------------------------


def loop_of(program: str, limit_s: float = 10.0) -> Runner:
    """Return the way to a host that runs this in the place of a shell."""
    return Runner(Host("odd", ["sh", "-c", program]), Told(), Openings(), limit_s=limit_s)


def test_a_host_that_prints_without_end_is_given_up() -> None:
    with pytest.raises(Failure, match="odd prints more than 1 MiB without an end: look what its login shell does"):
        loop_of("exec yes garbage").open()


def test_a_loop_that_prints_without_end_is_given_up(tmp_path: Path) -> None:
    raves = of(probe(tmp_path, "monitor-a", f"exec yes garbage >/proc/{LOOP}/fd/1"))
    with watched(Fixed([raves])) as host, pytest.raises(Failure, match="without an end") as caught:
        host.run()
    assert int(re.findall(r"\d+", str(caught.value))[0]) < 2 * FRAME_BYTES_MAX


def test_a_host_that_ends_at_once_says_why() -> None:
    with pytest.raises(ConnectionLost, match="odd is not reached: no route to host"):
        loop_of("echo no route to host >&2; exit 255").open()


def test_a_host_that_lacks_a_program_says_which(tmp_path: Path) -> None:
    for name in ("sh", "mktemp", "env"):
        (tmp_path / name).symlink_to(Path("/bin") / name)
    host = Host("poor", ["env", f"PATH={tmp_path}", "sh", "-c", PROGRAM.replace("PATH=$PATH:/usr/sbin:/sbin", "")])
    with pytest.raises(Failure, match="probes cannot be run on host poor: it has no base64, which probes need"):
        Runner(host, Told(), Openings()).open()


def test_a_host_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trifid.drivers.im.runner.OPEN_LIMIT_S", 0.5)
    with pytest.raises(Failure, match="host odd is silent: nothing came in time while its session opens"):
        loop_of("exec sleep 600").open()


def test_a_host_whose_loop_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trifid.drivers.im.runner.SILENT_S", 0.2)
    stops = of(probe(tmp_path, "monitor-a", f"kill -STOP {LOOP}"))
    silent = "host localhost is silent: nothing came in time while probe monitor-a runs"
    with watched(Fixed([stops]), limit_s=1) as host, pytest.raises(Failure, match=silent):
        host.run()


def test_a_connection_that_was_lost_meanwhile_is_made_again(tmp_path: Path) -> None:
    with watched(Fixed([of(probe(tmp_path, "monitor-a", f"echo LOOP={LOOP}"))])) as host:
        loops = []
        for _ in range(2):
            loops.append(str(dict(host.run().monitor)["LOOP"]))
            os.kill(int(loops[-1]), signal.SIGKILL)
        assert loops[0] != loops[1]


def test_what_is_stopped_waits_no_longer() -> None:
    with pytest.raises(Failure, match="not wanted any more"):
        Runner(Host("odd", ["sleep", "600"]), Told(), Openings(), lambda: True).open()


def test_openings_that_take_long_make_place_for_others() -> None:
    openings = Openings(most=1)
    leave = openings.enter(lambda: None)
    with pytest.raises(Failure, match="still full"):
        openings.enter(lambda: (_ for _ in ()).throw(Failure("still full")))
    leave()
    leave()  # once only
    second = openings.enter(lambda: None)
    with pytest.raises(Failure, match="still full"):
        openings.enter(lambda: (_ for _ in ()).throw(Failure("still full")))
    second()
