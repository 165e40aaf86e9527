"""A plug-in for Prospero: ``model.py`` is a family of models, ``cog.py`` its command, which imports nothing of it."""
