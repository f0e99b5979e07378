"""What libvirt's states mean to the engine."""

import libvirt
import pytest

from trifid.drivers.libvirt.states import word_of


@pytest.mark.parametrize(
    ("state", "reason", "word"),
    [
        (libvirt.VIR_DOMAIN_RUNNING, 1, "RUNNING"),
        (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER, "SUSPENDED"),
        (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR, "SUSPENDED"),
        (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_MIGRATION, "-"),
        (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_SAVE, "-"),
        (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP, "-"),
        (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT, "-"),
        (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN, "POWEROFF"),
        (libvirt.VIR_DOMAIN_CRASHED, 1, "FAILURE"),
        (4711, 0, "POWEROFF"),
    ],
)
def test_a_pause_that_libvirt_itself_ends_says_nothing(state: int, reason: int, word: str) -> None:
    assert word_of(state, reason) == word
