"""A host that is not heard of: how it is judged, what proves that it runs nothing, and who starts elsewhere when."""
