"""Text to records and back: driver lines, XML-RPC, documents.  Pure, like the core."""
