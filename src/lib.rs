//! The kanban gateway: a chat bot service that speaks `/kanban`, keeps a durable board and runs workers.

pub mod board;
pub mod clock;
pub mod command;
pub mod random;
