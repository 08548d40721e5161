"""What the clouds rent out, what it costs, and which driver and torch go on it. Data files and pure look-ups."""
