"""onevm, typed against a small engine."""

import json

import pytest

from tests.cli.fake_engine import FIRST_PAGE, Refusal, host_xml, image_xml, record, user_xml, vm_xml

BROKEN = Refusal("[one.vm.allocate] Parse error: line 3 column 7: expected ] to close NIC", 0x2000, -1)


@pytest.fixture
def template(tmp_path):
    path = tmp_path / "web.vm"
    path.write_text('NAME="web"\nMEMORY=512\n')
    return str(path)


def events(last, *changes):
    found = [
        {
            "id": i,
            "at": 1000,
            "kind": "VM",
            "object_id": vm,
            "uid": 0,
            "what": "state",
            "old": "",
            "new": new,
            "text": "",
        }
        for i, (vm, new) in enumerate(changes, 1)
    ]
    return json.dumps({"last": last, "events": found})


class TestCreate:
    def test_the_id_of_each_vm_is_printed(self, fake, type_in, template):
        fake.answers("one.vm.allocate", 7, 8)
        result = type_in("onevm", "create", template, template)
        assert (result.exit_code, result.stdout) == (0, "ID: 7\nID: 8\n")
        assert fake.called("one.vm.allocate")[0] == ['NAME="web"\nMEMORY=512\n', False]

    def test_submit_is_its_name_of_2009(self, fake, type_in, template):
        fake.answers("one.vm.allocate", 7)
        assert type_in("onevm", "submit", "-v", template).stdout == "ID: 7\n"

    def test_a_template_comes_from_standard_input_and_on_hold(self, fake, type_in):
        fake.answers("one.vm.allocate", 7)
        type_in("onevm", "create", "--hold", "-", stdin="CPU=1\n")
        assert fake.called("one.vm.allocate") == [["CPU=1\n", True]]

    def test_a_template_that_does_not_parse_is_named_with_line_and_column(self, fake, type_in, template):
        fake.answers("one.vm.allocate", BROKEN, 8)
        result = type_in("onevm", "create", template, template)
        assert result.exit_code == 255
        assert f"Error: {template}: [one.vm.allocate] Parse error: line 3 column 7" in result.stderr
        assert result.stdout == "ID: 8\n"

    def test_the_same_refusal_is_told_once_and_counted(self, fake, type_in, template):
        fake.answers("one.vm.allocate", BROKEN, BROKEN, BROKEN, 8)
        result = type_in("onevm", "create", template, "--multiple", "4")
        assert (result.exit_code, result.stdout) == (255, "ID: 8\n")
        assert result.stderr.count("Parse error") == 1
        assert f"Error: {template}: 2 more were refused for the same reason" in result.stderr

    def test_a_file_that_is_not_there_is_named(self, type_in):
        result = type_in("onevm", "create", "/nowhere/web.vm")
        assert result.exit_code == 255
        assert "/nowhere/web.vm: No such file or directory" in result.stderr

    def test_nothing_is_created_unless_every_file_can_be_read(self, fake, type_in, template):
        result = type_in("onevm", "create", template, "/nowhere/web.vm")
        assert result.exit_code == 255
        assert fake.called("one.vm.allocate") == []

    def test_a_word_after_wait_that_is_neither_a_state_nor_a_file(self, fake, type_in, template):
        result = type_in("onevm", "create", template, "--wait", "runing")
        assert result.exit_code == 255
        assert "Error: runing is neither a state of a VM nor a file" in result.stderr
        assert fake.called("one.vm.allocate") == []

    def test_standard_input_is_called_so(self, fake, type_in):
        fake.answers("one.vm.allocate", BROKEN)
        assert "Error: standard input: [one.vm.allocate]" in type_in("onevm", "create", "-", stdin="A=").stderr

    def test_wait_returns_when_it_runs(self, fake, type_in, template):
        fake.answers("one.vm.allocate", 7)
        fake.answers(
            "trifid.event.list", events(4), events(6, (7, "PENDING"), (9, "RUNNING")), events(8, (7, "RUNNING"))
        )
        result = type_in("onevm", "create", "--wait", template)
        assert (result.exit_code, result.stdout) == (0, "ID: 7\n")
        assert [call[0] for call in fake.called("trifid.event.list")] == [-1, 4, 6]

    def test_wait_ends_with_the_reason_when_it_cannot_run(self, fake, type_in, template):
        fake.answers("one.vm.allocate", 7)
        fake.answers("trifid.event.list", events(4), events(6, (7, "BOOT_FAILURE")))
        fake.vms[7] = vm_xml(7, state=3, lcm=36, user={"ERROR": "bridge br0 does not exist"})
        result = type_in("onevm", "create", template, "--wait")
        assert result.exit_code == 255
        assert "VM 7 is BOOT_FAILURE, not RUNNING: bridge br0 does not exist" in result.stderr
        assert "onevm recover --retry 7" in result.stderr

    def test_wait_takes_a_state(self, fake, type_in, template):
        fake.answers("one.vm.allocate", 7)
        fake.answers("trifid.event.list", events(4), events(5, (7, "PENDING")))
        assert type_in("onevm", "create", "--wait", "PENDING", template).exit_code == 0

    def test_a_user_without_the_journal_looks_at_the_vm_itself(self, fake, type_in, template):
        fake.answers("one.vm.allocate", 7)
        fake.answers("trifid.event.list", Refusal("not for you", 0x0200, -1))
        fake.vms[7] = vm_xml(7)
        assert type_in("onevm", "create", template, "--wait").exit_code == 0


