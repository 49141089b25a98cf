//! Many updates, repeated and out of order, and kills between them: each has exactly one effect.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kanban_fakes::{
    Server,
    discord::DiscordServer,
    slack::{Flood, SlackServer},
    telegram::TelegramServer,
};
use kanban_platform::Thread;
use tokio::sync::Mutex;

use crate::{
    home::Home,
    platforms::{CROWD, Stage},
    scale::Scale,
};

/// How many updates come between two kills.
const BETWEEN_KILLS: usize = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_on_discord_has_each_effect_once() {
    let server = DiscordServer::start().await;
    let rooms = CROWD.map(|name| (name, server.channel(&format!("@{name}")))).to_vec();
    let source = Arc::clone(&server);
    flood(server, move |texts, mut draw| {
        let (server, rooms) = (Arc::clone(&source), rooms.clone());
        async move {
            let mut ids: Vec<String> = texts
                .iter()
                .zip(rooms.iter().cycle())
                .map(|(text, (name, place))| server.writes(name, place, text, None))
                .collect();
            // Neighbours change places now and then, and one in ten comes again a little later.
            for at in 1..ids.len() {
                if draw(20) == 0 {
                    ids.swap(at - 1, at);
                }
            }
            for (at, id) in ids.iter().enumerate() {
                server.deliver(id);
                if draw(10) == 0 {
                    server.deliver(&ids[at.saturating_sub(usize::try_from(draw(20)).unwrap())]);
                }
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_on_telegram_has_each_effect_once() {
    let server = TelegramServer::start().await;
    let rooms = CROWD.map(|name| (name, server.private(name))).to_vec();
    let source = Arc::clone(&server);
    flood(server, move |texts, mut draw| {
        let (server, rooms) = (Arc::clone(&source), rooms.clone());
        async move {
            let first = server.last_update().map_or(i64::MAX, |update| update - 200);
            for texts in texts.chunks(50) {
                for (text, (name, place)) in texts.iter().zip(rooms.iter().cycle()) {
                    server.floods(name, place, [text.clone()]);
                }
                tokio::task::yield_now().await;
                server.reorder(1);
                // What comes again was confirmed before: Telegram hands nothing out before what is older.
                let confirmed = server.last_update().unwrap() - i64::try_from(server.unconfirmed()).unwrap();
                for _ in 0..5 {
                    let update = confirmed - i64::try_from(draw(50)).unwrap();
                    if update >= first {
                        server.repeat(Some(update));
                    }
                }
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_on_slack_has_each_effect_once() {
    let server = SlackServer::start().await;
    server.redeliver_after(vec![Duration::from_millis(200), Duration::from_secs(2), Duration::from_secs(8)]);
    let rooms = CROWD.map(|name| (name, server.direct(name))).to_vec();
    let source = Arc::clone(&server);
    flood(server, move |texts, mut draw| {
        let (server, rooms) = (Arc::clone(&source), rooms.clone());
        async move {
            let how = Flood { seed: draw(u64::MAX), repeats: 100, delays: 50, ..Flood::default() };
            let mut said: Vec<(&str, &Thread, String)> = Vec::with_capacity(texts.len());
            for (text, (name, place)) in texts.into_iter().zip(rooms.iter().cycle()) {
                said.push((name, place, text));
            }
            server.flood(how, said).await;
        }
    })
    .await;
}

/// Pours batches of commands into a gateway that is killed in the midst of each, and counts what came of them.
async fn flood<S, F>(server: Arc<S>, pour: impl Fn(Vec<String>, Draw) -> F)
where
    S: Server + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let scale = Scale::of("inbound", 600, 100_000);
    let total = scale.count;
    let kind = server.kind();
    let mut stage = Stage::open(Arc::new(Home::new()), server).await;
    let scale = Arc::new(Mutex::new(scale));
    let (mut poured, mut kills) = (0, 0);
    while poured < total {
        let size = BETWEEN_KILLS.min(total.div_ceil(2)).min(total - poured);
        let texts: Vec<String> =
            (poured..poured + size).map(|number| format!("/kanban create update {number}")).collect();
        let mut seed = scale.lock().await.below(u64::MAX);
        let draw: Draw = Box::new(move |bound| {
            seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (seed >> 33) % bound.clamp(1, 1 << 31)
        });
        let pouring = tokio::spawn(pour(texts, draw));
        let at = poured + usize::try_from(scale.lock().await.below(u64::try_from(size).unwrap())).unwrap();
        stage.wait_for_tasks(at).await;
        stage.kill().await;
        kills += 1;
        stage.up().await;
        pouring.await.unwrap();
        poured += size;
    }
    stage.wait_for_tasks(total).await;
    let home = Arc::clone(&stage.home);
    let effects: BTreeMap<String, i64> = tokio::task::spawn_blocking(move || home.titles()).await.unwrap();
    assert_eq!(effects.len(), total, "{kind}: each update has an effect");
    let twice: Vec<_> = effects.iter().filter(|(_, count)| **count != 1).collect();
    assert!(twice.is_empty(), "{kind}: {twice:?}");
    scale
        .lock()
        .await
        .done(&format!("updates on {kind} with 10 % repeats and {kills} × kill -9, each with one effect"));
    stage.kill().await;
}

/// A number below a bound, from the seed of the test.
type Draw = Box<dyn FnMut(u64) -> u64 + Send>;
