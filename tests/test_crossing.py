"""What one Keras writes the other reads: weights and SavedModels, not .keras files."""

import subprocess
import sys
from pathlib import Path

import pytest

from n2n_tf.compat import KERAS_2
from tests.crossing import CASES

ROOT = Path(__file__).parents[1]
OTHER = ROOT / (".venv" if KERAS_2 else ".venv-addons")


@pytest.mark.skipif(
    not (OTHER / "installed").exists(), reason="wants both environments: make test, then make test-addons"
)
@pytest.mark.parametrize("readers", [1, -1], ids=["from here", "to here"])
def test_both_read_what_the_other_writes(readers, tmp_path):
    for python, what in zip([sys.executable, str(OTHER / "bin" / "python")][::readers], ("write", "read"), strict=True):
        command = [python, "-m", "tests.crossing", what, str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
    assert f"read {len(CASES)} networks" in done.stdout
