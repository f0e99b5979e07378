"""The transfer driver that moves nothing takes every script that the engine writes for done."""

from pathlib import Path

from tests.core.vm.builders import vm
from tests.drivers.contract import TmContract
from tests.drivers.harness import python_driver, running
from trifid.core.template.model import template
from trifid.core.vm.record import DiskSnapshot, DiskSnapshots
from trifid.core.vm.table import ROWS
from trifid.core.vm.transfer import transfer_lines

DISK = {"DISK_ID": "0", "TYPE": "FS", "SIZE": "1", "CLONE": "YES", "SAVE": "YES", "ATTACH": "YES", "RESIZE": "YES",
        "SAVEAS": "YES", "SAVEAS_SOURCE": "/ds/1/ab", "SAVEAS_SNAPSHOT": "-1"}  # fmt: skip
KEPT = DiskSnapshots(0, next_id=1, snapshots=(DiskSnapshot(0, "a", 100, 1, pending="create"),))
OPERATIONS = sorted({row.ask.verb for row in ROWS if row.ask and row.ask.family == "tm"})


def test_every_operation_is_done_and_no_file_is_made(tmp_path: Path) -> None:
    machine = vm(stays=2, template=template(DISK=DISK, CONTEXT={"A": "1", "DISK_ID": "1"}), disk_snapshots=(KEPT,))
    place = {"frontend": "front", "datastores": f"{tmp_path}/datastores", "vm_files": f"{tmp_path}/vms/42"}
    tm = TmContract()
    with running(python_driver("trifid.drivers.tm.dummy"), home=tmp_path) as driver:
        for step, operation in enumerate(OPERATIONS, 1):
            lines = transfer_lines(machine, operation, tm="dummy", **place)
            assert lines, operation
            answer = tm.do(driver, 42, step, *lines)
            assert answer.status == "SUCCESS", (operation, answer)
    assert not (tmp_path / "datastores").exists()