class TestActions:
    @pytest.mark.parametrize(
        ("words", "call"),
        [
            (["hold", "0"], ["one.vm.action", "hold", 0]),
            (["release", "0"], ["one.vm.action", "release", 0]),
            (["terminate", "0"], ["one.vm.action", "terminate", 0]),
            (["terminate", "--hard", "0"], ["one.vm.action", "terminate-hard", 0]),
            (["shutdown", "0"], ["one.vm.action", "terminate", 0]),
            (["cancel", "0"], ["one.vm.action", "terminate-hard", 0]),
            (["delete", "0"], ["one.vm.action", "terminate-hard", 0]),
            (["finalize", "0"], ["one.vm.action", "terminate-hard", 0]),
            (["poweroff", "0"], ["one.vm.action", "poweroff", 0]),
            (["poweroff", "0", "--hard"], ["one.vm.action", "poweroff-hard", 0]),
            (["resume", "0"], ["one.vm.action", "resume", 0]),
            (["reboot", "0"], ["one.vm.action", "reboot", 0]),
            (["reboot", "--hard", "0"], ["one.vm.action", "reboot-hard", 0]),
            (["resched", "0"], ["one.vm.action", "resched", 0]),
            (["unresched", "0"], ["one.vm.action", "unresched", 0]),
            (["deploy", "0", "4"], ["one.vm.deploy", 0, 4, False]),
            (["deploy", "web", "host4", "-e"], ["one.vm.deploy", 0, 4, True]),
            (["migrate", "0", "4"], ["one.vm.migrate", 0, 4, False, False]),
            (["migrate", "--live", "0", "4"], ["one.vm.migrate", 0, 4, True, False]),
            (["livemigrate", "0", "4"], ["one.vm.migrate", 0, 4, True, False]),
            (["recover", "--failure", "0"], ["one.vm.recover", 0, 0]),
            (["recover", "--success", "0"], ["one.vm.recover", 0, 1]),
            (["recover", "0", "--retry"], ["one.vm.recover", 0, 2]),
            (["recover", "0", "--delete"], ["one.vm.recover", 0, 3]),
            (["rename", "0", "db"], ["one.vm.rename", 0, "db"]),
            (["chmod", "0", "640"], ["one.vm.chmod", 0, 1, 1, 0, 1, 0, 0, 0, 0, 0]),
            (["chown", "0", "oneadmin"], ["one.vm.chown", 0, 0, -1]),
            (["chown", "0", "0", "users"], ["one.vm.chown", 0, 0, 1]),
            (["chgrp", "0", "users"], ["one.vm.chown", 0, -1, 1]),
        ],
    )
    def test_a_command_is_one_call(self, fake, type_in, words, call):
        fake.vms[0] = vm_xml(0)
        fake.hosts[4] = host_xml(4, "host4")
        fake.answers(call[0], 0)
        result = type_in("onevm", *words)
        assert (result.exit_code, result.output) == (0, "")
        assert list(fake.calls[-1]) == call

    def test_ids_names_and_ranges_together(self, fake, type_in):
        fake.vms[9] = vm_xml(9, "web")
        fake.answers("one.vm.action", 0)
        type_in("onevm", "hold", "1,3..5,web", "7")
        assert [vm for _, vm in fake.called("one.vm.action")] == [1, 3, 4, 5, 9, 7]

    def test_one_that_is_refused_does_not_keep_the_others_from_it(self, fake, type_in):
        refused = Refusal("[one.vm.action] This action is not available for state RUNNING", 0x0800, 1)
        fake.answers("one.vm.action", refused, 2)
        result = type_in("onevm", "hold", "-v", "1,2")
        assert result.exit_code == 255
        assert "not available for state RUNNING" in result.stderr
        assert 'see "onevm show 1"' in result.stderr
        assert result.stdout == "VM 2: hold\n"

    def test_a_name_that_nobody_has(self, type_in):
        result = type_in("onevm", "hold", "web")
        assert result.exit_code == 255
        assert "Error: VM named web not found." in result.stderr

    @pytest.mark.parametrize("command", ["show", "log"])
    def test_a_name_that_a_finished_vm_may_have(self, type_in, command):
        assert "onevm list --done" in type_in("onevm", command, "web").stderr

    @pytest.mark.parametrize("words", ["", "1,,2", "1,"])
    def test_a_list_with_nothing_between_its_commas(self, fake, type_in, words):
        result = type_in("onevm", "hold", words)
        assert result.exit_code == 255
        assert f"Error: '{words}' is not a list of VMs" in result.stderr
        assert fake.calls == []

    def test_a_host_without_a_name(self, fake, type_in):
        assert "a host without a name" in type_in("onevm", "deploy", "1", "").stderr

    def test_a_number_that_is_none(self, type_in):
        assert "'abc' is not a valid whole number" in type_in("onevm", "log", "1", "-n", "abc").stderr
        assert "'abc' is not a valid number" in type_in("onevm", "hold", "1", "--timeout", "abc").stderr

    def test_a_name_that_several_have(self, fake, type_in):
        fake.vms |= {1: vm_xml(1), 2: vm_xml(2)}
        result = type_in("onevm", "hold", "web")
        assert "Error: There are multiple VM's with name web." in result.stderr
        assert "use an id: 1, 2" in result.stderr

    def test_a_missing_argument_is_told_in_the_words_of_2009(self, type_in):
        result = type_in("onevm", "deploy", "1")
        assert result.exit_code == 255
        assert "Command deploy requires 2 parameters to run." in result.stderr
        assert "Command hold requires one parameter to run." in type_in("onevm", "hold").stderr

    def test_a_range_that_is_none(self, type_in):
        assert "5..3 is not a range" in type_in("onevm", "hold", "5..3").stderr

    def test_delete_removes_what_a_failure_left(self, fake, type_in):
        fake.answers("one.vm.action", Refusal("no", 0x0800, 1))
        fake.answers("one.vm.recover", 1)
        assert type_in("onevm", "delete", "1").exit_code == 0
        assert fake.called("one.vm.recover") == [[1, 3]]

    def test_delete_tells_why_when_neither_helps(self, fake, type_in):
        fake.answers("one.vm.action", Refusal("VM 1 is DONE", 0x0800, 1))
        fake.answers("one.vm.recover", Refusal("another text", 0x0800, 1))
        result = type_in("onevm", "delete", "1")
        assert result.exit_code == 255
        assert "Error: VM 1 is DONE" in result.stderr

    def test_recover_wants_to_know_how(self, fake, type_in):
        result = type_in("onevm", "recover", "1")
        assert result.exit_code == 255
        assert "--retry, --delete" in result.stderr

    def test_recover_delete_waits_until_it_is_gone(self, fake, type_in):
        fake.answers("one.vm.recover", 1)
        fake.answers("trifid.event.list", events(4), events(5, (1, "CLEANUP_DELETE")), events(6, (1, "DONE")))
        assert type_in("onevm", "recover", "--delete", "1", "--wait").exit_code == 0

    def test_a_migration_that_came_back_has_failed(self, fake, type_in):
        fake.answers("one.vm.migrate", 1)
        fake.answers("trifid.event.list", events(4), events(5, (1, "MIGRATE")), events(6, (1, "RUNNING")))
        fake.vms[1] = vm_xml(1, records=record(0, host_id=0), user={"ERROR": "no route to host4"})
        result = type_in("onevm", "migrate", "1", "4", "--wait")
        assert result.exit_code == 255
        assert "VM 1 is RUNNING, but not on host 4: no route to host4" in result.stderr

    def test_a_migration_that_came_back_names_the_host(self, fake, type_in):
        fake.answers("one.vm.migrate", 1)
        fake.answers("trifid.event.list", events(4), events(5, (1, "MIGRATE")), events(6, (1, "RUNNING")))
        fake.vms[1], fake.hosts[4] = vm_xml(1, records=record(0, host_id=0)), host_xml(4, "host4")
        result = type_in("onevm", "migrate", "1", "host4", "--wait")
        assert "VM 1 is RUNNING, but not on host host4" in result.stderr

    def test_how_far_a_live_migration_is_is_told_while_it_is_waited_for(self, fake, type_in):
        fake.answers("one.vm.migrate", 1)
        fake.answers(
            "trifid.event.list", events(4), events(5, (1, "MIGRATE_COPY")), events(5), events(6, (1, "RUNNING"))
        )
        moving = "<PERCENT>43</PERCENT><LEFT_MIB>120</LEFT_MIB><TOTAL_MIB>512</TOTAL_MIB><MIB_S>30</MIB_S>"
        shown = vm_xml(1, records=record(0, host_id=4))
        assert shown.count("<USER_TEMPLATE>") == 1
        told = f"<USER_TEMPLATE><LIVE_MIGRATION>{moving}</LIVE_MIGRATION>"
        fake.vms[1] = shown.replace("<USER_TEMPLATE>", told)
        result = type_in("onevm", "migrate", "--live", "-v", "1", "4", "--wait")
        assert result.exit_code == 0
        assert result.stderr.count("VM 1: MIGRATE 43 %, 120 of 512 MiB left, 30 MiB/s") == 1
        assert "43 %, 120 of 512 MiB left" in type_in("onevm", "show", "1").stdout

    def test_a_wait_that_takes_too_long_tells_where_it_is(self, fake, type_in):
        fake.answers("one.vm.action", 1)
        fake.answers("trifid.event.list", events(4))
        fake.vms[1] = vm_xml(1)
        result = type_in("onevm", "terminate", "1", "--wait", "--timeout", "0")
        assert result.exit_code == 255
        assert "after 0 s" in result.stderr

    def test_verbs_that_are_not_here_say_what_is(self, type_in):
        result = type_in("onehost", "sync", "1")
        assert result.exit_code == 255
        assert "onehost sync: not needed" in result.stderr

    def test_update_from_a_file_replaces_or_appends(self, fake, type_in, template):
        fake.answers("one.vm.update", 1)
        type_in("onevm", "update", "1", template)
        type_in("onevm", "update", "1", "-", "--append", stdin="A=1\n")
        assert fake.called("one.vm.update") == [[1, 'NAME="web"\nMEMORY=512\n', 0], [1, "A=1\n", 1]]

    def test_update_without_a_terminal_wants_a_file(self, fake, type_in):
        fake.vms[1] = vm_xml(1)
        assert "name a file" in type_in("onevm", "update", "1").stderr

    def test_a_mode_that_is_none(self, fake, type_in):
        assert "999 is not a mode" in type_in("onevm", "chmod", "1", "999").stderr


