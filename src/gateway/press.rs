//! Presses of buttons: what stands behind one is looked up, asked for, confirmed and run as the person who pressed.

use kanban_platform::{Request, Style, Thread};

use super::{Gateway, answer::answering, on};
use crate::{
    board::{
        Board, Error, Reason, TaskId,
        button::{CONFIRMATION, Deed, Offer},
        delivery::Told,
        error::refuse,
        question::Road,
        task::Status,
    },
    command::{Caller, Kanban, Mistake, Outcome, Press, Reply, Update, verbs::AnswerBy},
};

/// A button as a platform names it, and what was filled in.
pub(super) struct Pressed<'a> {
    pub(super) message: &'a str,
    pub(super) button: &'a str,
    pub(super) words: Option<&'a str>,
}

impl Gateway {
    pub(super) async fn press(
        &self,
        caller: &Caller,
        request: &Request,
        pressed: &Pressed<'_>,
        update: &Update,
    ) -> Outcome {
        let found = match self.pressed(&request.thread, pressed).await {
            Ok(Some((board, told, number))) => {
                let task = told.task.as_ref().and_then(|task| task.parse::<TaskId>().ok());
                // What somebody may not see is not there.
                let is_seen = self.is_seen(caller, &board, task.as_ref()).await;
                is_seen.map(|is_seen| is_seen.then_some((board, told, number)))
            }
            found => found,
        };
        let reply = match found {
            Ok(Some((board, told, Some(number)))) => {
                match self.push(caller, request, &board, &told, number, pressed.words, update).await {
                    Ok(outcome) => return outcome,
                    Err(error) => self.desk.failed(caller, Some(board.slug()), &error),
                }
            }
            Ok(Some((_, _, None))) => {
                Reply::refused(format!("there is no button `{}` below this message", pressed.button))
            }
            Ok(None) => Reply::refused("this button is no longer there; `/kanban list` shows the tasks"),
            Err(error) => self.desk.failed(caller, None, &error),
        };
        self.desk.answer(caller, Some(update), reply).await
    }

    /// Does what a button of a post stands for.
    #[expect(clippy::too_many_arguments, reason = "a press is all of these, and two roads lead here")]
    pub(super) async fn push(
        &self,
        caller: &Caller,
        request: &Request,
        board: &Board,
        told: &Told,
        number: usize,
        words: Option<&str>,
        update: &Update,
    ) -> Result<Outcome, Error> {
        let person = format!("{}:{}", request.author.platform, request.author.id);
        let kept = board.read().await?.pressable(told.delivery, number, &person, self.desk.now()).await?;
        let offer = kept.offer;
        let press = Press { told, number, person: &person };
        let task = told.task.as_ref().and_then(|task| task.parse::<TaskId>().ok());
        let words = words.map(str::trim);
        if offer.asks && words == Some("") {
            refuse!(Invalid, "`{}` needs words, and there were none; press it again", offer.label);
        }
        let road = if words.is_some() { Road::Form } else { Road::Button };
        let by = AnswerBy { road, question: offer.question, choice: None };
        match (&offer.deed, task) {
            (Deed::Leave, _) => {
                let reply = Reply { is_private: told.post.private, ..Reply::text("Nothing was changed") };
                self.desk.answer_on(board, caller, update, reply, Some(&press)).await
            }
            (Deed::Run(command), task) if offer.asks => match (words, task) {
                (Some(words), _) => Ok(self.run(caller, filled(board, command, words), Some(&press), update).await),
                (None, task) => {
                    let trial = filled(board, command, "x");
                    self.prompt(caller, board, told, task.as_ref(), &offer, trial, update).await
                }
            },
            (Deed::Run(command), _) => Ok(self.run(caller, on(board, command), Some(&press), update).await),
            (Deed::Confirm(command), Some(task)) => {
                self.confirm(caller, board, told, &task, (command, offer.event), &person, update).await
            }
            // Without a task there is nothing that could be ended.
            (Deed::Confirm(command), None) => Ok(self.run(caller, on(board, command), Some(&press), update).await),
            (Deed::Choose(place), Some(task)) => {
                let by = AnswerBy { choice: Some(*place), ..by };
                Ok(self.run(caller, Ok(answering(board, &task, "", by)), Some(&press), update).await)
            }
            (Deed::Answer, Some(task)) => {
                let command = answering(board, &task, words.unwrap_or_default(), by);
                if words.is_some() {
                    return Ok(self.run(caller, Ok(command), Some(&press), update).await);
                }
                self.prompt(caller, board, told, Some(&task), &offer, Ok(command), update).await
            }
            (Deed::Choose(_) | Deed::Answer, None) => {
                refuse!(Unknown, "the task of this question is gone; `{{kanban}} list` shows those that are there")
            }
        }
    }

