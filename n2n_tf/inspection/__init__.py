"""What noise is in these images, whether the method's assumption holds there, and what a denoiser gains."""
