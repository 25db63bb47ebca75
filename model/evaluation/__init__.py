"""How good trained networks are: results, reports, model cards, mean maps, ablation."""
