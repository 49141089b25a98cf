//! Files that people send along: they are the task's before its worker starts, whatever happens on the way.

use std::sync::Arc;

use kanban_fakes::Trouble;
use serde_json::Value;

use crate::platforms::{Stage, id_in, on_each};

/// Every byte there is, so that nothing passes for text.
fn binary(length: usize) -> Vec<u8> {
    (0..=255).cycle().take(length).collect()
}

/// What the server calls a download.
fn download(kind: &str) -> Option<&'static str> {
    match kind {
        "discord" => Some("GET /attachments"),
        "telegram" => Some("getFile"),
        "slack" => Some("download"),
        _ => None,
    }
}

/// Waits until a task has so many attachments, and answers names, sizes, contents and who sent them.
async fn attachments(stage: &Stage, id: &str, count: usize) -> Vec<(String, Vec<u8>, String)> {
    let (home, task) = (Arc::clone(&stage.home), id.to_owned());
    let wait = move || {
        crate::home::until(&format!("{count} attachments of {task}"), || {
            let listed: Value = serde_json::from_str(&home.ok(&format!("attachments {task} --json"))).unwrap();
            let listed = listed.as_array().or_else(|| listed["attachments"].as_array()).unwrap().clone();
            (listed.len() >= count).then_some(listed)
        })
    };
    let listed = tokio::task::spawn_blocking(wait).await.unwrap();
    let read = |row: &Value| {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let content = std::fs::read(text("stored_path")).unwrap();
        assert_eq!(row["size"].as_u64(), Some(content.len() as u64), "{row}");
        (text("filename"), content, text("uploaded_by"))
    };
    let mut found: Vec<_> = listed.iter().map(read).collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_sent_along_belongs_to_the_task_before_its_worker_starts() {
    on_each(|stage| async move {
        let kind = stage.server.kind();
        let ops = stage.server.channel("ops");
        let (table, picture) = (b"a;b\n1;2\n".to_vec(), binary(70_000));
        let files: [(&str, &[u8]); 2] = [("über sicht.csv", &table), ("picture (1).png", &picture)];
        // In a group of Telegram's, a bot sees of an album the message alone that speaks to it.
        let files = if kind == "telegram" { &files[..1] } else { &files[..] };
        stage.server.sends("ann", &ops, "create read what I sent --assignee script\necho I have read it", files).await;
        let created = stage.sees(&ops, "the task", |seen| seen.text.contains("Created t_")).await;
        assert!(created.text.contains(&format!("Taking in {} file", files.len())), "{kind}: {}", created.text);
        let id = id_in(&created.text);
        let found = attachments(&stage, &id, files.len()).await;
        for (name, content) in files {
            let kept = found.iter().find(|kept| kept.0 == *name).unwrap_or_else(|| panic!("{kind}: no {name}"));
            assert_eq!(kept.1, *content, "{kind}: {name}");
        }
        assert!(found[0].2.starts_with(&stage.server.person("ann")), "{kind}: {}", found[0].2);
        let (home, task) = (Arc::clone(&stage.home), id.clone());
        tokio::task::spawn_blocking(move || home.wait_for(&task, "done")).await.unwrap();
        let early = format!(
            "SELECT count(*) FROM events WHERE task_id = '{id}' AND kind = 'claimed' AND id < \
             (SELECT max(id) FROM events WHERE task_id = '{id}' AND kind = 'attached')"
        );
        assert_eq!(stage.home.count(&early), 0, "{kind}: it started without its files");

        // In the task's own thread, a file needs no words; where a question is open, it is the answer.
        let (asking, _) = stage.creates("ann", &ops, &[("title", "draw the plan")]).await;
        let own = stage.own_thread(&ops, &asking).await;
        // Discord shows a bot nothing of a message that does not speak to it, unless it is given the intent.
        let words = if kind == "discord" { format!("attach {asking}") } else { String::new() };
        stage.server.sends("bob", &own, &words, &[("sketch.bin", &picture)]).await;
        assert_eq!(attachments(&stage, &asking, 1).await[0].0, "sketch.bin", "{kind}");
        stage.ok(&["block", &asking, "Where is the plan?", "--kind", "needs_input"]).await;
        let question = stage.sees(&own, "the question", |seen| seen.text.contains("Where is the plan?")).await;
        assert!(question.is_ours);
        let words = if kind == "discord" { "as you see" } else { "" };
        stage.server.sends("bob", &own, words, &[("plan.bin", &picture)]).await;
        let (home, task) = (Arc::clone(&stage.home), asking.clone());
        tokio::task::spawn_blocking(move || home.wait_for(&task, "ready")).await.unwrap();
        assert_eq!(attachments(&stage, &asking, 2).await[0].0, "plan.bin", "{kind}");
        let said = if kind == "discord" { words } else { "sent along: `plan.bin`" };
        assert!(stage.ok(&["show", &asking]).await.contains(said), "{kind}");

        // Who may not write on the board attaches nothing, and a file for nothing in particular is asked about.
        stage.server.sends("gil", &ops, &format!("attach {asking}"), &[("no.txt", b"no")]).await;
        stage.sees_text(&ops, "your role is guest, and this needs member").await;
        stage.server.sends("ann", &ops, &format!("show {asking}"), &[("left.txt", b"out")]).await;
        stage.sees_text(&ops, "What was sent along was left out").await;
        stage.server.sends("ann", &ops, &format!("attach {asking}"), &[("more.txt", b"more")]).await;
        assert_eq!(attachments(&stage, &asking, 3).await[0].1, b"more", "{kind}");
        stage.server.sends("ann", &ops, &format!("attach {asking}"), &[("huge.bin", &vec![0; (25 << 20) + 1])]).await;
        stage.sees_text(&ops, "Left out, for a file may have 25.0 MB").await;
        assert_eq!(attachments(&stage, &asking, 3).await.len(), 3, "{kind}");
        stage.close(&[&ops, &own]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_file_is_fetched_over_outages_and_restarts_or_given_up_with_a_word() {
    on_each(|mut stage| async move {
        let kind = stage.server.kind();
        let Some(route) = download(kind) else { return stage.close(&[]).await };
        let ops = stage.server.channel("ops");
        let content = binary(3_000);
        stage.server.wire().trouble(route, vec![Trouble::ServerError; 3]);
        stage.server.sends("ann", &ops, "create keep this", &[("kept.bin", &content)]).await;
        let created = stage.sees(&ops, "the task", |seen| seen.text.contains("Created t_")).await;
        stage.kill_settled().await;
        stage.up().await;
        let found = attachments(&stage, &id_in(&created.text), 1).await;
        assert_eq!((found[0].0.as_str(), &found[0].1), ("kept.bin", &content), "{kind}");

        stage.server.wire().trouble(route, [Trouble::Refuse, Trouble::Refuse]);
        stage.server.sends("ann", &ops, "create without it", &[("lost.bin", &content)]).await;
        let telling = stage.sees_text(&ops, "could not be taken in for t_");
        let Ok(told) = tokio::time::timeout(std::time::Duration::from_secs(40), telling).await else {
            panic!("{kind}: {}", stage.home.log());
        };
        assert!(told.text.contains("send it again in a message with"), "{kind}: {}", told.text);
        stage.close(&[&ops]).await;
    })
    .await;
}
