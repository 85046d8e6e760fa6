"""What stands beside the path of tasks.py and needs both infra and model: the one part of infra that knows models."""
