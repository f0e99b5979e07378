"""onevm on a VM's life: devices, snapshots, sizes, locks, and actions later."""

import datetime

import pytest

from tests.cli.fake_engine import Refusal, host_xml, vm_xml
from tests.cli.test_vm import events

FS_DISK = 'DISK = [ TYPE = "fs", SIZE = "2048" ]'
NIC_WITH_IP = 'NIC = [ NETWORK_ID = "3", IP = "10.0.0.9" ]'
SCHEDULE = (
    "<SCHED_ACTION><ID>7</ID><PARENT_ID>0</PARENT_ID><TYPE>VM</TYPE><ACTION>snapshot-create</ACTION><ARGS>nightly</ARGS>"
    "<TIME>1900000000</TIME><REPEAT>0</REPEAT><DAYS>1,5</DAYS><END_TYPE>-1</END_TYPE><END_VALUE>-1</END_VALUE>"
    "<DONE>1000</DONE><MESSAGE>no room</MESSAGE><WARNING>-1</WARNING></SCHED_ACTION>"
)


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["stop", "0"], ["one.vm.action", "stop", 0]),
        (["suspend", "0"], ["one.vm.action", "suspend", 0]),
        (["undeploy", "0"], ["one.vm.action", "undeploy", 0]),
        (["undeploy", "--hard", "0"], ["one.vm.action", "undeploy-hard", 0]),
        (["restart", "0"], ["one.vm.action", "resume", 0]),
        (["boot", "0"], ["one.vm.action", "resume", 0]),
        (["reset", "0"], ["one.vm.action", "reboot-hard", 0]),
        (["resubmit", "0"], ["one.vm.recover", 0, 4]),
        (["recover", "--recreate", "0"], ["one.vm.recover", 0, 4]),
        (["migrate", "--poff", "0", "4"], ["one.vm.migrate", 0, 4, False, False, -1, 1]),
        (["migrate", "--poff-hard", "0", "4", "-e"], ["one.vm.migrate", 0, 4, False, True, -1, 2]),
        (["migrate", "--cancel", "0"], ["trifid.vm.migrate_cancel", 0]),
        (["disk-attach", "0", "--source", "/i"], ["one.vm.attach", 0, 'DISK = [ SOURCE = "/i" ]']),
        (["disk-attach", "0", "--image", "data"], ["one.vm.attach", 0, 'DISK = [ IMAGE = "data" ]']),
        (["disk-attach", "0", "-i", "3"], ["one.vm.attach", 0, 'DISK = [ IMAGE_ID = "3" ]']),
        (["disk-attach", "0", "--type", "fs", "--size", "2g"], ["one.vm.attach", 0, FS_DISK]),
        (["disk-detach", "0", "2"], ["one.vm.detach", 0, 2]),
        (["nic-attach", "0", "--network", "lan"], ["one.vm.attachnic", 0, 'NIC = [ NETWORK = "lan" ]']),
        (["nic-attach", "0", "-n", "3", "-i", "10.0.0.9"], ["one.vm.attachnic", 0, NIC_WITH_IP]),
        (["nic-attach", "0", "--network", "auto"], ["one.vm.attachnic", 0, 'NIC = [ NETWORK_MODE = "auto" ]']),
        (["nic-detach", "0", "1"], ["one.vm.detachnic", 0, 1]),
        (["snapshot-create", "0"], ["one.vm.snapshotcreate", 0, ""]),
        (["snapshot-create", "0", "clean"], ["one.vm.snapshotcreate", 0, "clean"]),
        (["snapshot-revert", "0", "1"], ["one.vm.snapshotrevert", 0, 1]),
        (["snapshot-delete", "0", "1"], ["one.vm.snapshotdelete", 0, 1]),
        (["disk-snapshot-create", "0", "2", "clean"], ["one.vm.disksnapshotcreate", 0, 2, "clean"]),
        (["disk-snapshot-revert", "0", "2", "1"], ["one.vm.disksnapshotrevert", 0, 2, 1]),
        (["disk-snapshot-delete", "0", "2", "1"], ["one.vm.disksnapshotdelete", 0, 2, 1]),
        (["disk-snapshot-rename", "0", "2", "1", "x"], ["one.vm.disksnapshotrename", 0, 2, 1, "x"]),
        (["disk-resize", "0", "2", "20g"], ["one.vm.diskresize", 0, 2, "20480"]),
        (["resize", "0", "--memory", "2g"], ["one.vm.resize", 0, 'MEMORY = "2048"', False]),
        (["resize", "0", "--cpu", "0.5", "--vcpu", "2", "-e"], ["one.vm.resize", 0, 'CPU = "0.5"\nVCPU = "2"', True]),
        (["lock", "0"], ["one.vm.lock", 0, 4, False]),
        (["lock", "0", "--use"], ["one.vm.lock", 0, 1, False]),
        (["lock", "0", "--manage"], ["one.vm.lock", 0, 2, False]),
        (["lock", "0", "--admin"], ["one.vm.lock", 0, 3, False]),
        (["unlock", "0"], ["one.vm.unlock", 0]),
        (["sched-delete", "0", "7"], ["one.vm.scheddelete", 0, 7]),
    ],
    ids=lambda value: " ".join(map(str, value)),
)  # fmt: skip
def test_a_command_is_one_call(fake, type_in, words, call):
    fake.vms[0] = vm_xml(0)
    fake.hosts[4] = host_xml(4, "host4")
    fake.answers(call[0], 0)
    result = type_in("onevm", *words)
    assert (result.exit_code, result.output) == (0, "")
    assert list(fake.calls[-1]) == call


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["disk-attach", "0"], "say what to attach"),
        (["nic-attach", "0", "--network", "a", "--file", "b"], "say what to attach"),
        (["disk-detach", "0", "vdb"], "vdb is not the id of a disk"),
        (["disk-resize", "0", "2", "20x"], "20x is not a size"),
        (["resize", "0"], "resize needs one of"),
        (["lock", "0", "--use", "--all"], "do not go together"),
        (["migrate", "0", "0", "--live", "--poff"], "do not go together"),
        (["migrate", "0"], "migrate needs a host"),
        (["migrate", "0", "0", "--cancel"], "--cancel takes neither a host nor another option"),
        (["migrate", "0", "--live", "--cancel"], "--cancel takes neither a host nor another option"),
        (["suspend", "0", "--schedule", "soon"], "soon is not a time"),
        (["suspend", "0", "--weekly", "1", "--monthly", "1"], "do not go together"),
        (["suspend", "0", "--end", "3"], "--end says when something that repeats ends"),
        (["suspend", "0", "--schedule", "now", "--wait"], "do not go together"),
        (["sched-delete", "0", "x"], "x is not the id of a scheduled action"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_is_told_before_anything_is_asked(fake, type_in, words, said):
    result = type_in("onevm", *words)
    assert result.exit_code == 255
    assert said in result.stderr
    assert [call for call in fake.calls if not call[0].endswith("pool.info")] == []


def test_ids_and_ranges_share_a_template_from_standard_input(fake, type_in):
    fake.answers("one.vm.attach", 0)
    assert type_in("onevm", "disk-attach", "1,3..4", "--file", "-", stdin="DISK=[X=1]").exit_code == 0
    assert fake.called("one.vm.attach") == [[vm_id, "DISK=[X=1]"] for vm_id in (1, 3, 4)]


def test_waiting_for_a_device_is_waiting_until_the_vm_is_where_it_was(fake, type_in):
    fake.vms[0] = vm_xml(0, state=8, lcm=0)
    fake.answers("one.vm.attachnic", 0)
    fake.answers("trifid.event.list", events(4), events(6, (0, "HOTPLUG_NIC_POWEROFF"), (0, "POWEROFF")))
    assert type_in("onevm", "nic-attach", "0", "--network", "lan", "--wait").exit_code == 0


def test_waiting_for_a_device_tells_why_the_driver_could_not(fake, type_in):
    documents = [vm_xml(0), vm_xml(0, user={"ERROR": "no bridge br0"})]
    fake.methods["one.vm.info"] = lambda _: documents.pop(0)
    fake.answers("one.vm.attachnic", 0)
    fake.answers("trifid.event.list", events(4), events(6, (0, "HOTPLUG_NIC"), (0, "RUNNING")))
    result = type_in("onevm", "nic-attach", "0", "--network", "lan", "--wait")
    assert result.exit_code == 255
    assert "VM 0: no bridge br0" in result.stderr


@pytest.mark.parametrize(("word", "state"), [("stop", "STOPPED"), ("suspend", "SUSPENDED"), ("undeploy", "UNDEPLOYED")])
def test_waiting_ends_in_the_state_that_the_action_leads_to(fake, type_in, word, state):
    fake.answers("one.vm.action", 0)
    fake.answers("trifid.event.list", events(4), events(6, (0, state)))
    assert type_in("onevm", word, "0", "--wait").exit_code == 0


class TestLater:
    """Actions that are scheduled."""

    def scheduled(self, fake, type_in, *words):
        fake.answers("one.vm.schedadd", 7)
        result = type_in("onevm", *words)
        assert result.exit_code == 0, result.output
        return result, fake.called("one.vm.schedadd")

    def test_an_action_at_a_date(self, fake, type_in):
        at = int(datetime.datetime(2030, 1, 31, 8, 0).timestamp())
        result, calls = self.scheduled(fake, type_in, "suspend", "3,5", "--schedule", "2030-01-31 08:00")
        assert calls == [[vm_id, f'SCHED_ACTION = [ ACTION = "suspend", TIME = "{at}" ]'] for vm_id in (3, 5)]
        assert result.stdout == "VM 3: suspend scheduled, ID: 7\nVM 5: suspend scheduled, ID: 7\n"

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            (["terminate", "3", "--hard", "--schedule", "+600"], 'ACTION = "terminate-hard", TIME = "+600"'),
            (
                ["snapshot-create", "3", "nightly", "--schedule", "9", "--weekly", "1,5", "--end", "4"],
                'ACTION = "snapshot-create", TIME = "9", ARGS = "nightly", REPEAT = "0", DAYS = "1,5", '
                'END_TYPE = "1", END_VALUE = "4"',
            ),
            (
                ["disk-snapshot-revert", "3", "0", "2", "--schedule", "9", "--hourly", "5", "--end", "1900000000"],
                'ACTION = "disk-snapshot-revert", TIME = "9", ARGS = "0,2", REPEAT = "3", DAYS = "5", '
                'END_TYPE = "2", END_VALUE = "1900000000"',
            ),
        ],
    )
    def test_arguments_repetitions_and_ends(self, fake, type_in, words, expected):
        _, calls = self.scheduled(fake, type_in, *words)
        assert calls == [[3, f"SCHED_ACTION = [ {expected} ]"]]

    def test_what_repeats_begins_now_unless_told(self, fake, type_in):
        _, calls = self.scheduled(fake, type_in, "poweroff", "3", "--monthly", "1")
        assert 'REPEAT = "1", DAYS = "1"' in calls[0][1]

    def test_one_that_is_refused_does_not_keep_the_others_from_it(self, fake, type_in):
        fake.answers("one.vm.schedadd", Refusal("[one.vm.schedadd] not for you", 0x0200, 3), 8)
        result = type_in("onevm", "stop", "3,5", "--schedule", "now")
        assert result.exit_code == 255
        assert result.stdout == "VM 5: stop scheduled, ID: 8\n"
        assert "not for you" in result.stderr

    def test_show_tells_them_with_their_outcome(self, fake, type_in):
        fake.vms[0] = vm_xml(0, nics=SCHEDULE).replace(
            "<MONITORING>", "<LOCK><LOCKED>2</LOCKED><OWNER>7</OWNER></LOCK><MONITORING>"
        )
        shown = type_in("onevm", "show", "0").stdout
        assert "SCHEDULED ACTIONS" in shown
        assert "7  snapshot-create nightly" in shown
        assert "weekly 1,5; failed" in shown and "no room" in shown
        assert "manage, by user 7" in shown

    def test_an_action_is_changed_from_a_file(self, fake, type_in, tmp_path):
        (tmp_path / "new").write_text("SCHED_ACTION=[TIME=5]")
        fake.answers("one.vm.schedupdate", 7)
        assert type_in("onevm", "sched-update", "0", "7", str(tmp_path / "new")).exit_code == 0
        assert fake.called("one.vm.schedupdate") == [[0, 7, "SCHED_ACTION=[TIME=5]"]]


def test_a_configuration_comes_from_a_file(fake, type_in, tmp_path):
    (tmp_path / "new").write_text("OS=[BOOT=hd]")
    fake.answers("one.vm.updateconf", 0)
    for more, append in (((), 0), (("--append",), 1)):
        assert type_in("onevm", "updateconf", "0", str(tmp_path / "new"), *more).exit_code == 0
        assert fake.called("one.vm.updateconf")[-1] == [0, "OS=[BOOT=hd]", append]
