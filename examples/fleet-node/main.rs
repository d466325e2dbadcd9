//! A small member application whose optimizations change what it does.

fn main() {}
