"""One run from its first step, or its last checkpoint, to its report: where all parts meet."""

import contextlib
import functools
import logging
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.config import RunError
from n2n_tf.data.finding import listing
from n2n_tf.data.pipeline import training_batches
from n2n_tf.data.source import HeldOutSource, Source
from n2n_tf.files import write_json
from n2n_tf.inference import load_denoiser
from n2n_tf.methods.settings import SHOT
from n2n_tf.training.average import AverageWeights
from n2n_tf.training.build import build_method, build_model, build_recipe, take_weights
from n2n_tf.training.checkpoints import Checkpoints
from n2n_tf.training.config import Config
from n2n_tf.training.divergence import StopAtNaN
from n2n_tf.training.environment import environment
from n2n_tf.training.page import write_page
from n2n_tf.training.patience import Patience, TimeLimit
from n2n_tf.training.preemption import StopAtSigterm
from n2n_tf.training.progress import ProgressBar
from n2n_tf.training.rundir import RunDirectory
from n2n_tf.training.scorer import Scorer
from n2n_tf.training.validation import Best, Pictures, Validation
from n2n_tf.training.watching import Watch, Watched
from n2n_tf.training.workers import Workers

logger = logging.getLogger(__name__)


class Run:
    """One run in its directory, from its first step or its last checkpoint to its report.

    Args:
        config, workers, directory: of the run.
        training, held_out: its images.
        watch: follows it, and can end it.

    Attributes:
        offers_start: whether `weights` are a denoiser to beat; not in trials, whose results would be alike.
        start: scores of these, if this is the start of the run.
        earlier: report of a stage before, whose denoiser `weights` are then if this one refines it.
    """

    offers_start = True
    start: dict[str, float] | None = None
    earlier: Mapping[str, Any] = MappingProxyType({})

    def __init__(
        self, config: Config, workers: Workers, directory: RunDirectory, training: Source, held_out: HeldOutSource,
        watch: Watch | None = None,
    ):  # fmt: skip
        if any(index.stem != "step-0" for index in directory.checkpoints.glob("step-*.index")):
            config = config.going_on()
        self.config, self.workers, self.directory = config, workers, directory
        self.training, self.held_out = training, held_out
        self.steps = config.run.steps(len(training), config.crops.batch_size)
        self.per_epoch = self.steps // config.run.epochs
        self.recipe = build_recipe(config)
        measured = directory.noise(config.images.channels, config.method.independent)
        if config.method.independent and not measured and config.noise.name == "none":
            raise RunError("the noise of the images is not known any more: inspection.json is not as it was")
        if config.method.teacher and not measured and not config.method.independent:
            logger.warning(
                "the noise is not known: the teacher's results are learned from the noisy images as they are"
            )
        self.model = build_model(config, self.steps, workers.strategy, measured)
        self.weights = AverageWeights(self.model.network, config.optimizer.ema)
        scored = build_method(config, self.steps, measured)  # on a network of its own
        self.inspection, noise = directory.inspected()
        self.scorer = Scorer(scored, held_out, self.recipe, config.method.target == SHOT, noise)
        self.pictures, self.best = Pictures(directory, config.images.image_kind), Best(directory)
        self.patience = Patience(config.run.patience, self.best, workers)
        self.limit = TimeLimit(config.run.seconds, workers)
        extra = {"since": self.best.since} if config.run.patience else {}
        extra |= {"used": self.limit.used} if config.run.seconds else {}
        extra |= {"clipping": self.model.clipping.state} if self.model.clipping else {}
        self.checkpoints = Checkpoints(
            directory.checkpoints, config.run.checkpoint_steps, self.per_epoch, workers.chief,
            network=self.model.network, optimizer=self.model.optimizer, weights=self.weights.state, best=self.best.cost,
            **extra,
        )  # fmt: skip
        self.watched = Watched(watch, self.scorer, self.checkpoints, self.steps)

    def go(self) -> dict[str, Any]:
        """Train what is left, and report."""
        began = time.monotonic()
        done = self._restore()
        with contextlib.ExitStack() as stack:
            callbacks = self._callbacks(done, stack)
            stack.push(self._page_if_stopped)
            while done < self.steps and not any(each.spent for each in (self.patience, self.limit, self.watched)):
                done = self._fit(done, callbacks)  # twice if resumed in the middle of an epoch: that is a short one
            report = self._report(time.monotonic() - began)
            self.workers.wait()
        return report

    def _restore(self) -> int:
        """The number of steps done: that of the last checkpoint."""
        done = self.checkpoints.restore()
        found = self.workers.gather(done)
        if len(set(found)) > 1:
            raise RunError(
                f"the workers found checkpoints of different steps: {found}; `output` must be one place for all"
            )
        if done:
            logger.info("going on after step %d of %d", done, self.steps)
        if self.workers.chief:
            self.directory.forget_from(done // self.per_epoch)
            if not done:
                self._begin()
        return done

    def _begin(self) -> None:
        """What comes before the first step."""
        if self.inspection:
            self.pictures.tell("inspection", self.inspection["text"])
        path = self.config.network.weights
        if path and self.offers_start and not np.isfinite(self.best.cost.numpy()):
            if self.config.method.teacher:  # whose weights are in there
                take_weights(self.scorer.denoiser, path, "weights")
            self.start = self.scorer.scores()
            self.best.offer(self.scorer, self.scorer.cost(self.start))
            words = (f"val_{name} {self.start[name]:.4g}" for name in self.scorer.shown)
            what = "first stage" if self._refines else f"`weights` {path}"
            logger.info("%s: %s", what, ", ".join(words))

    def _callbacks(self, done: int, stack: contextlib.ExitStack) -> list[keras.callbacks.Callback]:
        run = self.config.run
        progress = stack.enter_context(ProgressBar(done, self.steps, run.epochs, run.seconds))
        sigterm = stack.enter_context(StopAtSigterm(self.checkpoints, self.workers))
        records = [
            Validation(self.scorer, self.weights, self.pictures, self.best),
            keras.callbacks.CSVLogger(self.directory.history, append=True),
            keras.callbacks.TensorBoard(self.directory.tensorboard, write_graph=False),
        ]
        # checkpoints behind the others, so that what they wrote of an epoch is never missing
        own = records if self.workers.chief else []
        endings = [self.patience, self.limit, self.watched]
        return [StopAtNaN(), self.weights, *own, progress, self.checkpoints, *endings, sigterm]

    def _fit(self, done: int, callbacks: list[keras.callbacks.Callback]) -> int:
        """Train to the end of the run, or of the epoch if some of it is done; return the number of steps done."""
        epoch, into_epoch = divmod(done, self.per_epoch)
        until = epoch + 1 if into_epoch else self.config.run.epochs
        self.checkpoints.start_at(done)
        batches = self.workers.strategy.distribute_datasets_from_function(
            functools.partial(training_batches, self.training, self.recipe, done)
        )
        try:
            keras.Model.fit(  # not the method's own: what readers checked may have strong noise
                self.model, batches, initial_epoch=epoch, epochs=until, steps_per_epoch=self.per_epoch - into_epoch,
                shuffle=False, verbose=0, callbacks=callbacks,
            )  # fmt: skip
        except tf.errors.UnknownError as error:  # what TensorFlow makes of an exception of the reader
            raise (self.training.failure or error) from error
        return until * self.per_epoch

    @property
    def _refines(self) -> bool:
        return bool(self.earlier) and self.config.method.independent

    def _started(self) -> dict[str, Any]:
        """Scores of what it started from, and whether nothing was better, which is then kept."""
        if not self.start:
            return {}
        kept = bool(self.best.cost.numpy() == self.scorer.cost(self.start))
        if not self._refines:
            return {"start": self.start, "kept_start": kept}
        told = {"first_stage": self.start, "kept_first_stage": kept}
        if "start" in self.earlier:
            told |= {"start": self.earlier["start"], "kept_start": kept and bool(self.earlier.get("kept_start"))}
        return told

    def _page_if_stopped(self, kind: type[BaseException] | None, *_: Any) -> None:
        """What there is to show of a run that does not come to its end."""
        if kind and self.workers.chief and self.directory.history.exists():
            try:
                write_page(self.directory)
            except (OSError, RunError) as error:  # why it stops is to be told
                logger.warning("no page of the run was written: %s", error)

    def _report(self, seconds: float) -> dict[str, Any]:
        skipped = {**self.training.skipped, **self.held_out.skipped}
        if skipped:
            logger.warning("%d files were skipped:\n%s", len(skipped), listing(skipped))
        if not self.workers.chief:
            return {}
        if not self.directory.denoiser.exists():
            raise RunError("no epoch's denoiser gave numbers on the held-out images; try a lower `learning_rate`")
        self.scorer.use(load_denoiser(self.directory.denoiser))  # the best one, as users will load it
        path = self.directory.samples / "before_after.png"
        self.pictures.save(path, self.scorer.first())
        report = {
            "scores": self.scorer.scores(),
            **self._started(),
            "inspection": self.inspection,
            "trials": self.directory.tried(),
            "scored_images": "training" if self.training.names == self.held_out.names else "held-out",
            "picture": str(path),
            "page": str(self.directory.page),
            "denoiser": str(self.directory.denoiser),
            "data": list(self.config.images.data) or "sample images",
            "value_range": self.training.value_range and list(self.training.value_range),
            "training_images": len(self.training),
            "skipped": skipped,
            "seconds": round(seconds + self.earlier.get("seconds", 0), 1),
            "seed": self.config.run.seed,
            "environment": environment(self.config.run, self.workers),
        }
        write_json(self.directory.report, report)
        write_page(self.directory)
        return report
