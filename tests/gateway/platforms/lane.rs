//! A thread's resident agent: messages wait for their turn, commands do not, and a kill changes nothing.

use std::fs;

use crate::{home::until, platforms::on_each};

/// Works on `wait …` until it may end.
const BOT: &str = r#"message=$(cat)
    case $message in
        wait*) touch $WORK/works; while ! test -e $WORK/go; do sleep 0.02; done;;
    esac
    echo "you said: $message""#;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_threads_agent_takes_one_message_after_the_other() {
    on_each(|mut stage| async move {
        let kind = stage.server.kind();
        let program = stage.home.program("bot", BOT);
        stage.kill_settled().await;
        stage.write_settings(&format!(
            "[profiles.bot]\ncommand = [\"{}\"]\nset = {{ WORK = \"{}\" }}",
            program.display(),
            stage.home.work("").display()
        ));
        stage.up().await;
        let shop = stage.server.thread("ops", "shop");

        // Who may not is told so; who may lets an agent answer here.
        stage.server.mentions("bob", &shop, "agent on bot").await;
        stage.sees_text(&shop, "your role is member, and this needs operator").await;
        stage.server.mentions("ann", &shop, "agent on bot").await;
        stage.sees_text(&shop, "answers every message here").await;

        // While it works on one message, the next one waits, and a command does not.
        let message = stage.server.mentions("bob", &shop, "wait for me").await;
        let home = std::sync::Arc::clone(&stage.home);
        let works = move || until("the agent works", || home.work("works").exists().then_some(()));
        tokio::task::spawn_blocking(works).await.unwrap();
        stage.server.mentions("bob", &shop, "and then this").await;
        let (milk, _) = stage.creates("ann", &shop, &[("title", "buy milk")]).await;
        stage.server.mentions("ann", &shop, &format!("show {milk}")).await;
        stage.sees(&shop, "the task", |seen| seen.text.contains("status:") && seen.text.contains(&milk)).await;
        let turns = "SELECT count(*) FROM turns WHERE ended_at IS NULL";
        assert_eq!(stage.home.count(turns), 2, "{kind}");
        // Somebody who may not use it is not taken in.
        stage.server.mentions("gil", &shop, "what about me?").await;
        stage.sees_text(&shop, "your role is guest").await;
        assert_eq!(stage.home.count(turns), 2, "{kind}");
        if kind != "console" {
            let signs = || (!stage.server.reactions(&shop, &message).is_empty()).then_some(());
            stage.server.wire().wait_until(&format!("the sign that it was taken in ({kind})"), signs).await;
        }

        // A gateway that is killed loses nothing of it and repeats nothing.
        stage.kill().await;
        fs::write(stage.home.work("go"), "").unwrap();
        stage.up().await;
        stage.sees_text(&shop, "you said: wait for me").await;
        stage.sees_text(&shop, "you said: and then this").await;
        for said in ["you said: wait for me", "you said: and then this"] {
            let count = stage.server.seen(&shop).iter().filter(|seen| seen.text.contains(said)).count();
            assert_eq!(count, 1, "{kind}: {said}");
        }

        // What runs is ended on demand.
        fs::remove_file(stage.home.work("go")).unwrap();
        fs::remove_file(stage.home.work("works")).unwrap();
        stage.server.mentions("bob", &shop, "wait again").await;
        let home = std::sync::Arc::clone(&stage.home);
        let works = move || until("the agent works", || home.work("works").exists().then_some(()));
        tokio::task::spawn_blocking(works).await.unwrap();
        stage.server.mentions("bob", &shop, "stop").await;
        stage.sees_text(&shop, "is being stopped").await;
        stage.sees_text(&shop, "stopped by").await;
        stage.close(&[&shop]).await;
    })
    .await;
}
