"""Settings of inference and export."""

from n2n_tf.config.settings import above, at_least

MEMORY = 4.0  # GB of resident memory to denoise in
MAX_PIXELS = 2**22  # of a request to a served model, file or tensor: 6.4 GB with a U-Net, which 8 GB hold
LEAST_MAX_PIXELS = 2**15  # so that what its check and warm-up send passes
MEMORIES = above(0, 10**6)
TILES = at_least(32)
PIXELS = at_least(LEAST_MAX_PIXELS, 2**62)
HALVES = ("float16", "bfloat16")
FORMATS = {"onnx": ("tf2onnx", ".onnx"), "litert": ("tensorflow", ".tflite")}  # the package each needs, its suffix
SECONDS = 20.0  # of adapting a denoiser to images
ADAPTED = above(0, 10**6)
