"""What a run is told of its network, its optimizer and itself. Imports no TensorFlow."""

from dataclasses import dataclass

from n2n_tf.config import Range, UsageError, above, at_least, checked, part, setting
from n2n_tf.training.schedules import SCHEDULES, Constant, Cosine, Halve

LEAST_STEPS = 100  # of an epoch whose length is left to us: small sets are passed over several times


@dataclass(frozen=True)
class NetworkSettings:
    """The network, whichever it is."""

    network: str = setting(
        "residual_unet",
        "network: residual_unet (the U-Net plus its input), unet (the paper's), rrg (stronger, many times slower), "
        "dncnn (the small classic), or with a blind spot, which laine19 and dbsn need, blindspot_unet or dbsnl",
    )
    features: int = setting(
        0, "width of the network; 0: its own, 48 for the U-Nets, 64 for rrg and dncnn, 128 for dbsnl",
        within=at_least(0, 2**12),
    )  # fmt: skip
    hole: int = setting(
        1, "side of the blind spot of blindspot_unet in pixels, odd; more than 1 where neighbours share noise",
        within=at_least(1, 31),
    )  # fmt: skip
    init: str = setting("default", "initial weights: default, or authors (0.1 times Kaiming, slow to start)")
    weights: str = setting(
        "", "denoiser to start from: blind or blind_gray, which come with n2n-tf, a run directory or a .keras file; "
        "the best one of a run is never worse than it on the held-out images", metavar="MODEL",
    )  # fmt: skip

    def __post_init__(self) -> None:
        checked(self)
        if self.hole != 1 and (self.network != "blindspot_unet" or self.hole % 2 == 0):
            wanted = "an odd number" if self.hole % 2 == 0 else "1; it is for blindspot_unet"
            raise UsageError(f"`hole` {self.hole} with `network` {self.network}: wanted {wanted}")
        if self.weights and self.init != "default":
            raise UsageError(f"`init` {self.init} with `weights` {self.weights}: has no effect; leave it out")


@dataclass(frozen=True)
class OptimizerSettings:
    """The optimizer and its schedule, and the average of the weights that it gives."""

    optimizer: str = setting(
        "adam",
        "adam, adamw, adadelta, adafactor, adagrad, adamax, ftrl, lamb, lion, nadam, rmsprop or sgd; with "
        "TensorFlow Addons also adabelief, cocob, lazyadam, lookahead (over adam), novograd, proximaladagrad, ranger "
        "(lookahead over rectifiedadam), rectifiedadam and yogi",
    )
    beta_2: float = setting(
        0.99, "decay of the optimizer's mean of squared gradients", within=Range(0, 1, above=True, below=True)
    )
    epsilon: float = setting(0.0, "epsilon of the optimizer; 0: its own, 1e-7 for adam", within=at_least(0, 1))
    clip_gradients: float = setting(
        1.0, "gradients are shortened to so many times their usual length, the root mean square over the steps before; "
        "0: never", within=at_least(0),
    )  # fmt: skip
    learning_rate: float = setting(1.5e-3, "highest learning rate", within=above(0, 1e15))
    learning_rate_schedule: Halve | Cosine | Constant = part(SCHEDULES, "cosine", "learning rate")
    ema: float = setting(
        0.0, "momentum of averaged weights, which are then the denoiser's; 0 is off", within=Range(0, 1, below=True)
    )

    def __post_init__(self) -> None:
        checked(self)


@dataclass(frozen=True)
class RunSettings:
    """How long, how often, and on what."""

    epochs: int = setting(100, "number of epochs", within=at_least(1, 10**6))
    steps_per_epoch: int = setting(0, "0: one pass over the images, at least 100 steps", within=at_least(0))
    patience: int = setting(
        0, "epochs without a better denoiser, by the held-out images, after which the run ends; 0: never",
        within=at_least(0),
    )  # fmt: skip
    seconds: float = setting(
        0.0, "of training, all starts together, after which the run ends with its epoch; 0: no limit",
        within=at_least(0, 10**9),
    )  # fmt: skip
    seed: int = setting(0, "seed of everything random", within=at_least(0))
    strategy: str = setting(
        "auto",
        "tf.distribute strategy; auto: multiworker where TF_CONFIG names several workers, mirrored on several GPUs, as "
        "many as divide the batch",
        ("auto", "none", "mirrored", "multiworker"),
    )
    mixed_precision: str = setting(
        "off", "compute type; auto: bfloat16 where this machine is faster in it", ("off", "auto", "bfloat16", "float16")
    )
    jit_compile: str = setting("auto", "XLA; auto: on for one GPU, off on a CPU", ("auto", "on", "off"))
    checkpoint_steps: int = setting(
        1000, "steps between checkpoints; one is written at each epoch's end too", within=at_least(1)
    )

    def __post_init__(self) -> None:
        checked(self)

    def steps(self, images: int, batch: int) -> int:
        """Of the whole run on so many images; an epoch is what was said, or one pass over them."""
        return self.epochs * (self.steps_per_epoch or max(LEAST_STEPS, images // batch))
