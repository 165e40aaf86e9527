"""The commands, one module a topic; each registers through the entry-point group ``prospero.cogs``."""