class TestList:
    @pytest.fixture(autouse=True)
    def _vms(self, fake):
        fake.vms[3] = vm_xml(3, "web", records=record(), monitoring={"CPU": "12.5", "MEMORY": 262144}, etime=4661)
        fake.vms[12] = vm_xml(12, "db", 1, 0)

    def test_the_columns_of_today(self, type_in):
        header, newest, oldest = type_in("onevm", "list").stdout.splitlines()
        assert header.split() == ["ID", "USER", "GROUP", "NAME", "STAT", "CPU", "MEM", "HOST", "TIME"]
        assert newest.split()[:7] == ["12", "oneadmin", "oneadmin", "db", "pend", "1", "512M"]
        assert oldest.split() == [*["3", "oneadmin", "oneadmin", "web", "runn", "1", "512M", "host1", "00", "01:01:01"]]

    def test_the_columns_of_2009(self, type_in):
        lines = type_in("onevm", "list", "-l", "ID,NAME,STAT,UCPU,UMEM,HOSTNAME,TIME", "-k").stdout.splitlines()
        assert lines[2].split() == ["3", "web", "runn", "12.5", "262144", "host1", "00", "01:01:01"]

    def test_how_far_it_has_moved_is_told_of_what_moves_only(self, fake, type_in):
        told = "<USER_TEMPLATE><LIVE_MIGRATION><PERCENT>0</PERCENT></LIVE_MIGRATION>"
        fake.vms[3] = vm_xml(3, "web", monitoring={"CPU": 1}).replace("<USER_TEMPLATE>", told, 1)
        assert type_in("onevm", "list", "--csv", "-l", "ID,MOVED").stdout == "ID,MOVED\n12,-\n3,0\n"
        assert type_in("onevm", "list", "-f", "MOVED>=0", "-l", "ID", "--no-header").stdout.split() == ["3"]

    def test_show_tells_the_figures_of_own_probes(self, fake, type_in):
        seen = {"CPU": 1, "DISKRDIOPS": 7, "ID": 3, "TIMESTAMP": 5, "OPEN_FILES": 26}
        fake.vms[3] = vm_xml(3, "web", monitoring=seen)
        out = type_in("onevm", "show", "3").stdout
        assert "OPEN_FILES          : 26" in out
        assert not [line for line in out.splitlines() if line.startswith(("DISKRDIOPS", "TIMESTAMP"))]

    def test_a_filter_an_order_and_comma_separated_values(self, type_in):
        assert type_in("onevm", "list", "-f", "STAT=RUNN", "-l", "ID", "--no-header").stdout.split() == ["3"]
        assert type_in("onevm", "list", "-f", "ID>5", "-l", "ID", "--no-header").stdout.split() == ["12"]
        assert type_in("onevm", "list", "-o", "-ID", "-l", "ID", "--no-header").stdout.split() == ["3", "12"]
        assert type_in("onevm", "list", "--csv", "-l", "ID,NAME").stdout == "ID,NAME\n12,db\n3,web\n"

    def test_a_column_that_is_none(self, type_in):
        result = type_in("onevm", "list", "-l", "ID,NONSENSE")
        assert result.exit_code == 255
        assert "there is no column NONSENSE" in result.stderr
        assert "onevm list has ID, USER" in result.stderr

    @pytest.mark.parametrize(
        ("words", "flag"),
        [([], -2), (["a"], -2), (["m"], -3), (["g"], -1), (["mine"], -3), (["oneadmin"], 0), (["5"], 5)],
    )
    def test_whose(self, fake, type_in, words, flag):
        fake.users[5] = user_xml(5, "alice")
        type_in("onevm", "list", *words)
        assert fake.calls[-1] == ("one.vmpool.info", flag, *FIRST_PAGE, -1)

    def test_a_user_that_is_none(self, type_in):
        result = type_in("onevm", "list", "77")
        assert result.exit_code == 255
        assert "Error: there is no user 77" in result.stderr

    def test_a_user_whom_the_caller_may_not_look_at_is_believed(self, fake, type_in):
        fake.answers("one.user.info", Refusal("not for you", 0x0200, 77))
        assert type_in("onevm", "list", "77").exit_code == 0

    def test_a_number_is_not_every_number_with_its_digits(self, fake, type_in):
        assert type_in("onevm", "list", "-f", "ID=2", "-l", "ID", "--no-header").stdout == ""
        assert type_in("onevm", "list", "-f", "ID=12", "-l", "ID", "--no-header").stdout.split() == ["12"]

    @pytest.mark.parametrize("forms", [["-x", "-j"], ["--csv", "-x"], ["--csv", "-j"]])
    def test_one_form_at_a_time(self, fake, type_in, forms):
        result = type_in("onevm", "list", *forms)
        assert result.exit_code == 255
        assert "cannot be together" in result.stderr
        assert fake.calls == []

    def test_why_is_that_of_now(self, fake, type_in):
        told = {"SCHED_MESSAGE": "No host has room"}
        fake.vms = {1: vm_xml(1, user=told), 2: vm_xml(2, state=1, lcm=0, user=told)}
        lines = type_in("onevm", "list", "-l", "ID,WHY", "--csv", "--no-header").stdout.splitlines()
        assert lines == ["2,No host has room", "1,"]

    def test_why_is_also_that_of_vms_that_are_to_move_and_of_leases_that_do_not_run(self, fake, type_in):
        told = {"SCHED_MESSAGE": "No host has room"}
        fake.vms = {
            1: vm_xml(1, resched=1, user=told),
            2: vm_xml(2, state=2, lcm=0, user=told),
            3: vm_xml(3, state=2, lcm=0, user=told | {"HAIZEA": "x"}),
            4: vm_xml(4, state=5, lcm=0, user=told | {"HAIZEA": "x"}),
        }
        lines = type_in("onevm", "list", "-l", "ID,WHY", "--csv", "--no-header").stdout.splitlines()
        assert lines == ["4,No host has room", "3,No host has room", "2,", "1,No host has room"]

    def test_finished_ones_as_well(self, fake, type_in):
        type_in("onevm", "list", "--done")
        assert fake.calls[-1] == ("one.vmpool.info", -2, *FIRST_PAGE, -2)

    def test_as_json_and_as_xml(self, type_in):
        pool = json.loads(type_in("onevm", "list", "-j").stdout)
        assert [vm["NAME"] for vm in pool["VM_POOL"]["VM"]] == ["db", "web"]
        assert "<NAME>db</NAME>" in type_in("onevm", "list", "-x").stdout

    def test_an_empty_pool_is_only_the_header(self, fake, type_in):
        fake.vms.clear()
        assert len(type_in("onevm", "list").stdout.splitlines()) == 1

    def test_an_answer_that_is_no_document_is_told(self, fake, type_in):
        fake.answers("one.vmpool.info", "<VM_POOL><VM>")
        for words in ([], ["-x"], ["-j"]):
            result = type_in("onevm", "list", *words)
            assert result.exit_code == 255
            assert "cannot be read" in result.stderr


