"""Face, spotting and naming in their one fixed order: `Pipeline.step(frame) -> Step`."""
