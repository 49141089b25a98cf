//! The connection over which Discord sends events: serenity's, with a watch over it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kanban_platform::PlatformError;
use serenity::{
    Error as SerenityError, async_trait,
    client::{ClientBuilder, Context, RawEventHandler},
    gateway::{ConnectionStage, GatewayError, ShardManager},
    http::{HttpBuilder, LightMethod, Route},
    model::{
        event::Event,
        gateway::GatewayIntents,
        id::{GuildId, ShardId},
    },
};
use tokio::time::{Instant, interval, timeout};
use tokio_util::task::TaskTracker;

use crate::{
    api::{Api, Call, CallError},
    history::read_missed,
    inbound::Inbound,
    inbox::Arrival,
    registration::register,
};

/// How long after a heartbeat was due its acknowledgement may take.
const ACKNOWLEDGED: Duration = Duration::from_secs(10);

/// Discord's heartbeat interval, until the time between two acknowledgements tells ours.
const USUAL_INTERVAL: Duration = Duration::from_millis(41_250);

/// How long a session may be without a connection before everything begins anew.
const WITHOUT_CONNECTION: Duration = Duration::from_secs(60);

/// How long a clean goodbye may take.
const GOODBYE: Duration = Duration::from_secs(3);

/// Listens until `shutdown`, or until it is clear that listening on is of no use.
pub(crate) async fn listen(
    api: &Arc<Api>,
    inbound: &Arc<Inbound>,
    intents: GatewayIntents,
    guilds: Vec<GuildId>,
) -> Result<(), PlatformError> {
    let shutdown = inbound.shutdown.clone();
    let url = tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        url = gateway_url(api) => url?,
    };
    let mut http = HttpBuilder::new(api.token().reveal()).client(api.client()).ratelimiter_disabled(true);
    if let Some(base) = api.base() {
        http = http.proxy(base);
    }
    let (failures, mut failed) = tokio::sync::mpsc::unbounded_channel();
    let ears = Arc::new(Ears {
        api: Arc::clone(api),
        inbound: Arc::clone(inbound),
        guilds,
        failures,
        tasks: TaskTracker::new(),
        pulse: Mutex::new(Pulse::new(Instant::now())),
        is_registered: AtomicBool::new(false),
    });
    let mut settings = serenity::cache::Settings::default();
    // The adapter keeps what it needs of this by itself.
    (settings.cache_guilds, settings.cache_channels, settings.cache_users) = (false, false, false);
    let building = ClientBuilder::new_with_http(http.build(), intents)
        .cache_settings(settings)
        .raw_event_handler(Listener(Arc::clone(&ears)));
    let mut client = match timeout(Duration::from_secs(30), building).await {
        Ok(built) => built.map_err(|error| broken(&error))?,
        Err(_) => return Err(PlatformError::Broken("Discord does not say where its gateway is".to_owned())),
    };
    // serenity asks as well, and takes the real gateway for an answer when it gets none.
    *client.ws_url.lock().await = url;
    let manager = Arc::clone(&client.shard_manager);
    let ended = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        ended = client.start() => match ended {
            Ok(()) => Err(PlatformError::Broken("the connection to Discord has ended".to_owned())),
            Err(error) => Err(of_gateway(&error)),
        },
        silent = watch(&ears, &manager) => Err(silent),
        Some(failure) = failed.recv() => Err(failure),
    };
    if timeout(GOODBYE, manager.shutdown_all()).await.is_err() {
        tracing::debug!("the connection to Discord was left open");
    }
    ears.tasks.close();
    let _ = timeout(GOODBYE, ears.tasks.wait()).await;
    ended
}

/// Where the gateway is.
async fn gateway_url(api: &Api) -> Result<String, PlatformError> {
    let mut call = Call::new(LightMethod::Get, Route::Gateway);
    call.bucket = Some("gateway".to_owned());
    match api.call(call).await {
        Ok(told) => match told["url"].as_str() {
            Some(url) => Ok(url.to_owned()),
            None => Err(PlatformError::Broken("Discord does not say where its gateway is".to_owned())),
        },
        Err(CallError::Refused(refusal)) if refusal.status == 401 => Err(wrong_token()),
        Err(error) => Err(PlatformError::Broken(error.to_string())),
    }
}

