//! What people type on phones, on every platform: quotes, dashes, apostrophes, capitals, several lines, second thoughts.

use crate::platforms::{id_in, on_each};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_phones_make_of_a_command_is_understood() {
    on_each(|stage| async move {
        let kind = stage.server.kind();
        let ops = stage.server.channel("ops");
        let created = [
            ("kanban create fix the bug", "fix the bug"),
            ("kanban create “mend the bug”", "mend the bug"),
            ("kanban create “look again” —priority 3", "look again"),
            ("Kanban create shout less", "shout less"),
            ("KANBAN CREATE be louder", "be louder"),
            ("kanban create don’t panic –priority=1", "don’t panic"),
            ("create without a prefix", "without a prefix"),
        ];
        if kind == "telegram" {
            // Twenty messages in a minute are all that a group takes, and each task would have a card beside its line.
            stage.server.mentions("ann", &ops, "kanban threads off").await;
            stage.sees_text(&ops, "stay in it").await;
        }
        for (typed, title) in created {
            stage.server.mentions("ann", &ops, typed).await;
            let seen =
                stage.sees(&ops, typed, |seen| seen.text.contains("Created t_") && seen.text.contains(title)).await;
            let quoted = [format!("“{title}”"), format!("\"{title}\"")];
            assert!(quoted.iter().any(|title| seen.text.contains(title)), "{kind}: `{typed}` made {}", seen.text);
        }
        let (id, _) = stage.creates("ann", &ops, &[("title", "talk about it")]).await;
        let said = [
            (format!("kanban comment {id} I don't know"), "I don't know"),
            (format!("comment {id} looks good -- ship it"), "looks good -- ship it"),
            (format!("kanban comment {id}\nfirst line\n```\ncode  stays\n```"), "code  stays"),
        ];
        for (number, (typed, text)) in said.into_iter().enumerate() {
            stage.server.mentions("ann", &ops, &typed).await;
            let added = || {
                let seen = stage.server.seen(&ops);
                (seen.iter().filter(|seen| seen.text.contains("Comment added")).count() > number).then_some(())
            };
            stage.server.wire().wait_until(&typed, added).await;
            let shown = stage.ok(&["show", &id]).await;
            assert!(shown.contains(text), "{kind}: `{typed}` left {shown}");
        }
        stage.server.mentions("ann", &ops, "kanban lst").await;
        stage
            .sees(&ops, "the correction", |seen| seen.text.contains("did you mean") && seen.text.contains("list"))
            .await;
        stage.server.mentions("ann", &ops, "good morning").await;
        stage.sees_text(&ops, "this is not a command").await;
        stage.close(&[&ops]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_second_thought_about_a_message_runs_nothing_twice() {
    on_each(|stage| async move {
        let kind = stage.server.kind();
        let ops = stage.server.channel("ops");
        let message = stage.server.mentions("ann", &ops, "kanban create once only").await;
        let seen = stage.sees(&ops, "once only", |seen| seen.text.contains("Created t_")).await;
        let id = id_in(&seen.text);
        stage.server.edits("ann", &ops, &message, "kanban create once only, better").await;
        // What comes after the edit is answered after it would have been.
        stage.server.mentions("ann", &ops, &format!("kanban show {id}")).await;
        stage.sees(&ops, "the task", |seen| seen.text.contains(&id) && !seen.text.contains("Created t_")).await;
        let list = stage.ok(&["list", "--json"]).await;
        let tasks: Vec<serde_json::Value> = serde_json::from_str(&list).unwrap();
        assert_eq!(tasks.len(), 1, "{kind}: {list}");
        stage.close(&[&ops]).await;
    })
    .await;
}
