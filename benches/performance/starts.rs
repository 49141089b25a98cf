//! How many workers can be started in a second, each below a shim of its own.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Instant,
};

use kanban_gateway::shim::{
    Spec, Token,
    client::{self, Update},
};
use tokio::{runtime::Runtime, task::JoinSet};

use crate::{
    Scale,
    home::KANBAN,
    table::{Row, Table},
};

const AT_ONCE: usize = 8;

pub(crate) fn measure(scale: Scale, table: &mut Table) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let home = folder.path().to_owned();
    let times = scale.repeat(800);
    let ours = runtime.block_on(rate(times, move |number| {
        let home = home.clone();
        async move { run(&home, number).await }
    }));
    let plain = runtime.block_on(rate(times, |_| async {
        // A shim and its worker are two processes.
        for _ in 0..2 {
            let mut child =
                tokio::process::Command::new("/bin/true").stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
            assert!(child.wait().await.unwrap().success());
        }
    }));
    table.row(Row {
        what: format!("shim and worker, started and ended, {AT_ONCE} at once"),
        ours: format!("{ours:.0}/s"),
        raw: format!("{plain:.0} pairs of processes/s"),
        ratio: Some(ours / plain),
        target: "≥ 300/s",
        met: Some(ours >= 300.0),
    });
}

async fn rate<F: Future<Output = ()> + Send + 'static>(times: usize, work: impl Fn(usize) -> F) -> f64 {
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for number in 0..times {
        if running.len() == AT_ONCE {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(work(number));
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    times as f64 / begun.elapsed().as_secs_f64()
}

async fn run(home: &Path, number: usize) {
    let at = |name: &str| home.join(format!("{name}-{number}"));
    let rundir: PathBuf = at("run");
    let spec = Spec {
        run: i64::try_from(number).unwrap(),
        board: "default".parse().unwrap(),
        task: Some("t_1".parse().unwrap()),
        token: Token::new("a secret of this run".to_owned()),
        argv: vec!["/bin/true".to_owned()],
        env: vec![("KANBAN_SOCKET".to_owned(), at("socket").display().to_string())],
        cwd: home.to_owned(),
        root: None,
        stdin: None,
        answer: None,
        log: at("log"),
        log_limit_bytes: Spec::LOG_LIMIT_BYTES,
        socket: at("socket"),
        gateway_socket: home.join("gateway.sock"),
        time_limit_seconds: None,
        silence_limit_seconds: None,
        confinement: None,
        max_processes: None,
        max_memory_bytes: None,
        outbox: false,
        session_pattern: None,
        grace_seconds: 5,
    };
    let listener = client::prepare(&rundir, &spec).unwrap();
    client::spawn(Path::new(KANBAN), &rundir, listener).unwrap();
    let mut watch = client::watch(&rundir, &spec.socket, &spec.token).await.unwrap();
    loop {
        match watch.next().await.unwrap() {
            Some(Update::Exit(exit)) => return assert_eq!(exit.code, Some(0)),
            Some(Update::Started(_)) => {}
            other => panic!("the run went wrong: {other:?}"),
        }
    }
}
