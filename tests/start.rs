//! The first minutes with the program, and what keeps it: what `init` writes, what `doctor` says, what backups bring back.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

#[path = "start/backup.rs"]
mod backup;
#[path = "start/doctor.rs"]
mod doctor;
#[path = "start/init.rs"]
mod init;
#[path = "start/metrics.rs"]
mod metrics;
#[path = "start/platforms.rs"]
mod platforms;
#[path = "support/scale.rs"]
#[expect(dead_code, reason = "this suite uses a part of it")]
mod scale;
#[path = "start/tour.rs"]
mod tour;
