"""TIFF, and what programs of microscopes, maps and slides put into one."""
