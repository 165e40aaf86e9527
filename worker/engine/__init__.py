"""The engine: one device, the texts that it writes, and how their characters are drawn."""
