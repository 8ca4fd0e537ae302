"""Doors to other houses: Gymnasium, dm_env, gymnax, Torch.

Each module needs the library it is named after; install them with `pip install ".[interop]"` in
Meadow's folder.
"""
