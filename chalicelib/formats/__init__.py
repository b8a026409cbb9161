"""The formats, one room each: what a file's first bytes promise, and its pixels."""

READ = "JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF, JPEG XL, camera RAW"
"""All that are read, for people."""
