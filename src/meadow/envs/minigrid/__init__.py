"""The MiniGrid world: levels whose map is drawn, played without hidden rules."""
