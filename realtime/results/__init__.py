"""What a run has found, and how it is shown: snapshot, clips, replay, summary, tables."""
