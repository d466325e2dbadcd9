//! The imperative shell: reconciling, election, scheduling of looks, and the server.
