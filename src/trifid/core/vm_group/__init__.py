"""Groups of VMs that are placed with a view to each other."""
