"""The embedded deployment engine: runs the Pulumi program where no Pulumi CLI is installed."""
