"""What a run leaves behind (manifest, metrics, checkpoints, pictures) and how it is watched."""
