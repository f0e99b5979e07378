"""The template language: text and XML to attributes, what each may be, and the expressions that place VMs."""
