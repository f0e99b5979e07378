"""The configuration as clients see it: in the form of today's oned.conf, without secrets.

Source: reference/drivers.md §3, reference/xmlrpc.md §1; the schema is opennebula_configuration.xsd.
"""

from trifid.core.template.model import Template, Value
from trifid.engine.config import Config, DriverSettings, RestrictedSettings

_IN_PLACE = {"LN_TARGET": "NONE", "SHARED": "YES", "DS_MIGRATE": "YES"}
_ABOUT_TRANSFER = {
    "ssh": {"LN_TARGET": "SYSTEM", "CLONE_TARGET": "SYSTEM", "SHARED": "NO", "DS_MIGRATE": "YES"},
    "lvm": {**_IN_PLACE, "CLONE_TARGET": "SELF"},
}
"""What TM_MAD_CONF says of the drivers that are not as `shared` is (reference/drivers.md §3)."""
_AS_SHARED = {**_IN_PLACE, "CLONE_TARGET": "SYSTEM"}


def public_config(config: Config) -> Template:
    """Return the configuration as one.system.config answers it: no secrets, no database URL, no arguments."""
    drivers = config.drivers
    pairs: list[tuple[str, Value]] = [
        ("API_LIST_ORDER", config.api.list_order),
        ("DATASTORE_LOCATION", config.engine.datastore_location),
        ("DEFAULT_DEVICE_PREFIX", "sd"),
        ("DEFAULT_UMASK", config.engine.default_umask),
        ("LISTEN_ADDRESS", config.api.listen),
        ("MAC_PREFIX", config.network.mac_prefix),
        ("NETWORK_SIZE", str(config.network.network_size)),
        ("PORT", str(config.api.port)),
    ]
    for word, of_family in (("IM_MAD", drivers.im), ("VM_MAD", drivers.vmm)):
        pairs += [(word, {"NAME": name, "EXECUTABLE": one.executable}) for name, one in of_family.items()]
    pairs += _unnamed("TM_MAD", drivers.tm) + _unnamed("DATASTORE_MAD", drivers.ds)
    pairs += [("TM_MAD_CONF", {"NAME": name, **_ABOUT_TRANSFER.get(name, _AS_SHARED)}) for name in drivers.tm]
    pairs += [("DS_MAD_CONF", {"NAME": name, "PERSISTENT_ONLY": "NO", "REQUIRED_ATTRS": ""}) for name in drivers.ds]
    pairs += [(word, path) for word, paths in _restricted(config.restricted) for path in paths]
    told = config.authentication
    if told.methods:
        executable = drivers.auth[told.driver].executable
        pairs.append(("AUTH_MAD", {"AUTHN": ",".join(told.methods), "EXECUTABLE": executable}))
        pairs += [("DEFAULT_AUTH", told.default)] if told.default else []
    return Template(tuple(pairs))


def _restricted(lists: RestrictedSettings) -> list[tuple[str, tuple[str, ...]]]:
    """Return the lists of restricted attributes, by what upstream calls them."""
    return [
        ("VM_RESTRICTED_ATTR", lists.vm),
        ("IMAGE_RESTRICTED_ATTR", lists.image),
        ("VNET_RESTRICTED_ATTR", lists.network),
        ("USER_RESTRICTED_ATTR", lists.user),
        ("GROUP_RESTRICTED_ATTR", lists.group),
    ]


def _unnamed(word: str, drivers: dict[str, DriverSettings]) -> list[tuple[str, Value]]:
    """Return entries that have no NAME in the schema: the driver is told by the argument that upstream uses for it."""
    return [(word, {"ARGUMENTS": f"-d {name}", "EXECUTABLE": one.executable}) for name, one in drivers.items()]
