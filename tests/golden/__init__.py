"""Golden data: what transformers and open_clip make of small models, pictures and texts.

`make golden` records it (record.py, with torch, in an environment of its own); the tests
read it and need none of that.
"""
