"""onevm explain and --dry-run, typed against a small engine."""

import json

import pytest

from tests.cli.fake_engine import Refusal, host_xml, vm_xml

RULES = [
    {"rule": "state", "holds": True, "text": "monitored", "change": ""},
    {
        "rule": "memory",
        "holds": False,
        "text": "needs 4096 MiB, 3891 free",
        "change": "with 205 MiB less memory",
    },
]
TOLD = {
    "id": 7,
    "name": "web",
    "state": "PENDING",
    "moves": False,
    "host_id": -1,
    "host": "",
    "cpu_percent": 150,
    "memory_mib": 4096,
    "hosts_total": 40,
    "hosts_fitting": 0,
    "hosts_hidden": 0,
    "ranked_by": {"attribute": "striping", "text": "- RUNNING_VMS"},
    "chosen": None,
    "why": "No host meets SCHED_REQUIREMENTS",
    "warning": "",
    "change": "with 205 MiB less memory it would fit on host-3",
    "failing": [{"rule": "memory", "hosts": 40}],
    "hosts": [{"id": 3, "name": "host-3", "fits": False, "rank": None, "rules": RULES}],
    "message": "",
    "decision": "",
}
FITTING = TOLD | {
    "hosts_total": 1,
    "hosts_fitting": 1,
    "chosen": {"id": 3, "name": "host-3", "datastore_id": 0},
    "why": "",
    "change": "",
    "hosts": [{"id": 3, "name": "host-3", "fits": True, "rank": 12, "rules": RULES[:1]}],
}


class TestExplain:
    def test_nearest_host_numbers_and_smallest_change_are_told(self, fake, type_in):
        fake.answers("trifid.vm.explain", json.dumps(TOLD))
        result = type_in("onevm", "explain", "7")
        assert result.exit_code == 0
        assert result.stdout == (
            "VIRTUAL MACHINE 7 web\n"
            "STATE               : PENDING\n"
            "NEEDS               : 1.5 cores, 4G\n"
            "HOSTS               : 0 of 40 would take it\n"
            "WHY                 : No host meets SCHED_REQUIREMENTS\n"
            "CHANGE              : with 205 MiB less memory it would fit on host-3\n"
            "\n"
            "HOSTS\n"
            " ID HOST         FITS RANK STATE MEMORY WHY NOT\n"
            "  3 host-3       no      - ok    no     memory: needs 4096 MiB, 3891 free\n"
            "and 39 more: --all shows all\n"
        )
        assert fake.called("trifid.vm.explain") == [[7, 10]]

    @pytest.mark.parametrize(("host", "shown"), [("host-3", "host-3 [3]"), ("", "host 3")])
    def test_where_a_vm_is_is_told_by_name_to_those_who_may_know_it(self, fake, type_in, host, shown):
        placed = TOLD | {"state": "RUNNING", "moves": True, "host_id": 3, "host": host}
        fake.answers("trifid.vm.explain", json.dumps(placed))
        assert f"STATE               : RUNNING on {shown}\n" in type_in("onevm", "explain", "7").stdout

    def test_parts_of_ones_own_that_were_not_asked_are_told(self, fake, type_in):
        fake.answers("trifid.vm.explain", json.dumps(FITTING | {"not_asked": ["filters", "scorers"]}))
        said = type_in("onevm", "explain", "7").stdout
        assert "NOT ASKED           : filters, scorers of your own, which only the scheduler knows\n" in said

    def test_all_hosts_are_asked_for(self, fake, type_in):
        fake.answers("trifid.vm.explain", json.dumps(TOLD))
        type_in("onevm", "explain", "7", "--all")
        assert fake.called("trifid.vm.explain") == [[7, -1]]

    def test_the_host_that_would_take_it_is_told_with_what_it_is_ranked_by(self, fake, type_in):
        fake.answers("trifid.vm.explain", json.dumps(FITTING))
        said = type_in("onevm", "explain", "7").stdout
        assert "WOULD TAKE          : host-3 [3], datastore 0\n" in said
        assert "RANKED BY           : striping - RUNNING_VMS\n" in said
        assert "  3 host-3       yes    12 ok\n" in said

    def test_what_the_scheduler_said_and_decided_is_told(self, fake, type_in):
        told = FITTING | {"message": "No host", "decision": "2026-11-25 12:00 host-3 [3] of 1 that fit"}
        fake.answers("trifid.vm.explain", json.dumps(told))
        said = type_in("onevm", "explain", "7").stdout
        assert "SCHEDULER           : No host\n" in said
        assert "DECISION            : 2026-11-25 12:00 host-3 [3] of 1 that fit\n" in said

    def test_hosts_that_the_user_may_not_see_are_only_counted(self, fake, type_in):
        fake.answers("trifid.vm.explain", json.dumps(TOLD | {"hosts": [], "hosts_hidden": 40}))
        said = type_in("onevm", "explain", "7").stdout
        assert "HOSTS               : 0 of 40 would take it (40 that you may not see are only counted)\n" in said
        assert "\nHOSTS\n" not in said and "more" not in said

    def test_json_is_what_the_engine_answered(self, fake, type_in):
        fake.answers("trifid.vm.explain", json.dumps(TOLD))
        assert json.loads(type_in("onevm", "explain", "7", "--json").stdout) == TOLD


