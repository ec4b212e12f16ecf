"""Losses, one small file each: `<family>/<id>.py`. Importing this package does not import torch."""
