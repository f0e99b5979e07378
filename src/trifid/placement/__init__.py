"""Which virtual machine goes where: pure functions from a view of the cluster to a plan."""
