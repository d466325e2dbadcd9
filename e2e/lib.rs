//! End to end: scenarios, measurements and the demo, against a real cluster.
