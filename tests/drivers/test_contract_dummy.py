"""The dummy drivers keep the contract of the real ones, so that what is tried on them holds."""

from tests.drivers.contract import (
    CopiesDisks,
    DiskSnapshots,
    DomainsOutlive,
    HotPlugs,
    ImContract,
    Migrates,
    Resizes,
    ResizesDisks,
    Saves,
    Snapshots,
    TmContract,
)
from tests.drivers.harness import python_driver


class TestVmmDummy(
    Saves, Migrates, DomainsOutlive, HotPlugs, Snapshots, DiskSnapshots, CopiesDisks, Resizes, ResizesDisks
):
    command = python_driver("trifid.drivers.vmm.dummy")


class TestSlowVmmDummy(TestVmmDummy):
    arguments = "--delay 0.002"


class TestTmDummy(TmContract):
    command = python_driver("trifid.drivers.tm.dummy")


class TestImDummy(ImContract):
    command = python_driver("trifid.drivers.im.dummy")