class TestShow:
    def test_everything_about_a_vm(self, fake, type_in):
        nic = "<NIC><NIC_ID>0</NIC_ID><NETWORK>lan</NETWORK><IP>10.0.0.5</IP><MAC>02:00:0a:00:00:05</MAC></NIC>"
        fake.vms[3] = vm_xml(3, nics=nic, records=record(0, "host1", action=1, etime=1500) + record(1, "host2", 2))
        out = type_in("onevm", "show", "web").stdout
        assert "LCM_STATE           : RUNNING" in out
        assert "HOST                : host2" in out
        assert "10.0.0.5" in out
        assert "migrate" in out
        assert "OWNER               : um-" in out

    def test_why_and_what_next_after_a_failure(self, fake, type_in):
        fake.vms[3] = vm_xml(3, state=3, lcm=36, user={"ERROR": "bridge br0 does not exist"})
        out = type_in("onevm", "show", "3").stdout
        assert "WHY                 : bridge br0 does not exist" in out
        assert "onevm recover 3 --retry" in out

    def test_why_it_is_still_pending(self, fake, type_in):
        fake.vms[3] = vm_xml(3, state=1, lcm=0, user={"SCHED_MESSAGE": "no host has 64 GiB free"})
        assert "SCHEDULER           : no host has 64 GiB free" in type_in("onevm", "show", "3").stdout

    def test_a_lease_that_was_rejected_tells_why(self, fake, type_in):
        told = {"SCHED_MESSAGE": "Rejected: needs 99 cores", "HAIZEA": "x"}
        fake.vms[3] = vm_xml(3, state=2, lcm=0, user=told)
        assert "SCHEDULER           : Rejected: needs 99 cores" in type_in("onevm", "show", "3").stdout

    def test_one_that_nobody_has_looked_at_tells_how_to_see_whether_the_scheduler_runs(self, fake, type_in):
        fake.vms[3] = vm_xml(3, state=1, lcm=0)
        assert "trifid status tells whether it runs" in type_in("onevm", "show", "3").stdout

    def test_why_it_was_placed_where_it_is(self, fake, type_in):
        why = "2026-11-25 12:00 host-3 [3] of 37 that fit"
        fake.vms[3] = vm_xml(3, user={"SCHED_DECISION": why})
        assert f"PLACED              : {why}" in type_in("onevm", "show", "3").stdout

    def test_what_explains_why_it_waits_is_named(self, fake, type_in):
        fake.vms[3] = vm_xml(3, state=1, lcm=0, user={"SCHED_MESSAGE": "no host has 64 GiB free"})
        assert "onevm explain 3" in type_in("onevm", "show", "3").stdout

    def test_a_vm_that_waits_for_room_is_not_sent_where_there_is_none(self, fake, type_in):
        fake.vms[3] = vm_xml(3, state=1, lcm=0, user={"SCHED_MESSAGE": "no host has 64 GiB free"})
        assert "onevm deploy --enforce 3 HOST" in type_in("onevm", "show", "3").stdout

    def test_where_saved_disks_are(self, fake, type_in):
        disks = "<DISK><DISK_ID>0</DISK_ID><SAVE>NO</SAVE></DISK><DISK><DISK_ID>1</DISK_ID><SAVE>YES</SAVE></DISK>"
        fake.vms[3] = vm_xml(3, disks=disks, records=record())
        fake.vms[4] = vm_xml(4, state=6, lcm=0, disks=disks, records=record(action=27, etime=2000))
        fake.vms[5] = vm_xml(5, state=6, lcm=0, disks=disks, records=record(action=13, etime=2000))
        kept = "DISK 1              : disk.1 in vms/{} of the engine's home"
        lines = {vm: type_in("onevm", "show", str(vm)).stdout.splitlines() for vm in fake.vms}
        assert kept.format(3) == lines[3][lines[3].index("DISKS TO BE SAVED WHEN IT ENDS") + 1]
        assert kept.format(4) == lines[4][lines[4].index("SAVED DISKS") + 1]
        assert not any("SAVED" in line or "disk." in line for line in lines[5])
        assert not any("disk.0" in line for line in lines[3] + lines[4])

    def test_one_form_at_a_time(self, type_in):
        assert "cannot be together" in type_in("onevm", "show", "3", "-x", "-j").stderr

    def test_one_that_does_not_exist(self, type_in):
        result = type_in("onevm", "show", "3")
        assert result.exit_code == 255
        assert "Error getting virtual machine [3]." in result.stderr
        assert 'see "onevm list"' in result.stderr

    def test_as_json(self, fake, type_in):
        fake.vms[3] = vm_xml(3)
        assert json.loads(type_in("onevm", "show", "3", "-j").stdout)["VM"]["NAME"] == "web"

    def test_history_of_one_and_of_all(self, fake, type_in):
        fake.vms[3] = vm_xml(3, records=record(0, "host1", stime=1000, etime=4661, action=27))
        one = type_in("onevm", "history", "3").stdout.splitlines()
        assert one[0].split() == ["ID", "SEQ", "HOSTNAME", "STIME", "ETIME", "TIME", "REASON"]
        assert one[1].split()[-3:] == ["00", "01:01:01", "terminate"]
        assert type_in("onevm", "history").stdout.splitlines() == one

    def test_the_log_is_the_journal_in_words(self, fake, type_in):
        allocated = {"uid": 0, "what": "allocated", "old": "", "new": "PENDING", "text": "web"}
        failed = {"uid": -1, "what": "state", "old": "BOOT", "new": "BOOT_FAILURE", "text": "no such bridge"}
        story = [{"at": 0, **allocated}, {"at": 0, **failed}]
        fake.answers("trifid.event.story", json.dumps({"last": 2, "events": story}))
        first, second = type_in("onevm", "log", "3").stdout.splitlines()
        assert first.endswith("oneadmin    allocated PENDING: web")
        assert second.endswith("engine      BOOT -> BOOT_FAILURE: no such bridge")
        assert fake.called("trifid.event.story") == [["VM", 3, 200]]

    def test_the_log_leaves_out_steps_between_states_that_are_one_for_users(self, fake, type_in):
        asked = {"uid": 0, "what": "state", "old": "POWEROFF", "new": "POWEROFF_CONTEXT_LOOK", "text": ""}
        step = {**asked, "uid": -1, "old": "POWEROFF_CONTEXT_LOOK", "new": "POWEROFF_CONTEXT"}
        failed = {**step, "new": "POWEROFF", "text": "no space left"}
        story = [{"at": 0, **asked}, {"at": 0, **step}, {"at": 0, **failed}]
        fake.answers("trifid.event.story", json.dumps({"last": 3, "events": story}))
        first, second = type_in("onevm", "log", "3").stdout.splitlines()
        assert first.endswith("oneadmin    state POWEROFF")
        assert second.endswith("engine      state POWEROFF: no space left")

    def test_the_log_of_one_that_never_was(self, fake, type_in):
        fake.answers("trifid.event.story", '{"last": 0, "events": []}')
        result = type_in("onevm", "story", "3")
        assert result.exit_code == 255
        assert "Error getting virtual machine [3]" in result.stderr