/// Restarts the session when the connection has gone silent, and gives up when none comes about.
///
/// serenity looks for the acknowledgement of a heartbeat only when the next one is due, and then waits some seconds for
/// a goodbye; and after a reset connection it may wait on a dead one.
async fn watch(ears: &Ears, manager: &Arc<ShardManager>) -> PlatformError {
    let mut ticks = interval(Duration::from_millis(500));
    let mut latency = None;
    let mut connected = Instant::now();
    loop {
        ticks.tick().await;
        let now = Instant::now();
        let runner = manager.runners.lock().await.get(&ShardId(0)).map(|runner| (runner.latency, runner.stage));
        let is_connected = matches!(runner, Some((_, ConnectionStage::Connected)));
        let pulse = {
            let mut pulse = ears.pulse.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((Some(measured), _)) = runner
                && latency != Some(measured)
            {
                // Each acknowledgement is measured anew, and no two take the same nanoseconds.
                latency = Some(measured);
                pulse.acknowledged(now);
            }
            *pulse
        };
        if is_connected {
            connected = now;
        }
        let is_silent = is_connected && now > pulse.latest + pulse.interval + ACKNOWLEDGED;
        let is_stuck = runner.is_some() && now > connected + ACKNOWLEDGED && now > pulse.latest + ACKNOWLEDGED;
        if now > connected + WITHOUT_CONNECTION {
            return PlatformError::Broken("no connection to Discord comes about".to_owned());
        }
        if is_silent || is_stuck {
            tracing::warn!("Discord has gone silent; connecting anew");
            ears.pulse.lock().unwrap_or_else(PoisonError::into_inner).latest = now;
            // Nobody answers a goodbye on a dead connection, for which serenity would wait.
            manager.shutdown_finished(ShardId(0));
            manager.restart(ShardId(0)).await;
        }
    }
}

/// When Discord last gave a sign of life.
#[derive(Clone, Copy, Debug)]
struct Pulse {
    latest: Instant,
    /// When the session began or its last heartbeat was acknowledged.
    beat: Instant,
    interval: Duration,
}

impl Pulse {
    fn new(now: Instant) -> Self {
        Self { latest: now, beat: now, interval: USUAL_INTERVAL }
    }

    /// A session began, and with it the first wait for a heartbeat.
    fn began(&mut self, now: Instant) {
        (self.latest, self.beat) = (now, now);
    }

    fn acknowledged(&mut self, now: Instant) {
        // serenity looks every half second whether a heartbeat is due.
        self.interval = now.duration_since(self.beat).min(USUAL_INTERVAL + Duration::from_secs(20));
        (self.latest, self.beat) = (now, now);
    }
}

/// What is done about events.
struct Ears {
    api: Arc<Api>,
    inbound: Arc<Inbound>,
    guilds: Vec<GuildId>,
    failures: tokio::sync::mpsc::UnboundedSender<PlatformError>,
    tasks: TaskTracker,
    pulse: Mutex<Pulse>,
    is_registered: AtomicBool,
}

struct Listener(Arc<Ears>);

#[async_trait]
impl RawEventHandler for Listener {
    async fn raw_event(&self, _context: Context, event: Event) {
        let arrived = Instant::now();
        let ears = Arc::clone(&self.0);
        // A connection that outlives its goodbye speaks to nobody.
        if !ears.inbound.shutdown.is_cancelled() {
            ears.pulse.lock().unwrap_or_else(PoisonError::into_inner).latest = arrived;
            let tasks = ears.tasks.clone();
            tasks.track_future(ears.hear(event, arrived)).await;
        }
    }
}

