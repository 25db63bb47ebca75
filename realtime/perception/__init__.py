"""Face, spotting and naming in the one order that there is: `Pipeline.step(frame) -> Step`."""