class TestTheEngineElsewhere:
    def test_a_wrong_password(self, type_in, tmp_path, monkeypatch):
        (tmp_path / "wrong").write_text("oneadmin:wrong-word")
        monkeypatch.setenv("ONE_AUTH", str(tmp_path / "wrong"))
        result = type_in("onevm", "list")
        assert result.exit_code == 255
        assert "couldn't be authenticated" in result.stderr
        assert f"the session was read from {tmp_path / 'wrong'}" in result.stderr
        assert "wrong-word" not in result.output

    def test_no_engine_there(self, type_in, monkeypatch):
        monkeypatch.setenv("ONE_XMLRPC", "http://127.0.0.1:1/RPC2")
        result = type_in("onevm", "list")
        assert result.exit_code == 255
        assert "no engine answers at http://127.0.0.1:1/RPC2 (connection refused)" in result.stderr
        assert "trifid start" in result.stderr

    def test_no_session(self, type_in, monkeypatch):
        monkeypatch.setenv("ONE_AUTH", "/nowhere/one_auth")
        result = type_in("onevm", "list")
        assert result.exit_code == 255
        assert "no session: /nowhere/one_auth: No such file or directory" in result.stderr

    def test_the_endpoint_on_the_line_comes_first(self, fake, type_in, monkeypatch):
        monkeypatch.setenv("ONE_XMLRPC", "http://127.0.0.1:1/RPC2")
        assert type_in("onevm", "list", "--endpoint", fake.endpoint).exit_code == 0
        assert type_in("onevm", "--endpoint", fake.endpoint, "list").exit_code == 0

    def test_an_endpoint_that_is_none(self, type_in):
        assert "is not an endpoint" in type_in("onevm", "list", "--endpoint", "localhost:2633").stderr

    def test_an_older_engine_does_not_know_a_call(self, fake, type_in):
        del fake.methods["one.vmpool.info"]
        assert "this engine does not know the call" in type_in("onevm", "list").stderr

    def test_a_command_that_is_none(self, type_in):
        result = type_in("onevm", "lst")
        assert result.exit_code == 255
        assert "onevm has no command lst" in result.stderr


