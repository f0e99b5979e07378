"""What can be asked of a VM that was imported, and that its disks are let alone."""

import pytest

from tests.core.vm.builders import event_of, moment, stay, vm
from trifid.core.template.model import template
from trifid.core.vm import events
from trifid.core.vm.states import VmState as S
from trifid.core.vm.step import step
from trifid.core.vm.transfer import transfer_lines
from trifid.errors import Refused


def imported(state: S = S.RUNNING):
    return vm(state, template=template(IMPORTED="YES"), deploy_id="legacy", history=(stay(),))


@pytest.mark.parametrize(
    "kind", [events.Suspend, events.Stop, events.Undeploy, events.MigrateLive, events.MigrateOff, events.AttachDisk,
             events.SnapshotCreate, events.Resize, events.UpdateConf, events.DeleteRecreate, events.Resched]
)  # fmt: skip
def test_what_needs_its_disks_is_refused_by_name(kind: type[events.Request]) -> None:
    with pytest.raises(Refused, match=f'"{kind.word}": VM 42 was imported, .*: .*poweroff.*terminate'):
        step(imported(), event_of(kind), moment())


def test_it_ends_like_any_other_and_no_file_is_touched() -> None:
    machine = imported()
    for kind, end in ((events.Terminate, S.SHUTDOWN), (events.Done, S.EPILOG), (events.Done, S.DONE)):
        outcome = step(machine, event_of(kind, machine.step), moment())
        machine = outcome.vm
        assert machine.state is end
        if end is S.EPILOG:
            assert outcome.action is not None
            places = {"tm": "shared", "frontend": "f", "datastores": "/d", "vm_files": "/v"}
            assert transfer_lines(machine, outcome.action.verb, **places) == []
            assert transfer_lines(machine, "delete_both", **places) == []


def test_it_is_called_what_its_domain_is_called() -> None:
    event = events.ImportRunning(
        host_id=9, hostname="host9", cluster_id=0, vmm="v", tm="t", datastore_id=0, deploy_id="legacy"
    )
    after = step(vm(S.HOLD), event, moment(200)).vm
    assert (after.state, after.deploy_id, after.current.host_id, after.current.rstime) == (S.RUNNING, "legacy", 9, 200)
    assert step(after, events.SeenRunning(deploy_id="legacy"), moment()).vm is after
