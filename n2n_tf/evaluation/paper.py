"""What the paper measured, and on what (sections 5.1 and 5.2, Tables 1 and 2)."""

REPEATS = {"kodak": 10, "bsd300": 3, "set14": 20}  # noise draws for each image, in the order of the authors' code

TABLE_1: dict[str, dict[str, tuple[float, float]]] = {  # by noise and set: PSNR in dB, SSIM; U-Net
    "gaussian 25": {"kodak": (32.08, 0.879), "bsd300": (30.79, 0.873), "set14": (31.09, 0.864)},
    "gaussian 5-50": {"kodak": (32.10, 0.870), "bsd300": (30.73, 0.861), "set14": (31.05, 0.858)},
    "poisson 30": {"kodak": (31.44, 0.870), "bsd300": (30.10, 0.863), "set14": (30.29, 0.853)},
    "poisson 5-50": {"kodak": (30.86, 0.855), "bsd300": (29.54, 0.843), "set14": (29.79, 0.838)},
}

SIDD_VALIDATION = "SIDD validation"
TABLE_2 = {  # by set and row, as `published`; peak 1
    SIDD_VALIDATION.lower(): {"paper, Table 2, U-Net": (51.06, 0.991), "paper, Table 2, RRGs": (51.39, 0.991)}
}


def published(noise: str) -> dict[str, dict[str, tuple[float, float]]]:
    """By set in small letters and row of a table: PSNR in dB and SSIM, with this noise added."""
    return {name: {"paper, Table 1": scores} for name, scores in TABLE_1.get(noise, {}).items()}
