"""How good is a denoiser: metrics and pictures."""
