//! Commands as whole processes: what a person waits for at a prompt.

use crate::{
    Scale,
    home::{Home, KANBAN, Medium},
    measure::{Cost, ratio, span},
    service::Gateway,
    table::{Row, Table},
};

/// How many milliseconds `list` takes in the reference, on a board of 100 tasks and on one of 100,000.
const REFERENCE: [(usize, f64); 2] = [(100, 392.0), (100_000, 3_242.0)];

pub(crate) fn measure(scale: Scale, table: &mut Table) {
    let this = std::env::current_exe().unwrap();
    let this = this.to_str().unwrap();
    let bare = Cost::of(scale.repeat(200), &[KANBAN, "--version"]);
    let nothing = Cost::of(scale.repeat(200), &[this, "nothing"]);
    table.row(Row {
        what: "a process that does nothing (`--version`)".to_owned(),
        ours: bare.to_string(),
        raw: nothing.to_string(),
        ratio: Some(ratio(bare.wall(), nothing.wall())),
        target: "",
        met: None,
    });
    let mut small = None;
    for tasks in [100, scale.largest()] {
        let home = Home::with_tasks(tasks, Medium::Disk);
        let file = home.file();
        let [flag, path] = home.words();
        let raw = Cost::of(scale.repeat(100), &[this, "raw-list", file.to_str().unwrap()]);
        let ours = Cost::of(scale.repeat(100), &[KANBAN, flag, path, "list"]);
        let millis = ours.wall().as_secs_f64() * 1e3;
        let reference = REFERENCE.iter().find(|(of, _)| *of == tasks).map(|(_, reference)| reference / millis);
        let faster = reference.map_or(String::new(), |times| format!(", {times:.0} x the reference"));
        let (target, met) = match small {
            None => (
                "≤ 8 ms, ≥ 60 x, ≤ 20 MB",
                millis <= 8.0 && reference.is_none_or(|times| times >= 60.0) && ours.rss_kib <= 20 << 10,
            ),
            Some(small) => (
                "≥ 300 x, ≤ 1.5 x that of 100 tasks",
                reference.is_none_or(|times| times >= 300.0) && ratio(ours.wall(), small) <= 1.5,
            ),
        };
        small.get_or_insert(ours.wall());
        table.row(Row {
            what: format!("`list` as a process, {tasks} tasks"),
            ours: format!("{ours}{faster}"),
            raw: raw.to_string(),
            ratio: Some(ratio(ours.wall(), raw.wall())),
            target,
            met: Some(met),
        });
        let raw = Cost::of(scale.repeat(60), &[this, "raw-create", file.to_str().unwrap()]);
        let ours = Cost::of(scale.repeat(60), &[KANBAN, flag, path, "create", "new", "--body", "with a body"]);
        table.row(Row {
            what: format!("`create` as a process, {tasks} tasks, no gateway"),
            ours: ours.to_string(),
            raw: raw.to_string(),
            ratio: Some(ratio(ours.wall(), raw.wall())),
            target: "≤ 1.5 x plain",
            met: Some(ratio(ours.wall(), raw.wall()) <= 1.5),
        });
        let gateway = Gateway::start(&home);
        for (verb, words) in [("create", &["create", "new", "--body", "with a body"][..]), ("list", &["list"])] {
            let command: Vec<&str> = [KANBAN, flag, path].into_iter().chain(words.iter().copied()).collect();
            let ours = Cost::of(scale.repeat(60), &command);
            table.row(Row {
                what: format!("`{verb}` as a process, {tasks} tasks, gateway"),
                ours: ours.to_string(),
                raw: format!("process alone {}", span(nothing.wall())),
                ratio: Some(ratio(ours.wall(), nothing.wall())),
                target: "≤ 10 ms",
                met: Some(ours.wall().as_millis() < 10),
            });
        }
        drop(gateway);
    }
}
