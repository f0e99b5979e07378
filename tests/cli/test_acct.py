"""oneacct and oneshowback, typed against a small engine."""

import csv
import io
import json
import time

import pytest

from tests.cli.fake_engine import user_xml

STAY = (
    "<HISTORY><OID>{oid}</OID><SEQ>0</SEQ><HOSTNAME>node1</HOSTNAME><HID>3</HID><CID>0</CID><STIME>1000</STIME>"
    "<ETIME>{etime}</ETIME><ACTION>27</ACTION><VM><ID>{oid}</ID><UID>5</UID><GID>{gid}</GID><UNAME>alice</UNAME>"
    "<GNAME>users</GNAME><NAME>web</NAME><MONITORING><NETRX>2048</NETRX></MONITORING>"
    "<TEMPLATE><CPU>0.5</CPU><MEMORY>64</MEMORY><DISK><SIZE>10</SIZE></DISK><DISK><SIZE>20</SIZE></DISK></TEMPLATE>"
    "</VM></HISTORY>"
)
COST = (
    "<SHOWBACK><VMID>7</VMID><VMNAME>web</VMNAME><UID>5</UID><GID>1</GID><UNAME>alice</UNAME><GNAME>users</GNAME>"
    "<YEAR>2026</YEAR><MONTH>11</MONTH><CPU_COST>1.5</CPU_COST><MEMORY_COST>2</MEMORY_COST><DISK_COST>0</DISK_COST>"
    "<TOTAL_COST>3.5</TOTAL_COST><HOURS>10.25</HOURS><RHOURS>9</RHOURS></SHOWBACK>"
)


@pytest.fixture(autouse=True)
def _records(fake):
    fake.users[5] = user_xml(5, "alice", 1, "users")
    stays = STAY.format(oid=7, etime=4600, gid=1) + STAY.format(oid=8, etime=0, gid=100)
    fake.answers("one.vmpool.accounting", f"<HISTORY_RECORDS>{stays}</HISTORY_RECORDS>")
    fake.answers("one.vmpool.showback", f"<SHOWBACK_RECORDS>{COST}</SHOWBACK_RECORDS>")
    fake.answers("one.vmpool.calculateshowback", " ")


def table(result):
    return [line.split() for line in result.stdout.splitlines()]


def test_stays_are_listed_with_what_their_vms_had(fake, type_in):
    header, first, second = table(type_in("oneacct"))
    assert header == ["VID", "HOSTNAME", "ACTION", "START_TIME", "END_TIME", "MEMORY", "CPU", "NETRX", "NETTX", "DISK"]
    assert first[:3] == ["7", "node1", "terminate"]
    assert first[-5:] == ["64M", "0.5", "2K", "0K", "30M"]
    assert second[-6] == "-"
    assert fake.called("one.vmpool.accounting") == [[-2, 0, -1]]


def test_hours_are_counted_up_to_the_end_of_the_stay(type_in):
    assert table(type_in("oneacct", "list", "-l", "VID,HOURS", "-f", "VID=7"))[1] == ["7", "1.00"]


def test_a_span_of_time_a_user_and_a_group_are_asked_for(fake, type_in):
    words = ["-s", "2026/11/01", "-e", "2026-11-02 12:30", "-u", "alice", "-g", "1"]
    lines = table(type_in("oneacct", *words))
    assert [line[0] for line in lines] == ["VID", "7"]
    ((flag, start, end),) = fake.called("one.vmpool.accounting")
    assert flag == 5
    assert time.strftime("%Y-%m-%d %H:%M", time.localtime(start)) == "2026-11-01 00:00"
    assert time.strftime("%Y-%m-%d %H:%M", time.localtime(end)) == "2026-11-02 12:30"


def test_a_host_is_asked_for(type_in):
    assert len(table(type_in("oneacct", "-H", "3"))) == 3
    assert len(table(type_in("oneacct", "-H", "4"))) == 1


def test_each_vm_may_have_a_table_of_its_own(type_in):
    shown = type_in("oneacct", "--split").stdout
    assert shown.startswith("VM 7 web of alice\n")
    assert shown.count("VID") == 2


def test_records_come_as_data_and_as_comma_separated_values(type_in):
    assert len(json.loads(type_in("oneacct", "-j").stdout)["HISTORY_RECORDS"]["HISTORY"]) == 2
    (row, _) = csv.DictReader(io.StringIO(type_in("oneacct", "--csv", "-k").stdout))
    assert (row["VID"], row["MEMORY"]) == ("7", "65536")


@pytest.mark.parametrize("word", ["yesterday", "2026/13/01", "2026/02/30", "11/26 25:00"])
def test_what_is_no_time_is_told(fake, type_in, word):
    result = type_in("oneacct", "-s", word)
    assert result.exit_code == 255
    assert f"{word} is no time" in result.stderr
    assert not fake.called("one.vmpool.accounting")


def test_costs_are_listed(fake, type_in):
    header, row = table(type_in("oneshowback", "list", "-s", "11/2026", "-e", "12/2026"))
    assert dict(zip(header, row, strict=True))["TOTAL_COST"] == "3.50"
    assert fake.called("one.vmpool.showback") == [[-2, 11, 2026, 12, 2026]]


def test_costs_of_all_months_are_listed_unless_some_are_asked_for(fake, type_in):
    type_in("oneshowback", "list")
    assert fake.called("one.vmpool.showback") == [[-2, 1, 1970, -1, -1]]


def test_costs_are_calculated_when_clients_want_that(fake, type_in):
    assert type_in("oneshowback", "calculate", "-s", "2026/11").exit_code == 0
    assert fake.called("one.vmpool.calculateshowback") == [[11, 2026, -1, -1]]


def test_what_is_no_month_is_told(type_in):
    assert "13/2026 is no month" in type_in("oneshowback", "list", "-s", "13/2026").stderr


def test_a_program_whose_command_is_meant_when_none_is_named_has_its_own_help(type_in):
    assert type_in("oneacct", "--help").stdout.startswith("Usage: oneacct [OPTIONS] COMMAND")
    assert type_in("oneacct", "--version").stdout.startswith("Trifid")
    assert "START_TIME" in type_in("oneacct", "--list-columns").stdout
    assert "TOTAL_COST" in type_in("oneshowback", "list", "--list-columns").stdout
