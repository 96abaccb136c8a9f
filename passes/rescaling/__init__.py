"""Integer multipliers, addends and shifts in the place of threshold tables: their search, proof and cost."""
