"""Policies: ranks of hosts, and of networks, by name."""

POLICIES = {
    "packing": "RUNNING_VMS",
    "striping": "- RUNNING_VMS",
    "load-aware": "FREE_CPU",
    "fixed": "PRIORITY",
}
"""The rank of a VM without its own, by name of the policy (reference/templates.md §6.2)."""

NETWORK_POLICIES = {"packing": "USED_LEASES", "striping": "- USED_LEASES", "fixed": "PRIORITY"}
"""The rank of networks for a NIC that takes any and has none of its own."""
