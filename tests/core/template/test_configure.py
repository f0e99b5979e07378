"""What updateconf takes, what it keeps, and what it counts as a change."""

import pytest

from trifid.core.restricted_lists import OF_VM
from trifid.core.template.configure import changes, check_configuration, configured
from trifid.core.template.model import Template, template
from trifid.errors import BadTemplate

RAW = {"TYPE": "kvm", "DATA": "<x/>"}
OLD = template(
    CPU="1",
    OS={"BOOT": "hd", "BOOTLOADER": "/usr/bin/grub"},
    GRAPHICS={"TYPE": "vnc", "LISTEN": "0.0.0.0"},
    RAW=[RAW],
    CONTEXT={"HOSTNAME": "web", "DISK_ID": "1", "TARGET": "hda"},
)


def after(given: Template, *, merges: bool = False, is_admin: bool = True) -> Template:
    check_configuration(OLD, given)
    return configured(OLD, given, merges=merges, is_admin=is_admin, restricted=OF_VM)


def test_replacing_takes_out_what_is_not_given_but_context_and_what_is_no_configuration() -> None:
    new = after(template(OS={"BOOT": "network"}))
    assert new == template(CPU="1", OS={"BOOT": "network"}, CONTEXT=OLD.vector("CONTEXT"))


def test_merging_keeps_keys_and_attributes_that_are_not_given() -> None:
    new = after(template(GRAPHICS={"LISTEN": "::"}, FEATURES={"ACPI": "yes"}), merges=True)
    assert new.vector("GRAPHICS") == {"TYPE": "vnc", "LISTEN": "::"}
    assert new.vector("OS") == OLD.vector("OS")
    assert new.vector("FEATURES") == {"ACPI": "yes"}


def test_another_context_keeps_its_place_among_the_disks() -> None:
    new = after(template(CONTEXT={"COLOUR": "blue", "DISK_ID": "7"}))
    assert new.vector("CONTEXT") == {"COLOUR": "blue", "DISK_ID": "1", "TARGET": "hda"}


def test_what_administrators_set_stays_when_a_user_leaves_it_out() -> None:
    new = after(template(OS={"BOOT": "network"}), is_admin=False)
    assert new.vector("OS") == {"BOOT": "network", "BOOTLOADER": "/usr/bin/grub"}
    assert new.vectors("RAW") == [RAW]
    assert after(template(RAW=[RAW]), is_admin=False).vectors("RAW") == [RAW]


def test_what_is_sent_back_as_it_was_is_no_change() -> None:
    given = template(OS={"BOOT": "network", "BOOTLOADER": "/usr/bin/grub"}, RAW=[RAW])
    assert changes(OLD, given) == template(OS={"BOOT": "network"})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (template(CPU="2"), "CPU is not changed by updateconf"),
        (template(OS="hd"), "OS must be a vector"),
        (template(GRAPHICS={"TYPE": "teletype"}), "GRAPHICS"),
    ],
)
def test_what_is_no_configuration_is_named(given: Template, said: str) -> None:
    with pytest.raises(BadTemplate, match=said):
        check_configuration(OLD, given)


def test_a_context_cannot_be_added() -> None:
    with pytest.raises(BadTemplate, match="CONTEXT cannot be added"):
        check_configuration(template(CPU="1"), template(CONTEXT={"A": "b"}))


def test_the_uuid_by_which_hypervisors_know_the_machine_stays() -> None:
    old = template(CPU="1", MEMORY="64", OS={"UUID": "11111111-2222-3333-4444-555555555555", "BOOT": "hd"})
    other = template(OS={"UUID": "99999999-2222-3333-4444-555555555555"})
    with pytest.raises(BadTemplate, match="OS UUID is not changed by updateconf"):
        check_configuration(old, other)
    with pytest.raises(BadTemplate, match="OS UUID is not changed by updateconf"):
        check_configuration(template(CPU="1", MEMORY="64"), other)
    after = configured(old, template(OS={"BOOT": "network"}), merges=False, is_admin=True, restricted=OF_VM)
    assert after.vector("OS") == {"UUID": "11111111-2222-3333-4444-555555555555", "BOOT": "network"}
