"""The command line: `n2n-tf COMMAND`, one file for each command."""
