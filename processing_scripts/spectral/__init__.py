"""Spectral indices of satellite scenes, as a processing job computes them.

`cli` takes the arguments, `shard` works through the scenes, `produce` turns one scene into a product:
`scenes` and `bands` say what to read, `radiometry` and `mask` how to read it, `resampling` brings it onto
one grid, `indices` say what to compute, `engine` computes it block by block, `cog`, `preview` and `item` write it
down, `staging` puts it in place.
"""

__version__ = "0.1.0"