WEB = "CPU=1\nMEMORY=64\n"


def result(what, host="", *, why="", change="", vm=-1, notes=()):
    return {
        "what": what,
        "vm": vm,
        "fits": bool(host),
        "host_id": 3,
        "host": host,
        "datastore_id": 0,
        "why": why,
        "change": change,
        "notes": list(notes),
    }


def answer(*results):
    fitting = sum(one["fits"] for one in results)
    return json.dumps({"asked": len(results), "fitting": fitting, "text": "", "results": list(results)})


@pytest.fixture
def tried(fake):
    """What was tried, batch by batch; everything fits."""
    fake.answers("trifid.placement.dry_run", answer(result("web", "host-3")))
    return lambda: [json.loads(batch)["vms"] for (batch,) in fake.called("trifid.placement.dry_run")]


@pytest.fixture
def web(tmp_path):
    path = tmp_path / "web.vm"
    path.write_text(WEB)
    return str(path)


class TestDryRun:
    def test_vms_alike_are_told_together_and_the_command_fails_unless_all_would_fit(self, fake, type_in, web):
        less = "with 205 MiB less memory it would fit on host-3"
        fake.answers(
            "trifid.placement.dry_run",
            answer(result("web", "host-3"), result("web", "host-3"), result("web", change=less, why="No host")),
        )
        said = type_in("onevm", "create", web, "--dry-run")
        assert said.exit_code == 255
        assert said.stdout == (
            " VMS WHAT         FITS HOST         WHY\n"
            "   2 web          yes  host-3\n"
            f"   1 web          no   -            {less}\n"
            "2 of 3 would fit; nothing was changed\n"
        )
        assert fake.called("one.vm.allocate") == []

    def test_a_reason_is_told_where_no_change_is_known_and_a_note_where_it_fits(self, fake, type_in, web):
        fake.answers("trifid.placement.dry_run", answer(result("a", why="no lease"), result("b", "h", notes=("x: y",))))
        said = type_in("onevm", "create", web, "--dry-run").stdout
        assert "no   -            no lease\n" in said and "yes  h            x: y\n" in said

    def test_creating_is_tried_with_every_file_as_often_as_is_asked(self, type_in, tried, web):
        assert type_in("onevm", "create", web, web, "-m", "3", "--dry-run").exit_code == 0
        assert tried() == [[{"template": WEB, "what": web, "count": 6}]]

    def test_several_vms_are_created_and_numbered(self, fake, type_in, web):
        fake.answers("one.vm.allocate", 7, 8)
        assert type_in("onevm", "create", web, "--name", "front-%i", "--multiple", "2").stdout == "ID: 7\nID: 8\n"
        assert ['NAME="front-' in text for text, _ in fake.called("one.vm.allocate")] == [True, True]
        assert "front-1" in fake.called("one.vm.allocate")[1][0]

    def test_a_deployment_is_tried_and_not_done(self, fake, type_in, tried):
        fake.vms[3] = vm_xml(3)
        fake.hosts[2] = host_xml(2, "host-2")
        type_in("onevm", "deploy", "3,4", "host-2", "--enforce", "--dry-run")
        first = {"vm": 3, "action": "deploy", "host": 2, "enforce": True}
        assert tried() == [[first, first | {"vm": 4}]]
        assert fake.called("one.vm.deploy") == []

    def test_a_migration_is_tried_and_not_done(self, fake, type_in, tried):
        type_in("onevm", "migrate", "3", "2", "--live", "--dry-run")
        type_in("onevm", "migrate", "3", "2", "--poff", "--dry-run")
        live = {"action": "migrate", "vm": 3, "host": 2, "live": True, "enforce": False}
        assert tried() == [[live], [live | {"live": False, "datastore": -1, "kind": 1}]]
        assert fake.called("one.vm.migrate") == []

    def test_instantiating_is_tried_and_not_done(self, fake, type_in, tried):
        fake.answers("one.template.info", "<VMTEMPLATE><ID>4</ID><NAME>t</NAME><TEMPLATE></TEMPLATE></VMTEMPLATE>")
        assert type_in("onetemplate", "instantiate", "4", "--memory", "1g", "-m", "40", "--dry-run").exit_code == 0
        (item,) = tried()[0]
        assert (item["template_id"], item["count"], item["what"]) == (4, 40, "template 4")
        assert "MEMORY" in item["extra"] and fake.called("one.template.instantiate") == []
        said = type_in("onetemplate", "instantiate", "4", "--persistent", "--dry-run")
        assert "--dry-run and --persistent do not go together" in said.stderr

    def test_a_refusal_is_told_as_ever(self, fake, type_in, web):
        fake.answers("trifid.placement.dry_run", Refusal("[trifid.placement.dry_run] no", 0x1000, -1))
        said = type_in("onevm", "create", web, "--dry-run")
        assert (said.exit_code, said.stdout) == (255, "")
        assert "Error: [trifid.placement.dry_run] no" in said.stderr
