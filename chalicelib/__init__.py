"""Image Intellisense: find any picture by saying what is in it."""

__version__ = "0.1.0"
