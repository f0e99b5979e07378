"""How a layer of changes alters what users and groups have: the difference to what lies beneath it."""

from trifid.core.quota_usage import Usage, charge_addresses, charge_image, charge_vm, count_held
from trifid.engine.looking import Looking


def change_of(layer: Looking) -> Usage:
    """Return by how much each figure of each owner is more, or less, with a layer than without it.

    It looks at what the layer changes and at nothing else, but for a network that gets another owner: its addresses
    on hold are counted.
    """
    below = layer.parent or Looking(layer.memory)
    batch = layer.batch
    usage: Usage = {}
    for vm_id, vm in batch.vms.items():
        charge_vm(usage, below.find_vm(vm_id), vm)
    for image_id, image in batch.images.items():
        charge_image(usage, below.find_image(image_id), image)
    if batch.networks or batch.leases:
        charge_addresses(
            usage,
            [(below.find_network(network_id), network) for network_id, network in batch.networks.items()],
            [(key, below.lease(key), lease) for key, lease in batch.leases.items()],
            layer.find_network,
            lambda network_id: _held_below(below, network_id),
        )
    return usage


def _held_below(below: Looking, network_id: int) -> int:
    keys = set(below.memory.leases_on.get(network_id, ()))
    keys.update(key for layer in below.layers() for key in layer.batch.leases if key[0] == network_id)
    return count_held(below.lease(key) for key in keys)
