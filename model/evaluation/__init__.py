"""How good trained networks are: results, reports, model cards, ablation, sensitivity, speed."""
