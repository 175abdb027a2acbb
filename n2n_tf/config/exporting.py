"""Settings of inference and export."""

from n2n_tf.config.settings import above, at_least

MEMORY = 4.0  # GB of resident memory to denoise in
MAX_PIXELS = 64_000_000  # of a file that a served model accepts
LEAST_MAX_PIXELS = 2**14  # so that the files of its check and warm-up pass
MEMORIES = above(0, 10**6)
TILES = at_least(32)
PIXELS = at_least(LEAST_MAX_PIXELS, 2**62)
HALVES = ("float16", "bfloat16")
FORMATS = {"onnx": ("tf2onnx", ".onnx"), "litert": ("tensorflow", ".tflite")}  # the package each needs, its suffix
