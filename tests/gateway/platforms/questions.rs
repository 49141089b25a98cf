//! Questions with choices: pressed, filled in and replied to, by those who may.

use std::sync::Arc;

use crate::platforms::on_each;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_question_is_answered_by_a_press_a_form_or_a_reply() {
    on_each(|stage| async move {
        let kind = stage.server.kind();
        let ops = stage.server.channel("ops");
        for (number, words) in ["Adyen", "PayPal, then", "Stripe"].into_iter().enumerate() {
            let title = format!("pay {number}");
            let (id, _) = stage.creates("ann", &ops, &[("title", &title)]).await;
            let own = stage.own_thread(&ops, &id).await;
            let question = format!("Which provider, {number}?");
            let choices = ["--choice", "Stripe|stripe-eu|primary", "--choice", "Adyen", "--hint", "a name"];
            stage.ok(&[&["block", &id, &question], &choices[..]].concat()).await;
            let asked = stage.sees(&own, &question, |seen| seen.text.contains(&question)).await;
            let labels: Vec<_> = asked.buttons.iter().map(String::as_str).collect();
            assert_eq!(labels, ["Stripe", "Adyen", "Answer", "Show", "Cancel"], "{kind}");
            // Who may not is refused on the same road.
            stage.server.presses("gil", &own, &asked.id, "Stripe").await;
            stage.sees_text(&own, "your role is guest, and this needs member").await;
            match number {
                0 => stage.server.presses("bob", &own, &asked.id, words).await,
                1 => stage.server.fills("bob", &own, &asked.id, "Answer", words).await,
                _ => drop(stage.server.replies("bob", &own, &asked.id, words).await),
            }
            let (home, task) = (Arc::clone(&stage.home), id.clone());
            tokio::task::spawn_blocking(move || home.wait_for(&task, "ready")).await.unwrap();
            let shown = stage.ok(&["show", &id]).await;
            assert!(shown.contains(words) && shown.contains(&stage.server.person("bob")), "{kind}: {shown}");
            let settled = stage.sees(&own, "the outcome", |seen| seen.id == asked.id && seen.buttons.is_empty()).await;
            assert!(settled.text.contains(&format!("→ {words}")), "{kind}: {settled:?}");
        }
        stage.close(&[&ops]).await;
    })
    .await;
}
