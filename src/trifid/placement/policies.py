"""Policies: ranks of hosts by name."""

POLICIES = {
    "packing": "RUNNING_VMS",
    "striping": "- RUNNING_VMS",
    "load-aware": "FREE_CPU",
    "fixed": "PRIORITY",
}
"""The rank of a VM without its own, by name of the policy (reference/templates.md §6.2)."""