impl Ears {
    async fn hear(self: Arc<Self>, event: Event, arrived: Instant) {
        let places = &self.inbound.places;
        match event {
            Event::MessageCreate(event) => self.inbound.message(&event.message).await,
            Event::InteractionCreate(event) => self.inbound.interaction(event.interaction, arrived).await,
            Event::Ready(event) => {
                self.inbound.inbox.put(Arrival::Session);
                self.pulse.lock().unwrap_or_else(PoisonError::into_inner).began(arrived);
                self.inbound.outgoing.is(event.ready.user.id);
                self.inbound.ourselves().user = Some(event.ready.user.id);
                self.begin(event.ready.application.id).await;
            }
            Event::Resumed(_) => self.pulse.lock().unwrap_or_else(PoisonError::into_inner).began(arrived),
            Event::GuildCreate(event) => {
                event.guild.channels.values().chain(&event.guild.threads).for_each(|channel| places.learn(channel));
                let mut us = self.inbound.ourselves();
                let me = us.user;
                let is_ours = |role: &&serenity::model::guild::Role| me.is_some() && role.tags.bot_id == me;
                let roles: Vec<_> = event.guild.roles.values().filter(is_ours).map(|role| role.id).collect();
                for role in roles {
                    if !us.roles.contains(&role) {
                        us.roles.push(role);
                    }
                }
            }
            Event::ChannelCreate(event) => places.learn(&event.channel),
            Event::ChannelUpdate(event) => places.learn(&event.channel),
            Event::ThreadCreate(event) => places.learn(&event.thread),
            Event::ThreadUpdate(event) => places.learn(&event.thread),
            Event::ThreadListSync(event) => event.threads.iter().for_each(|thread| places.learn(thread)),
            Event::ChannelDelete(event) => places.forget(event.channel.id),
            Event::ThreadDelete(event) => places.forget(event.thread.id),
            _ => {}
        }
    }

    /// A new session: the menus are registered once, and what was missed is read each time.
    async fn begin(&self, application: serenity::model::id::ApplicationId) {
        let spec = self.inbound.commands.spec();
        let registering = async {
            if self.is_registered.swap(true, Ordering::AcqRel) {
                return;
            }
            match register(&self.api, application, &self.guilds, spec).await {
                Ok(()) => {}
                Err(failure @ PlatformError::Misconfigured(_)) => {
                    // Nobody listens when the adapter is stopping.
                    let _ = self.failures.send(failure);
                }
                Err(PlatformError::Broken(reason)) => {
                    self.is_registered.store(false, Ordering::Release);
                    tracing::error!(reason, "the commands are not registered; the next session tries again");
                }
            }
        };
        tokio::select! {
            () = self.inbound.shutdown.cancelled() => {}
            _ = async { tokio::join!(registering, read_missed(Arc::clone(&self.inbound), self.inbound.shutdown.clone())) } => {}
        }
    }
}

fn of_gateway(error: &SerenityError) -> PlatformError {
    match error {
        SerenityError::Gateway(GatewayError::InvalidAuthentication) => wrong_token(),
        SerenityError::Gateway(GatewayError::DisallowedGatewayIntents) => PlatformError::Misconfigured(
            "the app may not read messages: turn on Message Content Intent on its page Bot in Discord's developer \
             portal, or take `message_content` out of the settings"
                .to_owned(),
        ),
        SerenityError::Gateway(GatewayError::InvalidGatewayIntents) => PlatformError::Misconfigured(
            "Discord does not know the intents that this version asks for; a newer version is needed, or Message \
             Content Intent in the developer portal"
                .to_owned(),
        ),
        SerenityError::Gateway(GatewayError::OverloadedShard) => PlatformError::Misconfigured(
            "the app is in more guilds than one connection may serve (2,500); take it out of some".to_owned(),
        ),
        error => broken(error),
    }
}

fn wrong_token() -> PlatformError {
    PlatformError::Misconfigured(
        "Discord does not know the bot's token: make a new one on the app's page Bot in the developer portal and put \
         it into the settings"
            .to_owned(),
    )
}

fn broken(error: &SerenityError) -> PlatformError {
    // serenity's errors hold no tokens, but some hold addresses; their first words are enough.
    let said = match error {
        SerenityError::Http(_) => "an answer of Discord's".to_owned(),
        SerenityError::Gateway(error) => error.to_string(),
        _ => "the connection".to_owned(),
    };
    PlatformError::Broken(format!("Discord: {said} failed"))
}
