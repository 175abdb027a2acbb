"""What the commands do, for Python users too."""
