//! Places that the operator may talk to.
