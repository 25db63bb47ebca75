"""A face at rest, measured to thresholds for it."""
