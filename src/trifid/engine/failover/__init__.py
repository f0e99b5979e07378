"""Hosts that fail: told by signs, fenced by drivers or people, their VMs started elsewhere; never without a proof."""
