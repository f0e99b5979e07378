"""Who is calling: passwords, those who try too often, and methods that drivers check."""
