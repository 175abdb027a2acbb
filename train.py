"""`python train.py` is `n2n-tf train`."""

import sys

from n2n_tf.cli.main import main

sys.exit(main(["train", *sys.argv[1:]]))
