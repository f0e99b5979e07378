"""Drivers whose VMs are web servers of one page, each a process of this machine."""
