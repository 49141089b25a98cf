//! Taking what Slack sends: kept first, acknowledged then, and whatever needs no keeping done beside.

use std::{future::Future, sync::Arc, time::Duration};

use kanban_platform::{Author, Batch, Commands, Input, NotKept, Request, Urgency};
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Now, blocks,
    failure::Failure,
    form::{self, Form, Place},
    groups::Groups,
    hear::{Heard, Hearing},
    manifest::COMMAND,
    names::Names,
    payload::Payload,
    web::{Method, Web},
};

/// Slack waits 3 s for an acknowledgement; one that comes later is worth nothing.
const KEEP_DEADLINE: Duration = Duration::from_millis(2_100);

/// How long the names of those may take whom nobody knows yet.
const NAMES_DEADLINE: Duration = Duration::from_millis(400);

/// How long proposals may take.
const SUGGEST_DEADLINE: Duration = Duration::from_millis(2_500);

/// How long the link to a message may take, for the trigger of a form is good for 3 s.
const LINK_DEADLINE: Duration = Duration::from_millis(1_200);

/// How many requests are kept in one transaction.
const BATCH: usize = 64;

/// Takes what Slack sends, for as long as one run lasts.
pub(crate) struct Intake {
    hearing: Hearing,
    commands: Arc<dyn Commands>,
    web: Arc<Web>,
    groups: Arc<Groups>,
    now: Arc<Now>,
    queue: mpsc::UnboundedSender<Waiting>,
    beside: TaskTracker,
    stop: CancellationToken,
}

/// A request that is not acknowledged yet.
struct Waiting {
    request: Request,
    kept: oneshot::Sender<Result<(), NotKept>>,
}

impl Intake {
    pub(crate) fn start(
        hearing: Hearing,
        commands: Arc<dyn Commands>,
        people: (Arc<Names>, Arc<Groups>),
        web: Arc<Web>,
        now: Arc<Now>,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let (names, groups) = people;
        let (queue, waiting) = mpsc::unbounded_channel();
        let beside = TaskTracker::new();
        beside.spawn(keep(Arc::clone(&commands), hearing.platform().to_owned(), names, waiting));
        Arc::new(Self { hearing, commands, web, groups, now, queue, beside, stop })
    }

