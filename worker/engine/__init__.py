"""The engine: one device, the texts that it writes and the pictures that it draws."""

import models as models  # before PyTorch: it settles how PyTorch's threads wait for each other
