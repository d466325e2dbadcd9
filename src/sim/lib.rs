//! An in-memory Kubernetes API server, a simulated fleet and a clock, for tests only.
