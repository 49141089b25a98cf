//! The main story: make tasks, be refused, be told where one asked, answer, press.

use std::sync::Arc;

use crate::platforms::{id_in, on_each};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn people_make_watch_answer_and_cancel_tasks() {
    on_each(|stage| async move {
        let kind = stage.server.kind();
        let ops = stage.server.channel("ops");
        let shop = stage.server.thread("ops", "shop");

        // Somebody makes a task, and another that waits for it.
        let fields = [("title", "count the rust files"), ("assignee", "script"), ("body", "echo 42 files")];
        let (first, _) = stage.creates("ann", &ops, &fields).await;
        let own = stage.own_thread(&ops, &first).await;
        let done = stage.sees(&own, "the completion", |seen| seen.text.contains("42 files")).await;
        assert!(done.text.contains("count the rust files") && done.text.contains(&first), "{kind}: {}", done.text);
        assert!(done.buttons.iter().any(|label| label == "Show"), "{kind}: {done:?}");
        let fields =
            [("title", "tell the number"), ("parent", first.as_str()), ("assignee", "script"), ("body", "echo told")];
        let (second, _) = stage.creates("ann", &shop, &fields).await;
        stage
            .sees(&shop, "the completion in the thread", |seen| {
                seen.text.contains("told") && seen.text.contains("done")
            })
            .await;
        if shop != ops {
            assert!(
                // The card of the task that it waits for names it.
                !stage
                    .server
                    .seen(&ops)
                    .iter()
                    .any(|seen| seen.is_ours && seen.text.contains(&second) && !seen.text.contains(&first)),
                "{kind}: news of a thread's task stay in the thread"
            );
        }

        // A look, and what the platform proposes while one types.
        stage.server.commands("gil", &ops, &["list"], &[("status", "done")]).await;
        let list = stage
            .sees(&ops, "the list", |seen| {
                seen.text.contains(&first)
                    && seen.text.contains(&second)
                    && seen.text.contains("count the rust files")
                    && seen.text.contains("tell the number")
            })
            .await;
        assert!(list.text.contains("tell the number"), "{kind}: {}", list.text);
        if let Some(proposed) = stage.server.suggestions("ann", &ops, &["create"], "parent", "count the").await {
            assert!(
                proposed.iter().any(|(value, label)| *value == first && label.contains("count the rust files")),
                "{kind}: {proposed:?}"
            );
            let nothing = stage.server.suggestions("mallory", &ops, &["create"], "parent", "count the").await;
            assert_eq!(nothing, Some(Vec::new()), "{kind}");
        }

        // Who may not is told why, in private where the platform can do that.
        stage.server.commands("gil", &ops, &["create"], &[("title", "let me")]).await;
        let refused = stage.sees_text(&ops, "your role is guest, and this needs member").await;
        if matches!(kind, "discord" | "slack") {
            assert_eq!(refused.private_to.as_deref(), Some("gil"), "{kind}");
        }
        // Whoever sits at the console has the machine already.
        let has_strangers = kind != "console";
        if has_strangers {
            for _ in 0..3 {
                stage.server.mentions("mallory", &ops, "list").await;
            }
            stage.sees_text(&ops, "you are not known here").await;
        }

        // A task that asks is answered by a reply, and goes on.
        let (asking, _) = stage.creates("ann", &ops, &[("title", "choose a colour")]).await;
        stage.ok(&["block", &asking, "Which colour?", "--kind", "needs_input"]).await;
        let own = stage.own_thread(&ops, &asking).await;
        let question = stage.sees(&own, "the question", |seen| seen.text.contains("Which colour?")).await;
        assert!(question.text.contains("reply to this message"), "{kind}: {}", question.text);
        stage.server.replies("bob", &own, &question.id, "Blue, of course").await;
        let (home, task) = (Arc::clone(&stage.home), asking.clone());
        tokio::task::spawn_blocking(move || home.wait_for(&task, "ready")).await.unwrap();
        let shown = stage.ok(&["show", &asking]).await;
        assert!(shown.contains("Blue, of course"), "{kind}: {shown}");
        assert!(shown.contains(&stage.server.person("bob")), "{kind}: {shown}");

        // A button acts once, and the message says so from then on.
        stage.ok(&["block", &asking, "And now?"]).await;
        let blocked = stage.sees(&own, "the second block", |seen| seen.text.contains("And now?")).await;
        stage.server.presses("bob", &own, &blocked.id, "Cancel").await;
        stage.sees_text(&own, "your role is member, and this needs operator").await;
        stage.server.presses("ann", &own, &blocked.id, "Cancel").await;
        let sure = stage.sees_text(&own, "Cancel “choose a colour”?").await;
        stage.server.presses("ann", &own, &sure.id, "Yes, cancel it").await;
        let edited = stage.sees(&own, "the edit", |seen| seen.id == blocked.id && !seen.earlier.is_empty()).await;
        assert!(edited.text.contains("→ Cancel") && edited.buttons.is_empty(), "{kind}: {edited:?}");
        assert!(stage.ok(&["show", &asking]).await.contains("archived"), "{kind}");

        let strangers = stage.server.seen(&ops).iter().filter(|seen| seen.text.contains("not known here")).count();
        assert_eq!(strangers, usize::from(has_strangers), "{kind}: a stranger is told once");
        stage.close(&[&ops, &own, &shop]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn long_output_and_markup_arrive_whole_and_harmless() {
    on_each(|stage| async move {
        let kind = stage.server.kind();
        let ops = stage.server.channel("ops");
        let title = "*bold* @everyone <!channel> <@U1> [x](http://a.example) `code` @ann";
        stage.server.commands("ann", &ops, &["create"], &[("title", title)]).await;
        let created = stage.sees_text(&ops, "Created t_").await;
        let id = id_in(&created.text);
        assert!(created.pings.is_empty(), "{kind}: {created:?}");
        // Five pages of text with everything that markup is made of.
        let own = stage.own_thread(&ops, &id).await;
        let line = "- a line with _under_ ~tilde~ ||spoiler|| # head > quote &amp; <b> @here 😀\n";
        let summary = line.repeat(180);
        stage.ok(&["complete", &id, "--summary", &summary]).await;
        let all = stage
            .server
            .wire()
            .wait_until(&format!("the whole summary ({kind})"), || {
                let ours: Vec<_> = stage.server.seen(&own).into_iter().filter(|seen| seen.is_ours).collect();
                let text: String = ours.iter().map(|seen| seen.text.as_str()).collect();
                let files: String = ours.iter().flat_map(|seen| &seen.files).map(|(_, text)| text.as_str()).collect();
                let lines = text.matches("||spoiler||").count().max(files.matches("||spoiler||").count());
                (lines >= 180).then_some(ours)
            })
            .await;
        assert!(all.iter().all(|seen| seen.pings.is_empty()), "{kind}");
        stage.close(&[&ops, &own]).await;
    })
    .await;
}
