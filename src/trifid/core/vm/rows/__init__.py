"""The rows of the life cycle, by chapter; table.py puts them together and checks them."""
