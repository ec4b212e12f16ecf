"""CIFAR-10 and its small synthetic stand-in, as memory-mapped arrays."""
