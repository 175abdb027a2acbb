"""The authors' network and training step in PyTorch, in our own words, to compare with.

As in their code the sub-sampler is two boolean masks over all pixels, applied channel by channel, and the network's
parameters have their names, so that `n2n_tf.networks.authors` reads them.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from n2n_tf.tasks.quiet import quiet_import

SLOPE = 0.2
PAIRS = torch.tensor([(0, 1), (0, 2), (1, 3), (2, 3), (1, 0), (2, 0), (3, 1), (3, 2)])


class Up(nn.Module):
    """A transposed convolution, under the authors' name."""

    def __init__(self, features: int):
        super().__init__()
        self.deconv = nn.ConvTranspose2d(features, features, 2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.deconv(x)


class UNet(nn.Module):
    """The paper's U-Net, [B, C, H, W] to the same."""

    def __init__(self, channels: int = 3, features: int = 48):
        super().__init__()
        wide = 2 * features
        for level in range(7):
            setattr(self, f"enc_conv{level}", nn.Conv2d(features if level else channels, features, 3, padding=1))
        for level in range(5, 0, -1):
            below, skip = features if level == 5 else wide, channels if level == 1 else features
            setattr(self, f"up{level}", Up(below))
            setattr(self, f"dec_conv{level}a", nn.Conv2d(below + skip, wide, 3, padding=1))
            setattr(self, f"dec_conv{level}b", nn.Conv2d(wide, wide, 3, padding=1))
        self.nin_a, self.nin_b, self.nin_c = (
            nn.Conv2d(wide, wide, 1),
            nn.Conv2d(wide, wide, 1),
            nn.Conv2d(wide, channels, 1),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        skips, x = [image], self._conv("enc_conv0", image)
        for level in range(1, 6):
            x = functional.max_pool2d(self._conv(f"enc_conv{level}", x), 2)
            skips.append(x)
        x = self._conv("enc_conv6", x)
        for level in range(5, 0, -1):
            x = torch.cat([getattr(self, f"up{level}")(x), skips[level - 1]], 1)
            x = self._conv(f"dec_conv{level}b", self._conv(f"dec_conv{level}a", x))
        return self.nin_c(self._conv("nin_b", self._conv("nin_a", x)))

    def _conv(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return functional.leaky_relu(getattr(self, name)(x), SLOPE)


def masks(choice: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Which pixels g1 and g2 take, cell by cell; `choice` [B, H/2, W/2] tells the pair of each cell."""
    pairs = PAIRS[choice.reshape(-1)] + 4 * torch.arange(choice.numel())[:, None]
    both = torch.zeros(2, 4 * choice.numel(), dtype=torch.bool)
    both[0, pairs[:, 0]] = True
    both[1, pairs[:, 1]] = True
    return both[0], both[1]


def sub_image(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """[B, C, H, W] -> [B, C, H/2, W/2], one channel after the other."""
    batch, channels, height, width = image.shape
    result = torch.empty(batch, channels, height // 2, width // 2)
    for channel in range(channels):
        cells = functional.pixel_unshuffle(image[:, channel : channel + 1], 2).permute(0, 2, 3, 1).reshape(-1)
        result[:, channel] = cells[mask].reshape(batch, height // 2, width // 2)
    return result


def loss_terms(network: nn.Module, noisy: torch.Tensor, choice: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Reconstruction and regularizer (paper, equation 7)."""
    mask1, mask2 = masks(choice)
    sub1, sub2 = sub_image(noisy, mask1), sub_image(noisy, mask2)
    with torch.no_grad():
        denoised = network(noisy)
    difference = network(sub1) - sub2
    expected = sub_image(denoised, mask1) - sub_image(denoised, mask2)
    return (difference**2).mean(), ((difference - expected) ** 2).mean()


def draw(noisy: torch.Tensor) -> torch.Tensor:
    """A new choice for each cell."""
    batch, _, height, width = noisy.shape
    return torch.randint(0, len(PAIRS), (batch, height // 2, width // 2))


def train_step(
    network: nn.Module, optimizer: torch.optim.Optimizer, noisy: torch.Tensor, choice: torch.Tensor, gamma: float
) -> float:
    """One step of Adam; the loss."""
    optimizer.zero_grad()
    reconstruction, regularizer = loss_terms(network, noisy, choice)
    loss = reconstruction + gamma * regularizer
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def check() -> str:
    """The twin's loss terms and a gradient beside ours, with its weights, image and draw."""
    with quiet_import():
        import tensorflow as tf

        from n2n_tf.methods import Neighbor2Neighbor
        from n2n_tf.networks.authors import from_authors

    torch.manual_seed(0)
    network, noisy = UNet(), np.random.default_rng(0).random((2, 64, 128, 3), np.float32)
    theirs = torch.from_numpy(noisy).permute(0, 3, 1, 2)
    choice = draw(theirs)
    terms = loss_terms(network, theirs, choice)
    sum(terms).backward()
    model = Neighbor2Neighbor(from_authors({name: value.numpy() for name, value in network.state_dict().items()}))
    with tf.GradientTape() as tape:
        *ours, _ = model.loss_terms(tf.constant(noisy), tf.constant(choice.numpy(), tf.int32))
        loss = ours[0] + ours[1]
    kernel = model.network.get_layer("enc_conv0").kernel
    gradient = tape.gradient(loss, kernel.value).numpy().transpose(3, 2, 0, 1)
    expected = network.enc_conv0.weight.grad.numpy()
    errors = [abs(float(one) / float(other.detach()) - 1) for one, other in zip(ours, terms, strict=True)]
    errors.append(float(np.abs(gradient - expected).max() / np.abs(expected).max()))
    if max(errors) > 1e-4:
        raise SystemExit(f"the twin differs from ours: {errors}")
    return f"The twin's loss terms and its first layer's gradient equal ours within {max(errors):.0e}."
