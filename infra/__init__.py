"""Google Cloud resources of the batch prediction stack, and the tools that deploy them."""
