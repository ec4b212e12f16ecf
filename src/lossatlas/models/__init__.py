"""Networks for 32x32 images, and their heads."""
