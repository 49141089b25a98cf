//! One run of a real shim in a directory of its own.

use std::{os::unix::net::UnixListener, path::PathBuf, time::Duration};

use kanban_gateway::{
    process::Identity,
    shim::{
        Exit, Spec, Token,
        client::{self, Update, Watch},
    },
};
use tempfile::TempDir;

pub(crate) const SECRET: &str = "a secret of this run";

/// Longer than anything in these tests takes; a test that reaches it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Rig {
    pub(crate) home: TempDir,
    pub(crate) spec: Spec,
    pub(crate) shim: u32,
    identity: Option<Identity>,
    /// The user that the shim runs as, where that is not ours.
    user: Option<u32>,
}

impl Rig {
    pub(crate) fn new(argv: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let spec = Spec {
            run: 7,
            board: "default".parse().unwrap(),
            task: Some("t_1".parse().unwrap()),
            token: Token::new(SECRET.to_owned()),
            argv: argv.iter().map(ToString::to_string).collect(),
            env: vec![
                ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
                ("KANBAN_SOCKET".to_owned(), at("shim.sock").display().to_string()),
            ],
            cwd: home.path().to_owned(),
            root: None,
            stdin: None,
            log: at("logs/default/t_1/7.log"),
            answer: None,
            log_limit_bytes: Spec::LOG_LIMIT_BYTES,
            socket: at("shim.sock"),
            gateway_socket: at("gateway.sock"),
            time_limit_seconds: None,
            silence_limit_seconds: None,
            confinement: None,
            max_processes: None,
            max_memory_bytes: None,
            outbox: false,
            grace_seconds: 5,
        };
        Self { home, spec, shim: 0, identity: None, user: None }
    }

    pub(crate) fn script(text: &str) -> Self {
        Self::new(&["/bin/sh", "-c", text])
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn rundir(&self) -> PathBuf {
        self.path("run")
    }

    /// Has the shim run as a user without rights, which takes those of root.
    pub(crate) fn run_as(&mut self, user: u32) {
        let program = format!(
            "#!/bin/sh\nexec setpriv --reuid={user} --regid={user} --clear-groups -- '{}' \"$@\"\n",
            env!("CARGO_BIN_EXE_kanban")
        );
        std::fs::write(self.path("as-user"), program).unwrap();
        std::fs::set_permissions(self.path("as-user"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        self.user = Some(user);
    }

    /// Starts the shim without looking at it.
    pub(crate) fn launch(&mut self) {
        let listener = client::prepare(&self.rundir(), &self.spec).unwrap();
        let mut program = PathBuf::from(env!("CARGO_BIN_EXE_kanban"));
        if let Some(user) = self.user {
            let owner = format!("{user}:{user}");
            assert!(
                std::process::Command::new("chown")
                    .arg("-R")
                    .arg(owner)
                    .arg(self.home.path())
                    .status()
                    .unwrap()
                    .success()
            );
            program = self.path("as-user");
        }
        self.shim = client::spawn(&program, &self.rundir(), listener).unwrap();
        self.identity = Identity::of(self.shim);
    }

    pub(crate) async fn watch(&self) -> Watch {
        client::watch(&self.rundir(), &self.spec.socket, &self.spec.token).await.unwrap()
    }

    /// Starts the shim and waits until its worker runs.
    pub(crate) async fn start(&mut self) -> (Watch, Identity) {
        self.launch();
        let mut watch = self.watch().await;
        match next(&mut watch).await {
            Update::Started(worker) => (watch, worker),
            other => panic!("expected a start, got {other:?}"),
        }
    }

    /// Starts the shim of a worker that cannot start, and answers why it cannot.
    pub(crate) async fn fail(&mut self) -> (Watch, String) {
        self.launch();
        let mut watch = self.watch().await;
        match next(&mut watch).await {
            Update::Failed(error) => (watch, error),
            other => panic!("expected a failure, got {other:?}"),
        }
    }

    /// Runs to the end.
    pub(crate) async fn run(&mut self) -> Exit {
        let (mut watch, _) = self.start().await;
        end(&mut watch).await
    }

    pub(crate) fn output(&self) -> String {
        String::from_utf8(std::fs::read(&self.spec.log).unwrap()).unwrap()
    }

    pub(crate) fn gateway(&self) -> UnixListener {
        UnixListener::bind(&self.spec.gateway_socket).unwrap()
    }
}

impl Drop for Rig {
    /// A test that fails leaves no worker behind: a worker dies with its shim.
    fn drop(&mut self) {
        if self.identity.as_ref().is_some_and(Identity::is_alive) {
            let _ = std::process::Command::new("kill").args(["-9".to_owned(), self.shim.to_string()]).status();
        }
    }
}

pub(crate) async fn next(watch: &mut Watch) -> Update {
    tokio::time::timeout(PATIENCE, watch.next()).await.expect("news in time").unwrap().expect("one more update")
}

pub(crate) async fn end(watch: &mut Watch) -> Exit {
    match next(watch).await {
        Update::Exit(exit) => exit,
        other => panic!("expected the end, got {other:?}"),
    }
}
