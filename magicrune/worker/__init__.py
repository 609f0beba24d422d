"""The queue worker: requests from NATS JetStream, each executed once (docs/worker.md)."""
