"""Keras model -> keyed SavedModel -> predictions joined to their instances."""
