"""Images and where they lie: a catalogue of disks and files, its datastores, and who uses what."""
