"""Image files in and out: `table.py` lists the formats, one file each; `readers.py`, `writers.py` go by it."""
