"""Images and true labels; knows nothing of people or models."""

from imagesets.mnist_reader import load_mnist

__all__ = ["load_mnist"]