    /// Asks for the words of a button in a message of its own, where the platform has no forms. Whoever replies to it has
    /// pressed the button with these words.
    #[expect(clippy::too_many_arguments, reason = "a press is all of these")]
    async fn prompt(
        &self,
        caller: &Caller,
        board: &Board,
        told: &Told,
        task: Option<&TaskId>,
        offer: &Offer,
        trial: Result<Kanban, Mistake>,
        update: &Update,
    ) -> Result<Outcome, Error> {
        self.may(caller, trial).await?;
        let mut tx = board.read().await?;
        let title = match task {
            Some(task) => tx.task(task).await?.title,
            None => String::new(),
        };
        let mut text = match &offer.deed {
            Deed::Answer => format!("Reply to this message with your answer to “{title}”."),
            Deed::Run(words) if words.first().is_some_and(|verb| verb == "reassign") => {
                format!("Reply to this message with the profile that is to do “{title}”.")
            }
            Deed::Run(words) if words.first().is_some_and(|verb| verb == "create") => {
                format!("Reply to this message with what is to be done after “{title}”.")
            }
            Deed::Run(_) | Deed::Confirm(_) | Deed::Choose(_) | Deed::Leave => {
                format!("Reply to this message with what `{}` needs for “{title}”.", offer.label)
            }
        };
        if let Some(question) = offer.question
            && let Some(hint) = tx.question(question).await?.and_then(|asked| asked.hint)
        {
            text.push_str(&format!("\nWhat it needs to know: {hint}"));
        }
        drop(tx);
        let asked = Offer { origin: Some(told.delivery), ..offer.clone() };
        let reply = Reply {
            task: task.cloned(),
            event: Some("prompt"),
            prompts: true,
            actions: vec![asked],
            ..Reply::text(text)
        };
        self.desk.answer_on(board, caller, update, reply, None).await
    }

    /// Asks whether what cannot be taken back is meant. Only who pressed may say so.
    #[expect(clippy::too_many_arguments, reason = "a press is all of these")]
    async fn confirm(
        &self,
        caller: &Caller,
        board: &Board,
        told: &Told,
        task: &TaskId,
        (command, event): (&[String], Option<i64>),
        person: &str,
        update: &Update,
    ) -> Result<Outcome, Error> {
        self.may(caller, on(board, command)).await?;
        let task = board.read().await?.task(task).await?;
        let verb = command.first().map_or("end", String::as_str);
        let effect = match (verb, task.status) {
            (_, Status::Running) => "Its worker is stopped.",
            ("cancel", _) => "It ends without a result.",
            (_, _) => "It goes out of sight.",
        };
        let mut what = verb.to_owned();
        what[..1].make_ascii_uppercase();
        let only = |offer: Offer| Offer { who: Some(person.to_owned()), lasts: CONFIRMATION, ..offer };
        let yes = Offer::new(format!("Yes, {verb} it"), Deed::Run(command.to_vec())).styled(Style::Danger);
        let yes = Offer { origin: Some(told.delivery), event, ..yes };
        let reply = Reply {
            is_private: true,
            task: Some(task.id),
            actions: vec![only(yes), only(Offer::new("No", Deed::Leave))],
            ..Reply::text(format!("{what} “{}”? {effect}", task.title))
        };
        self.desk.answer_on(board, caller, update, reply, None).await
    }

    /// Refuses to ask somebody for more who may not run the command in the end.
    async fn may(&self, caller: &Caller, command: Result<Kanban, Mistake>) -> Result<(), Error> {
        let command = command.map_err(|mistake| Error::refused(Reason::Usage, mistake.text))?;
        self.desk.may(caller, &command).await
    }

    /// The post whose button was pressed, and the button's number: by its key, which names the post, or by its label.
    async fn pressed(
        &self,
        thread: &Thread,
        pressed: &Pressed<'_>,
    ) -> Result<Option<(Board, Told, Option<usize>)>, Error> {
        for board in self.desk.boards.all().await? {
            let found = board.read().await?.told_by_key(pressed.button).await?;
            if let Some((told, number)) = found.filter(|(told, _)| told.post.thread.platform == thread.platform) {
                return Ok(Some((board, told, Some(number))));
            }
        }
        let Some((board, told)) = self.told(thread, pressed.message).await? else { return Ok(None) };
        let labelled = board.read().await?.told_by_label(thread, pressed.message, pressed.button).await?;
        Ok(Some(match labelled {
            Some((told, number)) => (board, told, Some(number)),
            None => (board, told, None),
        }))
    }
}

/// A command with what its button has asked for: the first line by its place, the lines below as its running text.
fn filled(board: &Board, command: &[String], words: &str) -> Result<Kanban, Mistake> {
    let (first, below) = words.split_once('\n').unwrap_or((words, ""));
    let mut all = command.to_vec();
    if !below.trim().is_empty() {
        let option = if command.first().is_some_and(|verb| verb == "create") { "body" } else { "reason" };
        all.push(format!("--{option}={below}"));
    }
    // Whatever it begins with, it is no option.
    all.extend(["--".to_owned(), first.trim().to_owned()]);
    on(board, &all)
}