    /// Runs something beside the reading, to its end or to that of the run.
    pub(crate) fn beside(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.beside.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Takes a payload. What it asks for stands in the queue when this returns, so that the order in which payloads are
    /// taken is the order in which they are kept; what is returned ends when the payload may be acknowledged, with what
    /// the acknowledgement says.
    pub(crate) fn take(
        self: &Arc<Self>,
        payload: Payload,
    ) -> impl Future<Output = Result<Option<Value>, NotKept>> + Send + use<> {
        let heard = self.hearing.hear(payload, self.commands.spec(), (self.now)());
        let taken = match heard {
            Heard::Request(request) => {
                let (kept, waiting) = oneshot::channel();
                // Without a keeper the receiver says so.
                drop(self.queue.send(Waiting { request: *request, kept }));
                Taken::Queued(waiting)
            }
            Heard::Open { trigger_id, form } => {
                let intake = Arc::clone(self);
                self.beside(async move { intake.open(&trigger_id, *form).await });
                Taken::Done(None)
            }
            Heard::Ask { trigger_id, ask } => {
                let intake = Arc::clone(self);
                self.beside(async move {
                    let text = "The form could not be opened. Press the button again, or reply to the message.";
                    intake.show(&trigger_id, &ask.view(), &ask.place, text).await;
                });
                Taken::Done(None)
            }
            Heard::Groups(change) => {
                self.groups.change(change);
                Taken::Done(None)
            }
            Heard::Home(author) => {
                let intake = Arc::clone(self);
                self.beside(async move { intake.show_home(&author).await });
                Taken::Done(None)
            }
            Heard::Suggest(field) => Taken::Asked(Arc::clone(&self.commands), field),
            Heard::Refuse(refusal) => Taken::Done(Some(refusal)),
            Heard::Nothing => Taken::Done(None),
        };
        taken.end()
    }

    /// Opens the form for a new task.
    async fn open(&self, trigger_id: &str, mut form: Form) {
        if let Some(message) = &form.message
            && let Some(link) = self.link(&form.place.channel, message).await
        {
            // The link must not be cut off, so the text is.
            form.body = format!("{}\n\n{link}", crate::markup::shortened(&form.body, 2_600));
        }
        let Some(view) = form.view(self.commands.spec()) else { return };
        let text = "The form could not be opened. Type `/kanban create` and the title instead.";
        self.show(trigger_id, &view, &form.place, text).await;
    }

    /// Opens a modal, or tells the person who asked for it alone that it could not be opened.
    async fn show(&self, trigger_id: &str, view: &Value, place: &Place, otherwise: &str) {
        let method = Method { name: "views.open", channel: None, urgency: Urgency::Reply };
        let Err(failure) = self.web.post(method, &json!({"trigger_id": trigger_id, "view": view})).await else {
            return;
        };
        // What Slack sent once more has opened its form the first time.
        if matches!(&failure, Failure::No(code) if code == "exchanged_trigger_id") {
            return;
        }
        tracing::warn!(reason = failure.reason(), "a form could not be opened");
        if let Some(url) = place.answer_to.response_url_at((self.now)()) {
            let body = json!({"response_type": "ephemeral", "replace_original": false, "text": otherwise});
            if self.web.respond(url, &body).await.is_ok() {
                return;
            }
        }
        let mut body = json!({"channel": place.channel, "user": place.answer_to.user, "text": otherwise});
        if let Some(thread) = &place.thread {
            body["thread_ts"] = thread.as_str().into();
        }
        let method = Method { name: "chat.postEphemeral", channel: Some(&place.channel), urgency: Urgency::Reply };
        if let Err(failure) = self.web.post(method, &body).await {
            tracing::warn!(reason = failure.reason(), "nor could that be said");
        }
    }

    async fn link(&self, channel: &str, message: &str) -> Option<String> {
        let method = Method { name: "chat.getPermalink", channel: Some(channel), urgency: Urgency::Reply };
        let arguments = [("channel", channel.to_owned()), ("message_ts", message.to_owned())];
        let answer = timeout(LINK_DEADLINE, self.web.get(method, &arguments)).await.ok()?.ok()?;
        answer["permalink"].as_str().map(str::to_owned)
    }

    /// Draws a person's own page.
    async fn show_home(&self, author: &Author) {
        let mut drawn = blocks::draw(&self.commands.home(author).await);
        // A view has at most 100 blocks.
        drawn.truncate(100);
        if drawn.is_empty() {
            let text = "Nothing here yet. Type `/kanban create` in any channel to make a task.";
            drawn = blocks::draw(&[kanban_platform::Block::Text(text.to_owned())]);
        }
        let user = author.id.rsplit_once('/').map_or(author.id.as_str(), |(_, user)| user);
        let body = json!({"user_id": user, "view": {"type": "home", "blocks": drawn}});
        let method = Method { name: "views.publish", channel: None, urgency: Urgency::Reply };
        if let Err(failure) = self.web.post(method, &body).await {
            tracing::warn!(reason = failure.reason(), "a home tab could not be drawn");
        }
    }
}

/// How far a payload has come.
enum Taken {
    Done(Option<Value>),
    Queued(oneshot::Receiver<Result<(), NotKept>>),
    Asked(Arc<dyn Commands>, Box<kanban_platform::Field>),
}

impl Taken {
    async fn end(self) -> Result<Option<Value>, NotKept> {
        match self {
            Self::Done(answer) => Ok(answer),
            Self::Queued(kept) => match kept.await {
                Ok(kept) => kept.map(|()| None),
                Err(_) => Err(NotKept("the gateway is stopping".to_owned())),
            },
            Self::Asked(commands, field) => {
                let suggestions = timeout(SUGGEST_DEADLINE, commands.suggest(&field)).await.unwrap_or_default();
                Ok(Some(form::options(&suggestions)))
            }
        }
    }
}

/// Keeps requests in the order in which they were queued, as many in one transaction as wait.
async fn keep(
    commands: Arc<dyn Commands>,
    platform: String,
    names: Arc<Names>,
    mut queue: mpsc::UnboundedReceiver<Waiting>,
) {
    let mut waiting = Vec::with_capacity(BATCH);
    let mut is_failing = false;
    while queue.recv_many(&mut waiting, BATCH).await > 0 {
        let (mut requests, all): (Vec<_>, Vec<_>) =
            waiting.drain(..).map(|waiting| (waiting.request, waiting.kept)).unzip();
        name(&names, &mut requests).await;
        let batch = Batch { platform: platform.clone(), requests, position: None };
        let kept = match timeout(KEEP_DEADLINE, commands.keep(batch)).await {
            Ok(kept) => kept,
            Err(_) => Err(NotKept("the board was busy for too long".to_owned())),
        };
        match &kept {
            Ok(()) => is_failing = false,
            Err(error) if !is_failing => {
                is_failing = true;
                tracing::error!(%error, %platform, "requests are not acknowledged, so that Slack sends them again");
            }
            Err(_) => {}
        }
        for waiting in all {
            // Nobody waits any more where the socket is gone; Slack sends it again, and it is known then.
            drop(waiting.send(kept.clone()));
        }
    }
}

/// Names those who speak to us and whose names Slack did not tell.
async fn name(names: &Names, requests: &mut [Request]) {
    let user = |request: &Request| request.author.id.rsplit_once('/').map(|(_, user)| user.to_owned());
    let is_for_us = |request: &Request| {
        let is_typed = matches!(&request.input, Input::Text(text) if text.starts_with(COMMAND));
        request.addressed || is_typed || request.thread.thread.is_some()
    };
    let mut nameless: Vec<(&mut Request, String)> = requests
        .iter_mut()
        .filter(|request| is_for_us(request))
        .filter_map(|request| user(request).map(|user| (request, user)))
        .filter(|(request, user)| request.author.name == *user)
        .collect();
    names.look_up(nameless.iter().map(|(_, user)| user.as_str()), NAMES_DEADLINE).await;
    for (request, user) in &mut nameless {
        if let Some(name) = names.of(user) {
            request.author.name = name;
        }
    }
}
