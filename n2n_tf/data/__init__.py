"""Images: found, read, and turned into training batches."""
