import pytest

from n2n_tf.config import RunError
from n2n_tf.training.rundir import RunDirectory


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b"\xff\xfe", b"{", b"{}", b'{"environment": []}', b"[" * 99999]
)
def test_a_damaged_config_is_one_error(content, tmp_path):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(RunError, match="damaged"):
        RunDirectory(tmp_path).open({}, None)
