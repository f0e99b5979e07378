"""Rules that are broken on purpose: each must be noticed, or the simulator proves nothing."""

import re

import pytest
from msgspec.structs import replace

from trifid.core import quota_usage
from trifid.core.vm import effects as do
from trifid.core.vm import transfer
from trifid.core.vm.effects import release_leases
from trifid.core.vm.events import Answer, Delete, Done, Failed, MigrateSave
from trifid.core.vm.row import cancel, delete_files_on_both, fail_migrate, move, row
from trifid.core.vm.states import VmState as S
from trifid.core.vm.table import TABLE
from trifid.engine import images, life
from trifid.engine.failover import marks
from trifid.engine.failover.failover import Failover
from trifid.engine.image_outbox import ImageOutbox
from trifid.engine.life import happen
from trifid.engine.outbox import Outbox
from trifid.engine.turn import Turns
from trifid.engine.used_images import UsedImages
from trifid.methods import vm_placing
from trifid.simulator.faults import chosen
from trifid.simulator.hosts import Hosts
from trifid.simulator.simulation import Options, Simulation

SEEDS_MAX = 200
OPTIONS = Options(hours=1.0, faults=chosen("all"), pause_s=10.0)
DEATHS = Options(hours=1.0, faults=chosen("orphaned,driver-dies,kill,kill-at-line,dies-mid-line,late"), pause_s=5.0)
"""For what shows only when drivers die over what they do."""

CROWDED = Options(hours=1.0, faults=chosen("all"), pause_s=5.0, hosts=2, memory_mib=384, vms=12)
"""For what shows only when there is not room for all."""

BACK_AND_FORTH = Options(hours=1.0, faults=chosen("all"), pause_s=3.0, hosts=2)
"""For what shows only while VMs move between two hosts."""

IN_A_HURRY = Options(hours=0.5, faults=chosen("late"), pause_s=3.0)
"""For what shows only when much is asked while little is done."""


def with_row(patch, new) -> None:
    assert (new.start, new.event) in TABLE
    patch.setitem(TABLE, (new.start, new.event), new)


def without(patch, state, event, effect) -> None:
    """Leave an effect out of a row."""
    old = TABLE[(state, event)]
    assert effect in old.effects
    with_row(patch, row(state, event, old.end, *(one for one in old.effects if one is not effect)))


def delete_the_source_before_it_is_copied(patch) -> None:
    copy, clean = transfer._OPERATIONS["migrate"], transfer._OPERATIONS["clean_source"]
    patch.setitem(transfer._OPERATIONS, "migrate", lambda vm, place: [*clean(vm, place), *copy(vm, place)])


def forget_the_leases_when_a_failed_prolog_is_cleaned_up(patch) -> None:
    without(patch, S.CLEANUP_DELETE_FILES, Done, release_leases)


def accept_stale_answers(patch) -> None:
    def _happen(self, action, event):
        def command(draft):
            vm = draft.find_vm(action.vm_id)
            if vm is not None:
                happen(draft, vm, replace(event, step=vm.step) if isinstance(event, Answer) else event)

        self._turns.post(command)

    patch.setattr(Outbox, "_happen", _happen)


def believe_a_failed_migration(patch) -> None:
    with_row(patch, row(S.MIGRATE, Failed, S.RUNNING, do.tell_owner, do.return_to_previous))


def send_before_the_commit(patch) -> None:
    write = Turns._write

    async def _write(self, batch):
        self.memory.adopt(batch)
        self._tell(batch)
        batch.actions.clear()
        return await write(self, batch)

    patch.setattr(Turns, "_write", _write)


def adopt_before_the_commit(patch) -> None:
    write = Turns._write

    async def _write(self, batch):
        self.memory.adopt(batch)
        return await write(self, batch)

    patch.setattr(Turns, "_write", _write)


def acknowledge_before_the_commit(patch) -> None:
    decide = Turns._decide

    def _decide(self, draft, command, future, answers):
        decide(self, draft, command, future, answers)
        for waiting, value in answers:
            if not waiting.done():
                waiting.set_result(value)

    patch.setattr(Turns, "_decide", _decide)


def let_refusals_leave_a_trace(patch) -> None:
    patch.setattr("trifid.engine.transaction.Draft.child", lambda self: self)
    patch.setattr("trifid.engine.transaction.Draft.fold", lambda self: None)


def have_no_fence(patch) -> None:
    patch.setattr(Hosts, "check_fence", lambda self, family, vm_id, step: "")


def forget_what_was_asked_when_a_driver_comes_up(patch) -> None:
    patch.setattr(Outbox, "ready", lambda self, driver: None)


def charge_a_host_for_what_is_off(patch) -> None:
    without(patch, S.SHUTDOWN_POWEROFF, Done, do.close_record)


def move_disks_without_looking_whether_they_are_in_use(patch) -> None:
    with_row(
        patch,
        row(S.POWEROFF, MigrateSave, S.PROLOG_MIGRATE_POWEROFF, do.open_target_record, do.prolog_begins, move),
    )


