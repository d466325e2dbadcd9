//! kubectl-optimize: one verb per file.
