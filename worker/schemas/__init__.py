"""Requests and responses of the worker's HTTP API: the one contract that bot and worker share.

The shapes of text completion, image generation and fine-tuning follow OpenAI's API, so that its clients work unchanged;
what Prospero adds (``top_k``, the seed that was used, characters that had to be replaced) stands beside them. Nothing
here imports torch.
"""
