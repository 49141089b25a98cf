//! The tour: a task, a question, an answer and a result, in the console, with real work on the directory at hand.
//!
//! It says what a person would type, and then types it. Everything that it does goes the way of every other message.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use kanban_console::{Action, Console, Say};
use kanban_platform::Commands;
use tokio::time::{Instant, timeout_at};

use crate::{
    board::{BoardSlug, TaskId, task::Status},
    command::Desk,
};

/// The thread in which it is.
const THREAD: &str = "tour";

/// How long a step may take until the tour gives up.
const PATIENCE: Duration = Duration::from_secs(45);

/// How long a person at the terminal has for an answer of their own.
const THEIR_TURN: Duration = Duration::from_secs(30);

// A name may hold a line break, so the ends of names are marked by what none can hold.
const COUNT: &str = "\
files=$(find . -xdev -type f -not -path '*/.git/*' -not -name '.kanban*' -print0 2>/dev/null | tr '\\n\\0' '?\\n' | head -n 10000)
count=$(printf '%s\\n' \"$files\" | grep -c .)
test \"$count\" = 10000 && count='10000 or more'
echo \"$count files, here and below.\"
endings=$(printf '%s\\n' \"$files\" | sed -n 's/.*[^/]\\(\\.[^./]*\\)$/\\1/p' | sort | uniq -c | sort -rn | head -n 5)
test -z \"$endings\" || printf 'The most frequent endings:\\n%s\\n' \"$endings\"";

const ASK: &str = "\
if [ \"$KANBAN_ATTEMPT\" = 1 ]; then
    kanban block \"$KANBAN_TASK\" --choice newest --choice largest \"Which files right here shall I list?\"
else
    answer=$(kanban show \"$KANBAN_TASK\" | sed -n 's/.* console:you: //p' | tail -n 1)
    case $answer in *largest*) order=-S ;; *) order=-t ;; esac
    list=$(ls -1p $order | grep -v '/$' | head -n 5)
    kanban complete \"$KANBAN_TASK\" --summary \"You said: $answer.
${list:-There are no files right here, only below.}\"
fi";

/// What a directory of the tour's own holds.
const SAMPLE: &str = "for name in letter.txt notes.txt photo.jpg; do echo \"$name\" > \"$name\"; done\n";

/// Where the tour's tasks look.
struct Ground {
    /// None for a directory of each task's own, with a few files.
    folder: Option<PathBuf>,
    /// Why it is not the directory at hand.
    note: Option<String>,
}

impl Ground {
    /// The directory at hand; where that holds or lies in our home, which workers may not reach, one that lies in it.
    fn of(folder: &Path, home: &Path) -> Self {
        let true_path = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let (folder, home) = (true_path(folder), true_path(home));
        let is_apart = |path: &Path| !home.starts_with(path) && !path.starts_with(&home);
        if is_apart(&folder) {
            return Self { folder: Some(folder), note: None };
        }
        let is_fit = |path: &PathBuf| {
            let is_hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
            let has_something = || fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
            !is_hidden && path.is_dir() && !path.is_symlink() && is_apart(path) && has_something()
        };
        let below = fs::read_dir(&folder).ok();
        let below = below.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).filter(is_fit).min();
        let held = format!("`{}` holds the boards, which no worker may reach", folder.display());
        let note = match &below {
            Some(below) => format!("{held}, so it looks at `{}`", below.display()),
            None => format!("{held}, so its tasks look at a few files of their own"),
        };
        Self { folder: below, note: Some(note) }
    }
}

/// Somebody who is shown around.
pub(super) struct Tour {
    pub(super) console: Arc<Console>,
    pub(super) commands: Arc<dyn Commands>,
    pub(super) desk: Desk,
    /// The directory that its tasks look at.
    pub(super) folder: PathBuf,
    /// Whether a person is there who can answer.
    pub(super) is_attended: bool,
}

impl Tour {
    /// Goes through all of it. What stops it is told where it would have gone on.
    pub(super) async fn guide(self) {
        if let Err(reason) = self.steps().await {
            self.console.notice(&format!("The tour ends here: {reason}. `kanban up --tour` begins it again."));
        }
    }

