"""Ways of descending side by side: which has the heavier tail, and where one regime ends."""
