"""The results of a run, and what shows them: snapshot, clips, replay, summary, tables."""
