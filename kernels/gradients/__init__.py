"""Gradients of losses, of rows and of whole minibatches."""