class TestShowDisks:
    def test_what_they_are_made_of(self, fake, type_in):
        disks = (
            "<DISK><DISK_ID>0</DISK_ID><DATASTORE>default</DATASTORE><TARGET>vda</TARGET><IMAGE>debian</IMAGE>"
            "<IMAGE_ID>3</IMAGE_ID><SIZE>20480</SIZE><DRIVER>qcow2</DRIVER><SAVE>YES</SAVE></DISK>"
            "<DISK><DISK_ID>1</DISK_ID><TYPE>swap</TYPE><SIZE>512</SIZE></DISK>"
            "<DISK><DISK_ID>2</DISK_ID><SOURCE>/srv/x.img</SOURCE></DISK>"
        )
        fake.vms[1] = vm_xml(1, disks=disks)
        said = type_in("onevm", "show", "1").stdout
        lines = [" ".join(line.split()) for line in said.splitlines()]
        assert "0 default vda debian (3) 20G qcow2 yes" in lines
        assert "1 - - swap 512M - no" in lines
        assert "2 - - /srv/x.img - - no" in lines

    def test_their_snapshots_and_those_of_the_machine_have_the_ids_that_commands_take(self, fake, type_in):
        tree = (
            "<SNAPSHOTS><DISK_ID>2</DISK_ID><SNAPSHOT><ID>0</ID><PARENT>-1</PARENT><DATE>1000</DATE><SIZE>512</SIZE>"
            "<NAME>clean</NAME></SNAPSHOT><SNAPSHOT><ACTIVE>YES</ACTIVE><ID>1</ID><PARENT>0</PARENT><DATE>1000</DATE>"
            "<SIZE>1024</SIZE><NAME>later</NAME></SNAPSHOT></SNAPSHOTS>"
        )
        machine = "<SNAPSHOT><SNAPSHOT_ID>3</SNAPSHOT_ID><NAME>before</NAME><TIME>1000</TIME></SNAPSHOT>"
        fake.vms[1] = vm_xml(1, disks=machine).replace("<USER_TEMPLATE>", f"{tree}<USER_TEMPLATE>")
        said = type_in("onevm", "show", "1").stdout
        lines = [" ".join(line.split()) for line in said.splitlines()]
        (first, second), (third,) = (
            [line for line in lines if line.endswith(names)] for names in (("clean", "later"), ("before",))
        )
        assert first.startswith("2 0 - 1970-01-01") and first.endswith("512M clean")
        assert second.startswith("2 => 1 0 1970-01-01") and second.endswith("1G later")
        assert third.startswith("3 1970-01-01")

    def test_what_stays_in_an_image_is_no_file_of_the_home(self, fake, type_in):
        disk = "<DISK><DISK_ID>0</DISK_ID><IMAGE_ID>3</IMAGE_ID><SAVE>YES</SAVE></DISK>"
        fake.vms[1] = vm_xml(1, disks=disk)
        assert "TO BE SAVED" not in type_in("onevm", "show", "1").stdout


