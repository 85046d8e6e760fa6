"""What stands beside the path of tasks.py and needs both infra and model: shared pieces, and the side tasks."""
