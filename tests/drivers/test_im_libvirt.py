"""The information driver as a process, against libvirt's built-in test hypervisor and this machine."""

from tests.drivers.contract import ImContract
from tests.drivers.harness import python_driver

COMMAND = python_driver("trifid.drivers.im.libvirt")


class TestContract(ImContract):
    command = COMMAND
    arguments = "--uri test:///default"
    host = "localhost"
