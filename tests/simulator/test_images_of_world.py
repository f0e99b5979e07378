"""Images in the simulated world: what lies in a datastore, and what becomes of the disks made of it."""

import pytest

from tests.core.image.builders import image, new_image
from tests.simulator.test_parts import HERE, VM, world
from trifid.core.image.record import ImageState
from trifid.drivers.tm.script import Command
from trifid.simulator.broken import Broken
from trifid.simulator.faults import Dice
from trifid.simulator.files import Missing
from trifid.simulator.hosts import Domain
from trifid.simulator.image_acts import ImageActs
from trifid.simulator.plan import Undone
from trifid.wire.image_action import ImageActionData, render
from trifid.wire.lines import Message

FRONTEND, DATASTORES, IMAGE = "frontend", "/datastores", 4
SOURCE = f"{DATASTORES}/1/abc"
IN_STORE, ON_HOST = (FRONTEND, SOURCE), ("a", f"{HERE}/disk.0")
DISK = Command("MVDS", "ssh", (), VM, 0)


def acts(hosts, *users: int) -> ImageActs:
    return ImageActs(
        hosts, Dice(1, ()), FRONTEND, DATASTORES, lambda source: new_image(id=IMAGE), lambda image_id: users
    )


def asked(hosts, verb: str, *users: int, step: int = 1, **more: object) -> str:
    data = ImageActionData(step=step, image_id=IMAGE, source=SOURCE, **more)
    return acts(hosts, *users).plan(Message(verb, "-", IMAGE, render(data))).act()


def running(hosts) -> Domain:
    domain = Domain(VM, HERE, {"0"}, set())
    hosts.start(hosts.by_name["a"], domain)
    return domain


def test_an_image_is_made_once_and_stays_until_its_end_is_asked_for() -> None:
    _, files, hosts = world()
    assert asked(hosts, "MKFS", size_mib=5) == f"{SOURCE} raw 5"
    made = files.at(*IN_STORE)
    assert asked(hosts, "MKFS", size_mib=5) == f"{SOURCE} raw 5"
    assert files.at(*IN_STORE) is made
    with pytest.raises(Broken, match="image 4: its only copy is gone"):
        asked(hosts, "RM", step=2)


def test_it_goes_when_that_is_asked_for_and_once_more_is_no_failure() -> None:
    _, files, hosts = world()
    asked(hosts, "CP")
    files.deleted.add(IMAGE)
    assert asked(hosts, "RM", step=2) == asked(hosts, "RM", step=2) == ""
    assert files.directories == {}


def test_what_was_superseded_is_refused() -> None:
    _, _, hosts = world()
    asked(hosts, "CP", step=2)
    with pytest.raises(Undone, match="step 1 is out of date"):
        asked(hosts, "CP", step=1)


def test_a_persistent_image_in_its_place_is_written_by_its_vm() -> None:
    _, files, hosts = world(shared=DATASTORES)
    asked(hosts, "CP")
    files.link(files.at(*IN_STORE), *ON_HOST)
    running(hosts)
    assert files.at(*IN_STORE).writes == 1
    with pytest.raises(Broken, match="image 4 is changed or taken away while vm 7 has it as a disk"):
        asked(hosts, "RESIZE", step=2)
    hosts.end(hosts.by_name["a"], VM)
    with pytest.raises(Broken, match="image 4 is changed or taken away while vm 7 has it as a disk"):
        asked(hosts, "RESIZE", VM, step=2)
    acts(hosts).bring_back(DISK, ON_HOST, IN_STORE)
    assert (files.has(*ON_HOST), files.at(*IN_STORE).writes) == (False, 2)
    asked(hosts, "RESIZE", step=2)


def test_a_link_that_is_left_of_a_disk_that_was_not_attached_is_in_nobodys_way() -> None:
    _, files, hosts = world(shared=DATASTORES)
    asked(hosts, "CP")
    files.link(files.at(*IN_STORE), "a", f"{HERE}/disk.1")
    running(hosts)
    asked(hosts, "RESIZE", step=2)


def test_one_that_was_copied_to_a_host_comes_back_with_what_was_written() -> None:
    _, files, hosts = world()
    asked(hosts, "CP")
    files.hold(files.at(*IN_STORE), *ON_HOST, VM)
    running(hosts)
    with pytest.raises(Broken, match="is taken away while its domain"):
        acts(hosts).bring_back(DISK, ON_HOST, IN_STORE)
    hosts.end(hosts.by_name["a"], VM)
    acts(hosts).bring_back(DISK, ON_HOST, IN_STORE)
    acts(hosts).bring_back(DISK, ON_HOST, IN_STORE)
    assert (files.has(*ON_HOST), files.at(*IN_STORE).writes, files.at(*IN_STORE).image_id) == (False, 2, IMAGE)


def test_it_may_not_be_lost_before_it_has_come_back() -> None:
    _, files, hosts = world()
    asked(hosts, "CP")
    files.hold(files.at(*IN_STORE), *ON_HOST, VM)
    running(hosts)
    hosts.end(hosts.by_name["a"], VM)
    with pytest.raises(Broken, match="the only copy of a disk is gone"):
        files.remove("a", HERE)


def test_a_disk_of_an_image_that_is_not_there_breaks_the_simulation() -> None:
    _, _, hosts = world()
    with pytest.raises(Broken, match="which is not there"):
        acts(hosts).source(IN_STORE, VM)
    hosts.forgotten.add(VM)
    with pytest.raises(Missing):
        acts(hosts).source(IN_STORE, VM)
    assert acts(hosts).source((FRONTEND, "/images/etch.img"), VM) is None


def test_a_disk_is_saved_from_the_copy_that_its_hypervisor_made_just_now() -> None:
    _, files, hosts = world()
    files.make(*ON_HOST, VM)
    running(hosts)
    with pytest.raises(Broken, match="is taken away while its domain"):
        acts(hosts).save_as(6, ON_HOST, IN_STORE)
    copy = ("a", f"{HERE}/disk.0.copy")
    files.make(*copy, VM, step=5)
    acts(hosts).save_as(6, copy, IN_STORE)
    assert (files.at(*IN_STORE).image_id, files.has(*copy)) == (IMAGE, False)
    acts(hosts).save_as(6, copy, IN_STORE)


def test_a_copy_of_an_earlier_time_breaks_the_simulation() -> None:
    _, files, hosts = world()
    files.make(*ON_HOST, VM)
    copy = ("a", f"{HERE}/disk.0.copy")
    files.make(*copy, VM, step=2)
    with pytest.raises(Broken, match="is made of an old copy"):
        acts(hosts).save_as(6, copy, IN_STORE)
    files.make(*copy, VM, step=2)
    acts(hosts).save_as(6, ON_HOST, IN_STORE)
    assert not files.has(*copy)


def test_what_nobody_waits_for_any_more_may_be_made_of_a_disk_in_use() -> None:
    _, files, hosts = world()
    files.make(*ON_HOST, VM)
    running(hosts)
    given_up = image(ImageState.ERROR, id=IMAGE)
    late = ImageActs(hosts, Dice(1, ()), FRONTEND, DATASTORES, lambda source: given_up, lambda image_id: ())
    late.save_as(6, ON_HOST, IN_STORE)
    assert files.at(*IN_STORE).image_id == IMAGE
