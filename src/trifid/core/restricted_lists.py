"""The restricted attributes of a configuration that names none: those of today's oned.conf, and ours.

Ours are what hosts run or read as root, and what would let a VM take what is another's.
Source: reference/templates.md §2.2 (*_RESTRICTED_ATTR).
"""

from trifid.core.network.define import RESTRICTED as OF_NETWORKS
from trifid.core.restricted import restricted
from trifid.core.template.attributes import RESTRICTED as OF_VMS
from trifid.core.user import WEIGHT

_OPERATIONS = ("VM_USE_OPERATIONS", "VM_MANAGE_OPERATIONS", "VM_ADMIN_OPERATIONS")

VM_PATHS = (
    *sorted(f"{name}/{key}" if key else name for name, keys in OF_VMS.items() for key in keys),
    *(f"{name}/EXTERNAL" for name in ("NIC", "NIC_ALIAS", "NIC_DEFAULT")),
    *("USER_INPUTS/CPU", "USER_INPUTS/MEMORY", "USER_INPUTS/VCPU", "TOPOLOGY/PIN_POLICY", "TOPOLOGY/HUGEPAGE_SIZE"),
)
IMAGE_PATHS = ("SOURCE",)
NETWORK_PATHS = (
    *OF_NETWORKS,
    *("CONF", "EXTERNAL", "CLUSTER_IDS"),
    *(f"AR/{name}" for name in OF_NETWORKS),
)
USER_PATHS = (*_OPERATIONS, WEIGHT)
GROUP_PATHS = _OPERATIONS

OF_VM = restricted(VM_PATHS)
OF_IMAGE = restricted(IMAGE_PATHS)
OF_NETWORK = restricted(NETWORK_PATHS)
OF_USER = restricted(USER_PATHS)
OF_GROUP = restricted(GROUP_PATHS)
"""The lists of a configuration that has none."""
