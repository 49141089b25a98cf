//! Files on real sockets: the same bytes arrive behind the text, over faults and a death in the middle.

use std::time::Duration;

use kanban_fakes::{Server, Trouble};
use kanban_gateway::board::delivery::Answer;
use kanban_platform::{Block, Thread};

use crate::world::{Crash, World, server};

/// The call after which people see a file.
fn last_call(kind: &str) -> &'static str {
    match kind {
        "discord" => "POST /channels/{id}/messages",
        "telegram" => "sendDocument",
        _ => "files.completeUploadExternal",
    }
}

fn binary(length: usize) -> Vec<u8> {
    (0..=255).cycle().take(length).collect()
}

async fn owe(world: &World, place: &Thread, text: &str, files: &[(&str, &std::path::Path)]) {
    let mut body = vec![Block::Text(text.to_owned())];
    body.extend(files.iter().map(|(name, path)| Block::Stored {
        name: (*name).to_owned(),
        path: path.to_path_buf(),
        size: path.metadata().map_or(0, |metadata| metadata.len()),
        media_type: Some("application/octet-stream".to_owned()),
    }));
    let mut tx = world.board.write().await.unwrap();
    let answer = Answer { body, task: Some("t_1".to_owned()), ..Answer::default() };
    tx.owe_reply(place, text, None, answer, 0).await.unwrap();
    tx.commit().await.unwrap();
}

/// Waits until people see so many files in a place, and answers their contents.
async fn contents(server: &dyn Server, place: &Thread, count: usize) -> Vec<Vec<u8>> {
    let found = || {
        let seen: Vec<Vec<u8>> = server.seen(place).into_iter().flat_map(|seen| seen.contents).collect();
        (seen.len() >= count).then_some(seen)
    };
    server.wire().wait_until(&format!("{count} files"), found).await
}

async fn on(kind: &str) {
    let server = server(kind).await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let (small, large) = (write("1", &binary(5_000)), write("2", &binary(2_000_000)));
    let (empty, gone) = (write("3", b""), folder.path().join("4"));
    let mut world = World::new(&server).await;
    world.start();

    // The bytes are the same, whatever they and the name are like.
    let ops = server.channel("ops");
    owe(&world, &ops, "two files", &[("../a\u{202e}b \"c\".bin", &small), ("übersicht 😀.png", &large)]).await;
    let seen = contents(&*server, &ops, 2).await;
    assert!(seen.contains(&binary(5_000)) && seen.contains(&binary(2_000_000)), "{kind}");
    let names: Vec<String> = server.seen(&ops).into_iter().flat_map(|seen| seen.files).map(|(name, _)| name).collect();
    assert!(names.iter().all(|name| !name.contains(['/', '\\', '\u{202e}', '"'])), "{kind}: {names:?}");

    // What is gone or refused is named, and the others go.
    let shop = server.channel("shop");
    owe(&world, &shop, "one of three", &[("gone.bin", &gone), ("empty.bin", &empty), ("there.bin", &small)]).await;
    // Discord alone takes an empty file.
    let count = if kind == "discord" { 2 } else { 1 };
    assert!(contents(&*server, &shop, count).await.contains(&binary(5_000)), "{kind}");
    let told = |text: &str| {
        let (server, shop, text) = (&server, &shop, text.to_owned());
        async move {
            let found = || server.seen(shop).into_iter().find(|seen| seen.text.contains(&text)).map(|_| ());
            server.wire().wait_until(&text, found).await;
        }
    };
    told("gone.bin (0 bytes) could not be sent: it is not on this machine any more").await;
    if kind != "discord" {
        told("empty.bin (0 bytes) could not be sent").await;
    }

    // Faults before, in and after the call, and a death around it.
    let den = server.channel("den");
    owe(&world, &den, "soon", &[]).await;
    world.settled().await;
    let troubles =
        [Trouble::ServerError, Trouble::TooMany(Duration::from_secs(1)), Trouble::Break, Trouble::LoseAnswer];
    server.wire().trouble(last_call(kind), troubles);
    owe_file(&world, &den, &small).await;
    let seen = contents(&*server, &den, 1).await;
    assert_eq!(seen[0], binary(5_000), "{kind}");
    files_settled(&world).await;
    world.will_crash(Crash::BeforeRecording);
    owe_file(&world, &den, &large).await;
    world.death().await;
    world.restart(|_| {}).await;
    files_settled(&world).await;
    let seen = contents(&*server, &den, 2).await;
    let expected = if kind == "telegram" { 2..=6 } else { 2..=2 };
    assert!(expected.contains(&seen.len()), "{kind}: {} files are seen", seen.len());
    assert_eq!(server.wire().wrong(), Vec::<String>::new(), "{kind}");
    world.stop().await;
}

/// Owes a file behind an answer that shows nothing.
async fn owe_file(world: &World, place: &Thread, path: &std::path::Path) {
    let body = vec![Block::Stored {
        name: "x.bin".to_owned(),
        path: path.to_path_buf(),
        size: path.metadata().unwrap().len(),
        media_type: None,
    }];
    let mut tx = world.board.write().await.unwrap();
    tx.owe_reply(place, "u", None, Answer { body, ..Answer::default() }, 0).await.unwrap();
    tx.commit().await.unwrap();
}

/// Waits until no file is owed.
async fn files_settled(world: &World) {
    world
        .until_none(async |tx| tx.threads_owed().await.unwrap().len() + tx.threads_owed_files().await.unwrap().len())
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_bytes_arrive_on_discord() {
    on("discord").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_bytes_arrive_on_telegram() {
    on("telegram").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_bytes_arrive_on_slack() {
    on("slack").await;
}
