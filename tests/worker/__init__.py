"""The worker, asked over real HTTP."""
