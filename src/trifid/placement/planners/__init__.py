"""Re-placement: which running VMs should move where, in which order, and what it costs and gains."""
