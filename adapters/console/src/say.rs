//! One message through the console with its answer, as `kanban say` sends it.

use std::{io, sync::Arc, time::Duration};

use kanban_platform::{Commands, Receipt};
use serde::{Deserialize, Serialize};
use tokio::{task::JoinError, time::timeout};

use crate::{
    Console, Line,
    request::{Action, Place, RequestError},
};

/// What is said, by whom and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Say {
    pub thread: String,
    pub user: String,
    pub action: Action,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The posts that it caused, in order.
    pub posts: Vec<Line>,
    /// The command's exit code.
    pub exit: u8,
}

/// Why there is no answer to hand back.
#[derive(Debug, thiserror::Error)]
pub enum SayError {
    /// Nothing was sent.
    #[error("{0}")]
    NotSent(String),
    /// The message was sent. What it caused goes on.
    #[error(
        "no answer within {} s; the message was taken, and its answer is stored and will be shown in the thread `{thread}`",
        .deadline.as_secs_f32()
    )]
    Late { deadline: Duration, thread: String },
    /// The message was sent to a gateway that leaves, and nothing was done.
    #[error("the gateway hands over or stops just now, and nothing was done; send it again")]
    Left,
    /// The message was sent, and handling it failed.
    #[error("handling the message failed: {0}")]
    Failed(#[from] JoinError),
    #[error("the answer cannot be read from the transcript: {0}")]
    Unreadable(#[from] io::Error),
}

impl Console {
    /// Sends one message and answers with the posts that it caused, once they have all been posted. Many may be under
    /// way at once. The message is handled to its end even when the caller goes away or the deadline passes.
    pub async fn say(&self, commands: Arc<dyn Commands>, say: Say, deadline: Duration) -> Result<Said, SayError> {
        let Say { thread, user, action } = say;
        let request = self.request(&Place { thread, user }, action).map_err(not_sent)?;
        let thread = request.thread.channel.clone();
        let handling = tokio::spawn(async move { commands.handle(request).await });
        let answer = async {
            let Receipt { deliveries, exit, is_left } = handling.await?;
            if is_left {
                return Err(SayError::Left);
            }
            let posts = self.posted(&deliveries).await?;
            Ok(Said { posts, exit })
        };
        timeout(deadline, answer).await.unwrap_or(Err(SayError::Late { deadline, thread }))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
fn not_sent(error: RequestError) -> SayError {
    SayError::NotSent(error.to_string())
}
