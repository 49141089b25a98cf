//! Starts a worker for each ready task and follows it to its end.

pub mod workspace;
