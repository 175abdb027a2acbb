"""A plugin of the viewer napari: denoise, train on and inspect image layers. Imported by napari, and its worker."""

OWN = "own"  # intensities that count as 0 and 1: the model's own
NOTHING = "nothing"  # to start training from
MINUTES, STEPS = "minutes", "steps"
