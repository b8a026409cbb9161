"""A model folder → unit vectors of pictures and texts.

    clip = load_clip("models/clip-vit-base-patch32")
    pictures = clip.embed_images([jpeg, png])      # float32 [2, D], rows of length 1
    scores = clip.embed_texts(["a cat"]) @ pictures.T

Importing this loads neither onnxruntime, tokenizers, numpy nor Pillow, and `load_clip` reads no
weights: each tower is loaded when it is first used, so a search function never loads the vision
tower and an embedder never the text tower.
"""

from chalicelib.clip.model import Clip, load_clip
from chalicelib.clip.named import NamedModel, name_of
from chalicelib.clip.pixels import PixelSpec

__all__ = ["Clip", "NamedModel", "PixelSpec", "load_clip", "name_of"]
