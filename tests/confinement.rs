//! A confined worker: what it can reach of our home, of our processes, and of the rest of the machine.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/scale.rs"]
#[expect(dead_code, reason = "this suite uses a part of it")]
mod scale;
#[path = "support/shim.rs"]
#[expect(dead_code, reason = "this suite uses a part of the rig")]
mod support;

use std::{
    fs,
    os::unix::net::UnixListener,
    process::{Child, Command},
};

use kanban_gateway::shim::{self, Confinement, Power};
use support::Rig;

/// A rig whose home is closed to its worker but for its workspace.
fn confined(script: &str) -> Rig {
    let mut rig = Rig::script(&format!(
        "try() {{ name=$1; shift; if \"$@\" > /dev/null 2>&1; then echo $name yes; else echo $name no; fi; }}\n{script}"
    ));
    let home = rig.home.path().canonicalize().unwrap();
    rig.spec.cwd = home.join("boards/default/workspaces/t_1");
    fs::create_dir_all(&rig.spec.cwd).unwrap();
    fs::write(home.join("kanban.toml"), "[dispatch]\n").unwrap();
    fs::write(home.join("boards/default/board.db"), "the board").unwrap();
    fs::create_dir_all(home.join("run/default-8")).unwrap();
    fs::write(home.join("run/default-8/prompt"), "another's").unwrap();
    fs::create_dir_all(home.join("boards/default/attachments/t_1")).unwrap();
    fs::write(home.join("boards/default/attachments/t_1/plan"), "a plan").unwrap();
    fs::create_dir_all(home.join("boards/default/workspaces/t_2")).unwrap();
    rig.spec.confinement = Some(Confinement::of(&home, &home, vec![home.join("boards/default/attachments/t_1")]));
    rig.spec.env.push(("H".to_owned(), home.display().to_string()));
    rig
}

/// What the worker could do, by name. Nothing where the kernel cannot confine it.
async fn done(mut rig: Rig, least: Power) -> Option<(Vec<String>, Rig)> {
    if shim::power() != least && shim::power() != Power::FilesAndSignals {
        scale::report(&format!("SKIPPED: this kernel's Landlock has {:?}, and {least:?} is needed", shim::power()));
        return None;
    }
    let exit = rig.run().await;
    assert_eq!((exit.code, exit.error), (Some(0), None), "{}", rig.output());
    let done = rig.output().lines().filter_map(|line| line.strip_suffix(" yes").map(str::to_owned)).collect();
    Some((done, rig))
}

#[tokio::test]
async fn a_confined_worker_reaches_nothing_of_the_home_but_its_own() {
    let rig = confined(
        r#"other=$H/run/default-8
           try read_settings cat $H/kanban.toml
           try read_board cat $H/boards/default/board.db
           try read_other_prompt cat $other/prompt
           try list_home ls $H
           try list_runs ls $H/run
           try list_other ls $other
           try list_other_workspace ls $H/boards/default/workspaces/t_2
           try write_settings sh -c "echo > $H/kanban.toml"
           try append_board sh -c "echo >> $H/boards/default/board.db"
           try truncate_board truncate -s 0 $H/boards/default/board.db
           try make_file touch $H/new
           try make_directory mkdir $H/run/default-9
           try make_link ln -s / $H/link
           try remove rm -f $other/prompt
           try remove_socket rm -f $H/other.sock
           try move_away mv $H/boards/default/board.db $H/boards/default/board.old
           try move_out mv $H/boards/default/board.db ./board.db
           try link_out ln $H/boards/default/board.db ./board.db
           ln -s $H/kanban.toml ./by-link
           try read_by_link cat ./by-link
           try read_by_dots cat ../../../../kanban.toml
           try read_by_root cat /proc/self/root$H/kanban.toml
           try change_own_spec sh -c "echo > $H/run/spec.json"
           try own_file sh -c 'echo mine > file && cat file && mkdir -p a/b && mv file a/b && rm -r a'
           try own_spec cat $H/run/spec.json
           try own_attachment cat $H/boards/default/attachments/t_1/plan
           try change_attachment sh -c "echo > $H/boards/default/attachments/t_1/plan"
           try outside sh -c 'cat /etc/passwd && ls /usr && echo > /dev/null && sh -c true'
           try own_children sh -c 'sleep 1000 & kill -9 $!'"#,
    );
    UnixListener::bind(rig.path("other.sock")).unwrap();
    let Some((done, rig)) = done(rig, Power::Files).await else { return };
    assert_eq!(done, ["own_file", "own_spec", "own_attachment", "outside", "own_children"]);
    assert_eq!(fs::read_to_string(rig.path("kanban.toml")).unwrap(), "[dispatch]\n");
    assert_eq!(fs::read_to_string(rig.path("boards/default/board.db")).unwrap(), "the board");
    assert!(rig.path("other.sock").exists() && !rig.path("new").exists() && !rig.path("link").exists());
}

#[tokio::test]
async fn a_confined_worker_touches_no_process_but_its_own() {
    let mut rig = confined(
        r#"shim=$PPID
           try ask_shim kill -TERM $shim
           try kill_shim kill -9 $shim
           try stop_shim kill -STOP $shim
           try kill_stranger kill -9 $STRANGER
           try kill_group kill -9 -- -$STRANGER
           try memory dd if=/proc/$shim/mem of=/dev/null count=1
           try environment cat /proc/$shim/environ
           try descriptors readlink /proc/$shim/fd/0
           try directory readlink /proc/$shim/cwd
           try stranger_environment cat /proc/$STRANGER/environ
           try stranger_memory dd if=/proc/$STRANGER/mem of=/dev/null count=1"#,
    );
    let mut stranger = Stranger(Command::new("sleep").arg("1000").spawn().unwrap());
    rig.spec.env.push(("STRANGER".to_owned(), stranger.0.id().to_string()));
    let outcome = done(rig, Power::FilesAndSignals).await;
    assert_eq!(stranger.0.try_wait().unwrap(), None);
    let Some((done, _)) = outcome else { return };
    assert_eq!(done, Vec::<String>::new());
}

/// A process that is not the worker's, and that a test which fails does not leave behind.
struct Stranger(Child);

impl Drop for Stranger {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn a_workspace_that_holds_the_home_is_refused_with_a_way_out() {
    let mut rig = confined("true");
    rig.spec.cwd = rig.home.path().canonicalize().unwrap();
    let (mut watch, error) = rig.fail().await;
    assert!(error.contains("may not reach") && error.contains("`confine = false`"), "{error}");
    assert_eq!(support::end(&mut watch).await.error, Some(error));
}
