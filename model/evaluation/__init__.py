"""What trained networks are worth: results, reports, model cards, ablation, sensitivity, speed."""
