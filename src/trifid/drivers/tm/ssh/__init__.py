"""The transfer driver for hosts that have their VMs' disks on disks of their own."""
