"""The batch engine's kernel in an Apache Beam pipeline of byte ranges: `python -m model.beam_predict`."""
