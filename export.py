"""`python export.py` is `n2n-tf export`."""

import sys

from n2n_tf.cli.main import main

sys.exit(main(["export", *sys.argv[1:]]))
