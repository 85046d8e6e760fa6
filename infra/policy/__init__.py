"""Rules over what a stack is about to hold, for both engines."""
