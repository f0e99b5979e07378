"""Authentication drivers: tell whether the secret of a user is right."""
