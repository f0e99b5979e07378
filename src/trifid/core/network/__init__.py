"""Virtual networks: from a template to address ranges, and which address a VM gets."""
