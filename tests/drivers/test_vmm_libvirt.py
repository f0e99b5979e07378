"""The libvirt driver as a process, against libvirt's built-in test hypervisor."""


from tests.drivers.contract import VmmContract
from tests.drivers.harness import python_driver

COMMAND = python_driver("trifid.drivers.vmm.libvirt")


class TestContract(VmmContract):
    command = COMMAND
    arguments = "--uri test:///default"
    can_migrate = False
    domains_survive = False
