"""Folders of instances -> folders of predictions: the batch engine, run as `python -m model.batch_predict`."""