def delete_disks_though_the_domain_could_not_be_ended(patch) -> None:
    with_row(patch, row(S.CLEANUP_DELETE, Failed, S.CLEANUP_DELETE_FILES, delete_files_on_both))


def delete_what_was_to_be_saved(patch) -> None:
    patch.setattr(transfer, "_saved", lambda vm, disk, place: [])


def leave_gaps_in_the_history(patch) -> None:
    def reopen_record(vm, event, moment):
        made = do.reopen_record(vm, event, moment)
        return replace(made, history=(*made.history[:-1], replace(made.current, seq=made.current.seq + 1)))

    old = TABLE[(S.POWEROFF, next(event for state, event in TABLE if state is S.POWEROFF and event.word == "resume"))]
    effects = tuple(reopen_record if one is do.reopen_record else one for one in old.effects)
    with_row(patch, row(old.start, old.event, old.end, *effects))


def let_two_drivers_work_at_one_vm(patch) -> None:
    def _wait_for(self, driver, older, action):
        self._over(older)
        self._send_to(driver, action)

    def _over(self, sent):
        self._under_way.pop(sent.action.vm_id, None)

    patch.setattr(Outbox, "_wait_for", _wait_for)
    patch.setattr(Outbox, "_over", _over)


def delete_on_one_of_the_two_hosts_of_a_migration(patch) -> None:
    with_row(patch, row(S.MIGRATE, Delete, S.CLEANUP_DELETE, do.asked, cancel))


# -- images --------------------------------------------------------------------------------------------


def give_a_persistent_image_to_whoever_asks(patch) -> None:
    refuse = UsedImages._refuse_unusable
    patch.setattr(UsedImages, "_refuse_unusable", lambda self, image: refuse(self, replace(image, is_persistent=False)))


def attach_an_image_that_is_not_there_yet(patch) -> None:
    make = UsedImages.__init__
    patch.setattr(
        UsedImages, "__init__", lambda self, draft, caller, vm_id, may_wait=True: make(self, draft, caller, vm_id)
    )


def delete_an_image_that_a_vm_uses(patch) -> None:
    patch.setattr(images, "_refuse_used", lambda draft, image, verb: None)


def remove_an_image_while_it_is_made(patch) -> None:
    patch.setattr(ImageOutbox, "_wait_for", lambda self, driver, older, action: (self._over(older), self.send(action)))


def write_no_persistent_image_back(patch) -> None:
    saved = transfer._saved
    patch.setattr(
        transfer, "_saved", lambda vm, disk, at: [] if disk.get("PERSISTENT") == "YES" else saved(vm, disk, at)
    )


def believe_a_late_import_of_a_deleted_image(patch) -> None:
    real = images.answered
    patch.setattr(
        images, "answered", lambda image, verb, told, now: real(image, verb, replace(told, step=image.step), now)
    )


def make_an_image_of_a_disk_that_was_not_saved(patch) -> None:
    real = life.saved
    patch.setattr(life, "saved", lambda image, ok, now, **more: real(image, True, now, **more))


def let_nobody_know_that_an_image_is_there(patch) -> None:
    patch.setattr(images, "images_settled", lambda draft, image_id: None)


def delete_an_image_while_it_is_cloned(patch) -> None:
    refuse = images._refuse_used

    def _refuse_used(draft, image, verb):
        clones, draft.clones_of = draft.clones_of, lambda image_id: set()
        try:
            refuse(draft, image, verb)
        finally:
            draft.clones_of = clones

    patch.setattr(images, "_refuse_used", _refuse_used)


# -- moves with disks ----------------------------------------------------------------------------------


def drop_the_target_of_a_failed_copy_unasked(patch) -> None:
    drop = row(S.MIGRATE_COPY, Failed, S.MIGRATE_COPY_DROP, do.tell_owner, do.return_to_previous, fail_migrate)
    with_row(patch, drop)


# -- placing -------------------------------------------------------------------------------------------


def place_without_looking_at_the_room_there_is(patch) -> None:
    patch.setattr("trifid.methods.vm_placing.check_room", lambda *_: None)
    patch.setattr("trifid.placement.filters.Memory.mask", lambda self, vm, table: None)


def never_try_a_vm_again_that_was_refused(patch) -> None:
    patch.setattr("trifid.scheduler.backoff.VM_S", 1e9)
    patch.setattr("trifid.scheduler.backoff.VM_S_MAX", 1e9)


def leave_a_host_out_for_ever(patch) -> None:
    patch.setattr("trifid.scheduler.backoff.IN_A_ROW", 1)
    patch.setattr("trifid.scheduler.backoff.HOST_S", 1e9)
    patch.setattr("trifid.scheduler.backoff.HOST_S_MAX", 1e9)


def put_vms_anywhere(patch) -> None:
    patch.setattr(vm_placing, "refuse_against_rules", lambda *_: None)


# -- hosts that fail -----------------------------------------------------------------------------------


