"""Data of real problems: images, which node holds which rows, and attacks on them."""
