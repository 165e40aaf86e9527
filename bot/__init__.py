"""The Discord front end: commands, buttons and messages that grow; it talks to the worker over HTTP only."""
