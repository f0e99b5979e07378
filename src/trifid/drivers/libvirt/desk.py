"""What every verb begins with: whose VM a request is about, which libvirt has it, and where its files are."""

from functools import cached_property
from pathlib import Path

from trifid.drivers.kit import Request
from trifid.drivers.libvirt.connection import Connection, Connections
from trifid.drivers.libvirt.connector import Connector, Stay
from trifid.drivers.libvirt.options import Options, connector_of
from trifid.drivers.libvirt.vm import VmDocument, parse_vm
from trifid.drivers.remote.host import Host, Hosts
from trifid.wire.action_data import ActionData


class Desk:
    """Takes requests apart.

    Attributes:
        options: of the driver.
        connections: to the libvirts of all hosts.
        connector: what their hypervisor is like.
    """

    def __init__(self, options: Options) -> None:
        """Raises Failure when the options name no connector that there is."""
        self.options = options
        self.connector: Connector = connector_of(options)
        self.connections = Connections(options)

    def about(self, request: Request) -> tuple[ActionData, VmDocument, Connection]:
        """Return a request's data, its VM, and the connection to its host.

        Raises:
            Failure: it cannot be read, or the host cannot be reached with this URI.
        """
        data = request.data()
        return data, parse_vm(data.vm, self.options.engine_id), self.connections.to(data.host)

    def machine(self, host: str, path: str) -> Host:
        """Return where a file of a VM is reached: here when its directory is seen here, else on its host, by ssh."""
        return self._hosts.here if Path(path).parent.is_dir() else self._hosts.named(host)

    def stay(self, request: Request) -> Stay:
        """Return a request's VM on its host, whoever else sees its files.

        Raises:
            Failure: as `about`.
        """
        data, vm, connection = self.about(request)
        machine = self._hosts.here if connection.is_local else self._hosts.named(data.host)
        return Stay(vm, data.disk_target_path, machine, request)

    @cached_property
    def _hosts(self) -> Hosts:
        return Hosts(self.connections.way)
