"""The treatment room's hardware, as the rest of the program sees it."""
