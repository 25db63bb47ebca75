"""Running trained networks: checkpoints, confidence, and naming a window."""