    async fn steps(&self) -> Result<(), String> {
        let ground = Ground::of(&self.folder, self.desk.home());
        let takes = "\nA short tour; it takes a few seconds";
        let opening = match (&ground.note, &ground.folder) {
            (Some(note), _) => format!("{takes}. {note}."),
            (None, folder) => {
                let folder = folder.as_deref().unwrap_or(&self.folder).display();
                format!("{takes}, reads `{folder}`, and changes nothing there.")
            }
        };
        self.console.notice(&format!(
            "{opening}\n\
             1. A task. It goes on the board, and a worker starts for it: here a shell script, elsewhere an agent."
        ));
        let first = self.create("count the files here", COUNT, &ground).await?;
        self.reaches(&first, &[Status::Done], PATIENCE).await?;
        self.console.notice("\n2. A task whose worker has a question. It stops there, and holds nothing up meanwhile.");
        let second = self.create("list some files", ASK, &ground).await?;
        self.reaches(&second, &[Status::Blocked], PATIENCE).await?;
        if self.is_attended {
            self.console.notice(&format!(
                "\n3. Your turn: type `/kanban answer {second} largest`, or press a button: `/press N newest`, where N is the \
                 number of the message that asks. In {} s the tour answers by itself.",
                THEIR_TURN.as_secs()
            ));
        } else {
            self.console.notice("\n3. An answer, as a reply or a button would give it. The worker goes on at once.");
        }
        let waits = if self.is_attended { THEIR_TURN } else { Duration::ZERO };
        if self.reaches(&second, &[Status::Running, Status::Ready, Status::Done], waits).await.is_err() {
            // Somebody who answers at this very moment is first, and that is as good.
            self.types(&format!("/kanban answer {second} newest")).await?;
        }
        self.reaches(&second, &[Status::Done], PATIENCE).await?;
        self.console.notice(
            "\n4. That was the result. In Discord, Telegram or Slack it comes back to the thread that asked.\n\
             `/kanban list` shows the board, `/kanban help` what else there is; `kanban init` in another terminal sets a chat up.",
        );
        Ok(())
    }

    /// Makes a task for a script, as a person does.
    async fn create(&self, title: &str, script: &str, ground: &Ground) -> Result<TaskId, String> {
        let (workspace, sample) = match &ground.folder {
            Some(folder) => {
                let folder = folder.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
                (format!("\"dir:{folder}\""), "")
            }
            None => ("scratch".to_owned(), SAMPLE),
        };
        let line = format!("/kanban create {title} --assignee script --workspace {workspace}");
        self.console.notice(&format!("you> {line} --body …"));
        let (exit, task) = self.types(&format!("{line}\n{sample}{script}")).await?;
        let task = task.filter(|_| exit == 0).and_then(|task| task.parse().ok());
        task.ok_or_else(|| "the task could not be made, for the reason above".to_owned())
    }

    /// Says something, and answers with its exit code and the task that the answer is about.
    async fn types(&self, text: &str) -> Result<(u8, Option<String>), String> {
        let say =
            Say { thread: THREAD.to_owned(), user: "you".to_owned(), action: Action::Text { text: text.to_owned() } };
        let said =
            self.console.say(Arc::clone(&self.commands), say, PATIENCE).await.map_err(|error| error.to_string())?;
        Ok((said.exit, said.posts.into_iter().find_map(|post| post.task)))
    }

    /// Waits until a task has one of these statuses.
    async fn reaches(&self, task: &TaskId, wanted: &[Status], patience: Duration) -> Result<(), String> {
        let fault = |error: crate::board::Error| error.to_string();
        let until = Instant::now() + patience;
        let board = self.desk.boards.get(&BoardSlug::default()).await.map_err(fault)?;
        let mut commits = self.desk.boards.wake().commits.subscribe();
        loop {
            commits.mark_unchanged();
            let seen = board.read().await.map_err(fault)?.task(task).await.map_err(fault)?;
            let status = seen.status;
            if wanted.contains(&status) && !seen.has_failed(self.desk.now()) {
                return Ok(());
            }
            // Trying again would not help a visitor: whatever stops a script of the tour does so each time.
            if seen.has_failed(self.desk.now()) {
                let error = seen.last_error.unwrap_or_default();
                return Err(format!("task {task} has failed: {error}"));
            }
            if matches!(status, Status::Done | Status::Archived | Status::Triage) {
                return Err(format!("task {task} is {status} already; `kanban why {task}` says more"));
            }
            if timeout_at(until, commits.changed()).await.is_err() {
                return Err(format!("task {task} is {status} for too long; `kanban why {task}` says more"));
            }
        }
    }
}
