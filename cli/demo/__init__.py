"""`postseal demo`: the main job before one's eyes, on three real messages that lie beside this file.

`story` does it, through the same `Log` that everything uses; `command` tells it.
"""
