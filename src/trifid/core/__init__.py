"""What is true: records, tables and pure functions, which know of no clock, disk, socket or log."""
