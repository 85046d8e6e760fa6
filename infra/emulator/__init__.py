"""The local cloud: an emulator of the Google APIs that really executes the models it is given."""
