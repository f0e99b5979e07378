"""Address services of a host's networks: DHCP, DNS and a way out, each network's in a namespace of its own.

For the network driver, in this order, after links and filters:

    services.apply(host, document)      # everything of it: also what is there and no longer wanted

What a filtered port must be let do, for the driver's filters (a service is a *port of the bridge*, so what guests
and it say to each other is forwarded between ports, it is not the host's input):

    for network in document.networks:
        if network.services: …          # between the network's guests and network.services.address (and .address6):
                                        # from guest: udp 67 (to 255.255.255.255, too), udp and tcp 53, udp 547, icmp
                                        # to guest:   udp 67 -> 68 (to 255.255.255.255, too), udp 547 -> 546, RA
                                        # the rest, what is routed, is as the security groups say

Names here: namespaces `trifid-<first 8 of engine id>-<network id>`, links `ts<4>-<hex id>` and `tu<4>-<hex id>` without
alias, tables `trifid_services_<first 8>` of families bridge and inet.  The driver leaves these alone.
"""

from trifid.core.network.host_document import HostDocument
from trifid.drivers.remote.host import Host


def apply(host: Host, document: HostDocument) -> None:
    """Make the services of a host what its document says.

    Raises:
        Failure: of some networks they cannot be made, those of the others are; the text says why.
    """