class TestCreateFromOptions:
    def test_a_vm_of_an_image(self, fake, type_in):
        fake.answers("one.vm.allocate", 7)
        type_in("onevm", "create", "--name", "web", "--memory", "1g", "--disk", "debian:size=20480", "--nic", "0")
        disk, nic = '[\n  IMAGE="debian",\n  SIZE="20480" ]', '[\n  NETWORK_ID="0" ]'
        text = f'CPU="1"\nMEMORY="1024"\nDISK={disk}\nNIC={nic}\nNAME="web"\n'
        assert fake.called("one.vm.allocate") == [[text, False]]

    def test_options_replace_what_the_file_says(self, fake, type_in, template):
        fake.answers("one.vm.allocate", 7)
        type_in("onevm", "create", template, "--memory", "2g", "--cpu", "0.5")
        assert fake.called("one.vm.allocate") == [['NAME="web"\nCPU="0.5"\nMEMORY="2048"\n', False]]

    def test_nothing_at_all_is_told(self, fake, type_in):
        result = type_in("onevm", "create", "--name", "web")
        assert (result.exit_code, "a VM needs a template FILE, or options" in result.stderr) == (255, True)
        assert fake.called("one.vm.allocate") == []


class TestSaveAs:
    @pytest.mark.parametrize(
        ("words", "arguments"),
        [
            ("disk-saveas web 0 mine", [1, 0, "mine", "", -1]),
            ("saveas 1 2 mine -t datablock -s 3", [1, 2, "mine", "DATABLOCK", 3]),
        ],
    )
    def test_the_new_image_is_told(self, fake, type_in, words, arguments):
        fake.vms[1] = vm_xml(1)
        fake.answers("one.vm.disksaveas", 9)
        assert type_in("onevm", *words.split()).output == "Image ID: 9\n"
        assert fake.called("one.vm.disksaveas") == [arguments]

    def test_waiting_tells_what_became_of_it(self, fake, type_in):
        fake.answers("one.vm.disksaveas", 9)
        fake.images[9] = image_xml(9, state=5, template={"ERROR": "no room"})
        result = type_in("onevm", "disk-saveas", "1", "0", "mine", "--wait")
        assert (result.exit_code, "image 9: no room" in result.stderr) == (255, True)

    def test_a_disk_is_a_number(self, fake, type_in):
        result = type_in("onevm", "disk-saveas", "1", "vda", "mine")
        assert (result.exit_code, "vda is not the id of a disk" in result.stderr) == (255, True)