def take_an_order_to_fence_for_a_proof(patch) -> None:
    real = marks.ask

    def ask(draft, host_id, why):
        is_marked = real(draft, host_id, why)
        if is_marked:
            marks.confirm(draft, host_id, marks.coverable(draft, host_id, lambda vm_id: False), "it was ordered off")
        return is_marked

    patch.setattr(marks, "ask", ask)


def believe_somebody_who_only_supposes_that_a_silent_host_is_off(patch) -> None:
    async def _proof(self, host):
        covers = await self._turns.ask(lambda draft: marks.coverable(draft, host.id, lambda vm_id: False))
        return covers, "it is silent"

    patch.setattr(Failover, "_proof", _proof)


def count_a_vm_at_rest_as_running(patch) -> None:
    patch.setattr(quota_usage, "takes_the_same", lambda old, new: old.template is new.template)


MUTATIONS = {
    delete_the_source_before_it_is_copied: "the only copy of a disk is gone",
    forget_the_leases_when_a_failed_prolog_is_cleaned_up: "is gone and holds the lease",
    accept_stale_answers: "",
    believe_a_failed_migration: "domain is on|is on host|while its domain has it open",
    send_before_the_commit: "not durable",
    adopt_before_the_commit: "memory knows what is not durable",
    acknowledge_before_the_commit: "was acknowledged, the database knows nothing",
    let_refusals_leave_a_trace: "was refused and left a trace|it holds leases|it waits for vm",
    # what a dead driver began may also be a NIC or a disk that its VM has given back meanwhile
    have_no_fence: "is started on|is moved to|domain is on|its domain has (NIC|DISK)",
    forget_what_was_asked_when_a_driver_comes_up: "is stuck in",
    charge_a_host_for_what_is_off: "it is charged on hosts",
    move_disks_without_looking_whether_they_are_in_use: "is taken away while its domain|its domain is on|is started on",
    delete_disks_though_the_domain_could_not_be_ended: "is taken away while its domain|its domain is on",
    delete_what_was_to_be_saved: "the only copy of a disk is gone",
    leave_gaps_in_the_history: "its history has gaps",
    let_two_drivers_work_at_one_vm: "",
    delete_on_one_of_the_two_hosts_of_a_migration: "",
    give_a_persistent_image_to_whoever_asks: "it is persistent and given to vms",
    attach_an_image_that_is_not_there_yet: "has a disk made of it",
    delete_an_image_that_a_vm_uses: "it is deleted while vms|has a disk made of it",
    remove_an_image_while_it_is_made: "is asked for RM while it is still busy with",
    write_no_persistent_image_back: "the only copy of a disk is gone|image .* has snapshots .*, its file has",
    believe_a_late_import_of_a_deleted_image: "was acknowledged, and it is|its driver is asked for|still needs it",
    make_an_image_of_a_disk_that_was_not_saved: (
        "which is not there|is (READY|DISABLED|to be changed), and .* is not there"
    ),
    let_nobody_know_that_an_image_is_there: "it waits for images, none is being made",
    delete_an_image_while_it_is_cloned: "it is deleted while it is cloned",
    drop_the_target_of_a_failed_copy_unasked: "is taken away while its domain|the only copy of a disk is gone",
    place_without_looking_at_the_room_there_is: "was placed on .*, which carries more than it has",
    never_try_a_vm_again_that_was_refused: "waits and .* has room for it",
    leave_a_host_out_for_ever: "waits and .* has room for it",
    put_vms_anywhere: "are kept apart, and run on host",
    take_an_order_to_fence_for_a_proof: "is started on|domain is on|while its domain",
    believe_somebody_who_only_supposes_that_a_silent_host_is_off: "is started on|domain is on|while its domain",
    count_a_vm_at_rest_as_running: "and are told to have",
}
"""Each with what must be said of it, where that is always the same."""
OTHER_OPTIONS = {
    have_no_fence: DEATHS,
    delete_on_one_of_the_two_hosts_of_a_migration: BACK_AND_FORTH,
    move_disks_without_looking_whether_they_are_in_use: BACK_AND_FORTH,
    believe_a_late_import_of_a_deleted_image: IN_A_HURRY,
    place_without_looking_at_the_room_there_is: CROWDED,
    never_try_a_vm_again_that_was_refused: CROWDED,
    leave_a_host_out_for_ever: CROWDED,
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_a_broken_rule_is_noticed(monkeypatch, mutation) -> None:
    mutation(monkeypatch)
    options = OTHER_OPTIONS.get(mutation, OPTIONS)
    for seed in range(SEEDS_MAX):
        found = Simulation(seed, options).run().broken
        if found:
            print(f"{mutation.__name__}: seed {seed}: {found.splitlines()[-1]}")
            assert re.search(MUTATIONS[mutation], found), found
            monkeypatch.undo()
            assert Simulation(seed, options).run().broken == "", "it is broken anyway"
            return
    pytest.fail(f"{SEEDS_MAX} seeds and nobody noticed")
