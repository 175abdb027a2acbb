"""`python -m n2n_tf`."""

import sys

from n2n_tf.cli.main import main

sys.exit(main())
