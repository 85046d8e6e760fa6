"""How fast the engine is beside what others would write: `python -m model.bench`, measured side by side in one run."""
