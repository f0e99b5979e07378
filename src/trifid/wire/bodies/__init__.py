"""The XML documents that the API answers, one module for each kind of object."""
