"""What the commands do, for Python users too."""

NOISY = "noisy"  # among denoisers that are scored, the one that does nothing
