"""The kinds of objects that commands act on: what they are called, and how they are looked up.

Source: reference/xmlrpc.md §5.1 (the texts about names), reference/api-modern.md §3 and §4.
"""

from typing import Any, NamedTuple


class Kind(NamedTuple):
    """One kind of object.

    Attributes:
        command: the command that manages it.
        element: its name in documents; that of its pool ends in _POOL.
        label: what messages call it.
        methods: prefix of its methods.
        pool: the method that lists them, with the arguments that list all.
        missing, several: what is said about a name that nobody has, or more than one.
        hidden: what is said about objects that have no name any more; empty when there are none.
    """

    command: str
    element: str
    label: str
    methods: str
    pool: tuple[Any, ...]
    missing: str
    several: str
    hidden: str = ""

    @property
    def a_label(self) -> str:
        """Its label with the article that it takes."""
        return f"an {self.label}" if self.label[0] in "aeio" else f"a {self.label}"

    @property
    def info(self) -> str:
        """The method that answers one object's document."""
        return f"{self.methods}.info"


VM = Kind(
    "onevm",
    "VM",
    "VM",
    "one.vm",
    ("one.vmpool.info", -2, -1, -1, -1),
    "VM named {} not found.",
    "There are multiple VM's with name {}.",
    'finished VMs are found by their ids only, which "onevm list --done" tells',
)
HOST = Kind(
    "onehost",
    "HOST",
    "host",
    "one.host",
    ("one.hostpool.info",),
    "Host named {} not found.",
    "There are multiple hosts with name {}.",
)
NETWORK = Kind(
    "onevnet",
    "VNET",
    "network",
    "one.vn",
    ("one.vnpool.info", -2, -1, -1),
    "Virtual networks named {} not found.",
    "There are multiple virtual networks with name {}.",
)
VM_TEMPLATE = Kind(
    "onetemplate",
    "VMTEMPLATE",
    "VM template",
    "one.template",
    ("one.templatepool.info", -2, -1, -1),
    "Template named {} not found.",
    "There are multiple templates with name {}.",
)
IMAGE = Kind(
    "oneimage",
    "IMAGE",
    "image",
    "one.image",
    ("one.imagepool.info", -2, -1, -1),
    "Image named {} not found.",
    "There are multiple images with name {}.",
)
DATASTORE = Kind(
    "onedatastore",
    "DATASTORE",
    "datastore",
    "one.datastore",
    ("one.datastorepool.info",),
    "Datastore named {} not found.",
    "There are multiple datastores with name {}.",
)
SECURITY_GROUP = Kind(
    "onesecgroup",
    "SECURITY_GROUP",
    "security group",
    "one.secgroup",
    ("one.secgrouppool.info", -2, -1, -1),
    "Security group named {} not found.",
    "There are multiple security groups with name {}.",
)
VM_GROUP = Kind(
    "onevmgroup",
    "VM_GROUP",
    "VM group",
    "one.vmgroup",
    ("one.vmgrouppool.info", -2, -1, -1),
    "VM group named {} not found.",
    "There are multiple VM groups with name {}.",
)
HOOK = Kind(
    "onehook",
    "HOOK",
    "hook",
    "one.hook",
    ("one.hookpool.info",),
    "Hook named {} not found.",
    "There are multiple hooks with name {}.",
)
CLUSTER = Kind(
    "onecluster",
    "CLUSTER",
    "cluster",
    "one.cluster",
    ("one.clusterpool.info",),
    "Cluster named {} not found.",
    "There are multiple clusters with name {}.",
)
NETWORK_TEMPLATE = Kind(
    "onevntemplate",
    "VNTEMPLATE",
    "network template",
    "one.vntemplate",
    ("one.vntemplatepool.info", -2, -1, -1),
    "Virtual network template named {} not found.",
    "There are multiple virtual network templates with name {}.",
)
USER = Kind(
    "oneuser",
    "USER",
    "user",
    "one.user",
    ("one.userpool.info",),
    "User named {} not found.",
    "There are multiple users with name {}.",
)
GROUP = Kind(
    "onegroup",
    "GROUP",
    "group",
    "one.group",
    ("one.grouppool.info",),
    "Group named {} not found.",
    "There are multiple groups with name {}.",
)
VDC = Kind(
    "onevdc",
    "VDC",
    "VDC",
    "one.vdc",
    ("one.vdcpool.info",),
    "VDC named {} not found.",
    "There are multiple VDCs with name {}.",
)
ACL = Kind(
    "oneacl",
    "ACL",
    "access rule",
    "one.acl",
    ("one.acl.info",),
    "There is no access rule {}.",
    "There are multiple access rules {}.",
)
"""Rules have no names: what they say stands for them."""
ZONE = Kind(
    "onezone",
    "ZONE",
    "zone",
    "one.zone",
    ("one.zonepool.info",),
    "Zone named {} not found.",
    "There are multiple zones with name {}.",
)
