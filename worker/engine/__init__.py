"""The engine: one device, the texts that it writes and the pictures that it draws."""
