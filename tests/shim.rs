//! The shim with real workers: every way to end, calls with and without a gateway, and nothing left behind.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/shim.rs"]
#[expect(dead_code, reason = "this suite uses a part of the rig")]
mod support;

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use kanban_gateway::{
    board::id::BoardSlug,
    process::{self, Identity},
    shim::{
        self, Answer, Call, Token,
        client::{self, Update},
    },
};
use serde_json::{Value, json};
use support::{PATIENCE, Rig, SECRET, end, next};

#[tokio::test]
async fn a_worker_that_succeeds_is_recorded_as_such() {
    let mut rig = Rig::script("pwd; cat; echo complaint >&2");
    let prompt = rig.path("prompt");
    fs::write(&prompt, "the task\n").unwrap();
    rig.spec.stdin = Some(prompt);
    let exit = rig.run().await;
    let text = format!("{}\nthe task\ncomplaint\n", rig.home.path().display());
    assert_eq!((exit.code, exit.signal, exit.stopped.clone(), exit.error.clone()), (Some(0), None, None, None));
    assert!(exit.ended_at >= exit.started_at && exit.started_at > 0);
    assert_eq!(rig.output(), text);
    assert_eq!(exit.tail, text.trim_end());
    assert_eq!(shim::exit_record(&rig.rundir()), Some(exit));
    assert_eq!(fs::metadata(&rig.spec.log).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(rig.rundir()).unwrap().permissions().mode() & 0o777, 0o700);
    for name in ["spec.json", "begun", "exit.json"] {
        assert_eq!(fs::metadata(rig.rundir().join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        assert!(!rig.rundir().join(format!("{name}.new")).exists(), "{name} is put in its place whole");
    }
}

#[tokio::test]
async fn exit_codes_and_signals_are_true() {
    assert_eq!(Rig::script("exit 75").run().await.code, Some(75));
    let exit = Rig::script("kill -9 $$").run().await;
    assert_eq!((exit.code, exit.signal), (None, Some(9)));
    // The signals that the shim is deaf to must end its worker.
    for (name, number) in [("TERM", 15), ("INT", 2), ("HUP", 1), ("PIPE", 13)] {
        assert_eq!(Rig::script(&format!("kill -{name} $$")).run().await.signal, Some(number), "{name}");
    }
}

#[tokio::test]
async fn a_worker_that_cannot_start_is_a_failure_with_a_reason() {
    let fail = async |mut rig: Rig, part: &str| {
        let (mut watch, error) = rig.fail().await;
        assert!(error.contains(part), "{error}");
        let exit = end(&mut watch).await;
        assert_eq!((exit.code, exit.error), (None, Some(error)));
    };
    fail(Rig::new(&["no-such-program"]), "cannot start `no-such-program`").await;
    fail(Rig::new(&[]), "empty command line").await;
    let mut rig = Rig::script("exit 0");
    rig.spec.cwd = rig.path("gone");
    fail(rig, "gone` is not a directory").await;
    let mut rig = Rig::script("exit 0");
    rig.spec.stdin = Some(rig.path("no-prompt"));
    fail(rig, "cannot open the prompt").await;
    let mut rig = Rig::script("exit 0");
    fs::write(rig.path("file"), "").unwrap();
    rig.spec.log = rig.path("file/7.log");
    fail(rig, "cannot open the log").await;
}

#[tokio::test]
async fn the_time_limit_ends_a_worker_that_ignores_requests() {
    let mut rig = Rig::script("trap '' TERM INT HUP; while :; do sleep 1000; done");
    rig.spec.time_limit_seconds = Some(1);
    rig.spec.grace_seconds = 1;
    let exit = rig.run().await;
    assert_eq!((exit.signal, exit.stopped.as_deref()), (Some(9), Some("time limit")));
    assert!((2_000..12_000).contains(&(exit.ended_at - exit.started_at)), "{exit:?}");
}

#[tokio::test]
async fn a_silent_worker_is_ended_at_its_silence_limit_and_one_that_gives_signs_is_not() {
    let mut rig = Rig::script("sleep 1000");
    rig.spec.silence_limit_seconds = Some(1);
    let exit = rig.run().await;
    assert_eq!(exit.stopped.as_deref(), Some("silence limit"));
    assert!(exit.ended_at - exit.started_at >= 1_000, "{exit:?}");

    // Output and calls count, each by itself; nobody has to answer a call for that.
    let mut rig = caller(
        "for i in 1 2 3 4 5 6; do sleep 0.3; echo $i; done\n\
         for i in 1 2 3 4 5 6; do sleep 0.3; call heartbeat t_1 > /dev/null 2>&1; done; exit 4",
    );
    rig.spec.silence_limit_seconds = Some(1);
    let exit = rig.run().await;
    assert_eq!((exit.code, exit.stopped), (Some(4), None));

    // Without a limit, silence is nobody's business.
    let mut rig = Rig::script("sleep 1.5; exit 5");
    assert_eq!(rig.run().await.code, Some(5));
}

#[tokio::test]
async fn a_worker_that_obeys_has_its_grace() {
    let mut rig =
        Rig::script("trap 'echo saved; exit 3' TERM; echo up > ready; while :; do sleep 1000 & wait $!; done");
    let ready = Fifo::new(rig.path("ready"));
    let (mut watch, _) = rig.start().await;
    ready.read().await;
    assert!(client::stop(&rig.rundir(), &rig.spec.socket, &rig.spec.token, "cancelled by ada").await.unwrap());
    // Whether it is over by then is up to the worker; the first word counts.
    let _ = client::stop(&rig.rundir(), &rig.spec.socket, &rig.spec.token, "too late").await.unwrap();
    let exit = end(&mut watch).await;
    assert_eq!((exit.code, exit.stopped.as_deref()), (Some(3), Some("cancelled by ada")));
    // A shell may say first that its child was ended as well.
    assert!(exit.tail.ends_with("saved"), "{}", exit.tail);
    // A shim that is gone has nothing to stop.
    until_dead(rig.shim).await;
    assert!(!client::stop(&rig.rundir(), &rig.spec.socket, &rig.spec.token, "again").await.unwrap());
}

/// Starts children in sessions of their own whose parents leave at once, all deaf to requests.
const DEAF_TREE: &str = r#"
    trap '' TERM HUP INT
    for n in 1 2 3; do
        setsid sh -c '(setsid sh -c "echo \$\$ > pids; sleep 1000; sleep 1000" &) ; exit 0'
        (setsid sh -c 'echo $$ > pids; while :; do sleep 1000; done' &)
    done
"#;

#[tokio::test]
async fn stopping_leaves_no_process_of_a_deaf_tree() {
    let mut rig = Rig::script(&format!("{DEAF_TREE} echo $$ > pids; while :; do sleep 1000; done"));
    rig.spec.grace_seconds = 0;
    let pids = Fifo::new(rig.path("pids"));
    let (mut watch, worker) = rig.start().await;
    let tree = pids.identities(7).await;
    assert!(tree.contains(&worker) && tree.iter().all(Identity::is_alive));
    client::stop(&rig.rundir(), &rig.spec.socket, &rig.spec.token, "cancelled").await.unwrap();
    let exit = end(&mut watch).await;
    assert_eq!((exit.signal, exit.stopped.as_deref()), (Some(9), Some("cancelled")));
    assert_eq!(living(&tree), 0);
}

#[tokio::test]
async fn what_a_worker_leaves_running_does_not_outlive_the_run() {
    let mut rig = Rig::script(&format!("{DEAF_TREE} read go < go; exit 4"));
    rig.spec.grace_seconds = 0;
    let pids = Fifo::new(rig.path("pids"));
    let go = Fifo::new(rig.path("go"));
    let (mut watch, _) = rig.start().await;
    let tree = pids.identities(6).await;
    go.write("go").await;
    let exit = end(&mut watch).await;
    assert_eq!((exit.code, exit.signal, exit.stopped), (Some(4), None, None));
    assert_eq!(living(&tree), 0);
}

#[tokio::test]
async fn a_worker_that_forks_without_end_is_stopped() {
    let mut rig =
        Rig::script("trap '' TERM; f() { echo > up; while :; do (setsid sleep 0.01 &); done; }; f & f & wait");
    rig.spec.grace_seconds = 0;
    let up = Fifo::new(rig.path("up"));
    let (mut watch, _) = rig.start().await;
    up.read().await;
    client::stop(&rig.rundir(), &rig.spec.socket, &rig.spec.token, "cancelled").await.unwrap();
    assert_eq!(end(&mut watch).await.stopped.as_deref(), Some("cancelled"));
    let mark = format!("KANBAN_SOCKET={}", rig.spec.socket.display());
    let carries = |pid: u32| {
        fs::read(format!("/proc/{pid}/environ")).is_ok_and(|all| all.split(|b| *b == 0).any(|e| e == mark.as_bytes()))
    };
    let left: Vec<u32> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|pid| carries(*pid))
        .collect();
    assert_eq!(left, Vec::<u32>::new());
}

#[tokio::test]
async fn a_worker_sees_the_given_environment_and_three_descriptors() {
    let mut rig = Rig::new(&["env"]);
    rig.spec.env.push(("GREETING".to_owned(), "two\nlines".to_owned()));
    rig.run().await;
    let expected: String = rig.spec.env.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(lines(&rig.output()), lines(&expected));

    let mut rig = Rig::new(&["ls", "/proc/self/fd"]);
    rig.run().await;
    // The fourth is the directory that `ls` itself has open.
    assert_eq!(rig.output(), "0\n1\n2\n3\n");

    let mut rig = Rig::new(&["cat", "/proc/self/status"]);
    rig.run().await;
    let output = rig.output();
    let signals = |name: &str| {
        let set = output.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        // The C library keeps signals 32 and 33 to itself and lets nobody change them.
        u64::from_str_radix(set.trim(), 16).unwrap() & !(0b11 << 31)
    };
    assert_eq!((signals("SigIgn:"), signals("SigBlk:")), (0, 0));
}

#[tokio::test]
async fn a_shim_is_deaf_to_the_signals_of_a_terminal_and_leads_a_session() {
    let mut rig = Rig::script("echo up > ready; read go < go; exit 5");
    let (ready, go) = (Fifo::new(rig.path("ready")), Fifo::new(rig.path("go")));
    let (mut watch, worker) = rig.start().await;
    ready.read().await;
    for signal in ["TERM", "INT", "HUP", "PIPE"] {
        assert!(Command::new("kill").args([format!("-{signal}"), rig.shim.to_string()]).status().unwrap().success());
    }
    let session = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(3).unwrap().parse::<u32>().unwrap()
    };
    assert_eq!(session(rig.shim), rig.shim);
    assert_eq!(shim::all_above(worker.pid).collect::<Vec<_>>(), [rig.rundir()]);
    assert_eq!(shim::above(worker.pid), Some(rig.rundir()));
    assert_eq!(shim::above(std::process::id()), None);
    assert_eq!(process::ancestors(worker.pid).next().map(|parent| parent.pid), Some(rig.shim));
    go.write("go").await;
    assert_eq!(end(&mut watch).await.code, Some(5));
}

#[tokio::test]
async fn news_reach_a_gateway_that_comes_back() {
    let mut rig = Rig::script("read go < go; exit 6");
    let go = Fifo::new(rig.path("go"));
    let (first, worker) = rig.start().await;
    drop(first);
    let mut second = rig.watch().await;
    assert_eq!(next(&mut second).await, Update::Started(worker));
    let mut third = rig.watch().await;
    next(&mut third).await;
    go.write("go").await;
    assert_eq!(end(&mut second).await.code, Some(6));
    assert_eq!(end(&mut third).await.code, Some(6));
    assert_eq!(third.next().await.unwrap(), None);
    // One that was away the whole time finds the record.
    until_dead(rig.shim).await;
    let mut late = rig.watch().await;
    assert!(matches!(next(&mut late).await, Update::Started(_)));
    assert_eq!(end(&mut late).await.code, Some(6));
}

#[tokio::test]
async fn a_killed_shim_is_lost_and_takes_its_worker_along() {
    let mut rig = Rig::script(&format!("{DEAF_TREE} echo $$ > pids; while :; do sleep 1000; done"));
    let pids = Fifo::new(rig.path("pids"));
    let (mut watch, worker) = rig.start().await;
    let tree = pids.identities(7).await;
    assert!(tree.contains(&worker));
    assert!(Command::new("kill").args(["-9".to_owned(), rig.shim.to_string()]).status().unwrap().success());
    assert_eq!(next(&mut watch).await, Update::Lost);
    assert_eq!(watch.next().await.unwrap(), None);
    assert_eq!(living(&tree), 0);
    assert_eq!(next(&mut rig.watch().await).await, Update::Lost);
}

#[tokio::test]
async fn a_shim_whose_socket_was_removed_is_not_lost() {
    let mut rig = Rig::script("read go < go; exit 7");
    let _go = Fifo::new(rig.path("go"));
    let (watch, worker) = rig.start().await;
    drop(watch);
    fs::remove_file(&rig.spec.socket).unwrap();
    let mut late = rig.watch().await;
    assert_eq!(next(&mut late).await, Update::Started(worker));
    assert!(rig.spec.socket.exists(), "it was put back");
    assert_eq!(fs::metadata(&rig.spec.socket).unwrap().permissions().mode() & 0o777, 0o600);
    // A socket that is gone holds up the order to stop, and does not lose it.
    fs::remove_file(&rig.spec.socket).unwrap();
    assert!(client::stop(&rig.rundir(), &rig.spec.socket, &rig.spec.token, "cancelled").await.unwrap());
    assert_eq!(end(&mut late).await.stopped.as_deref(), Some("cancelled"));
}

#[tokio::test]
async fn a_run_of_before_a_reboot_is_lost_and_nothing_is_killed() {
    let mut rig = Rig::script("(setsid sh -c 'echo $$ > pids; sleep 1000' &) ; sleep 1000");
    let pids = Fifo::new(rig.path("pids"));
    let (watch, _) = rig.start().await;
    let stray = pids.identities(1).await.remove(0);
    drop(watch);
    // As if the machine had been started anew since: another process bears the mark of the run by chance.
    let noted = fs::read_to_string(rig.rundir().join("begun")).unwrap();
    let boot_id = Identity::own().unwrap().boot_id;
    assert!(noted.contains(&boot_id), "{noted}");
    fs::write(rig.rundir().join("begun"), noted.replace(&boot_id, "an-earlier-boot")).unwrap();
    assert!(Command::new("kill").args(["-9".to_owned(), rig.shim.to_string()]).status().unwrap().success());
    until_dead(rig.shim).await;
    assert_eq!(next(&mut rig.watch().await).await, Update::LostInReboot);
    assert!(stray.is_alive());
    assert!(Command::new("kill").args(["-9".to_owned(), stray.pid.to_string()]).status().unwrap().success());
}

#[tokio::test]
async fn strangers_are_refused() {
    let mut rig = Rig::script("read go < go");
    let go = Fifo::new(rig.path("go"));
    let (mut watch, _) = rig.start().await;
    let wrong = Token::new("a guess".to_owned());
    assert!(client::stop(&rig.rundir(), &rig.spec.socket, &wrong, "no").await.is_err());
    assert!(client::watch(&rig.rundir(), &rig.spec.socket, &wrong).await.unwrap().next().await.is_err());
    let socket = rig.spec.socket.clone();
    let answer = blocking(move || client::call(&socket, &words("complete t_1"), None)).await.unwrap();
    assert_eq!(answer.exit, 1);
    assert!(answer.stderr.contains("its own worker alone"), "{}", answer.stderr);
    go.write("go").await;
    assert_eq!(end(&mut watch).await.code, Some(0));
    assert_eq!(shim::pending_calls(&rig.rundir()).unwrap(), []);
}

#[tokio::test]
async fn the_newest_output_is_kept_within_the_limit_and_in_little_memory() {
    let mut rig = Rig::script("seq 1 2000000; echo done > ready; read go < go; echo the end");
    rig.spec.log_limit_bytes = 1 << 20;
    let (ready, go) = (Fifo::new(rig.path("ready")), Fifo::new(rig.path("go")));
    let (mut watch, _) = rig.start().await;
    ready.read().await;
    let status = fs::read_to_string(format!("/proc/{}/status", rig.shim)).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 64 << 10, "the shim took {peak} kB");
    go.write("go").await;
    let exit = end(&mut watch).await;
    assert!(exit.tail.ends_with("1999999\n2000000\nthe end") && exit.tail.lines().count() == 20, "{}", exit.tail);
    let kept: u64 =
        fs::read_dir(rig.spec.log.parent().unwrap()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!((512 << 10..=1 << 20).contains(&kept), "{kept} bytes are kept");
    let newest = String::from_utf8(shim::newest_output(&rig.spec.log, 1 << 20).unwrap()).unwrap();
    let numbers: Vec<u64> = newest.lines().filter_map(|line| line.parse().ok()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "a line was cut or lost where the halves meet");
    assert!(newest.ends_with("2000000\nthe end\n") && newest.len() as u64 == kept);
}

#[tokio::test]
async fn calls_reach_the_gateway_in_order_with_the_token_of_the_run() {
    let mut rig =
        caller("call show t_1; echo 'a body' | call_with_stdin comment t_1 -; call complete t_1 --summary 'all done'");
    let gateway = rig.gateway();
    let (mut watch, _) = rig.start().await;
    let heard = blocking(move || {
        (0..3)
            .map(|n| answer(&gateway, &json!({"exit": n, "stdout": format!("answer {n}\n"), "stderr": "note"})))
            .collect::<Vec<_>>()
    })
    .await;
    end(&mut watch).await;
    let call = |number: u64, argv: &[&str], stdin: Option<&str>| json!({"op": "call", "run": 7, "token": SECRET, "call": number, "argv": argv, "stdin": stdin});
    assert_eq!(heard[0], call(1, &["show", "t_1"], None));
    assert_eq!(heard[1], call(2, &["comment", "t_1", "-"], Some("a body\n")));
    assert_eq!(heard[2], call(3, &["complete", "t_1", "--summary", "all", "done"], None));
    let answers = answers(&rig);
    for (n, answer) in answers.iter().enumerate() {
        let expected =
            Answer { exit: n as i32, stdout: format!("answer {n}\n"), stderr: "note".to_owned(), ..Answer::default() };
        assert_eq!(*answer, expected);
    }
    assert_eq!(answers.len(), 3);
    assert_eq!(shim::pending_calls(&rig.rundir()).unwrap(), []);
    // What only reads is not written down.
    let journal = fs::read_to_string(rig.rundir().join("calls.jsonl")).unwrap();
    assert!(!journal.contains("show") && journal.contains("complete"), "{journal}");
}

#[tokio::test]
async fn calls_are_kept_while_no_gateway_runs_and_sent_in_order_when_it_is_back() {
    let mut rig = caller(
        "call comment t_1 one; call show t_1; call comment t_1 two; echo > asked; read go < go; call complete t_1",
    );
    let (asked, go) = (Fifo::new(rig.path("asked")), Fifo::new(rig.path("go")));
    let (mut watch, _) = rig.start().await;
    asked.read().await;
    let kept = answers(&rig);
    assert_eq!((kept[0].exit, kept[0].queued, kept[2].exit, kept[2].queued), (0, true, 0, true));
    assert_eq!(
        kept[0].stdout,
        "the gateway is not running; call 1 is kept and will be applied in order when it is back\n"
    );
    assert_eq!((kept[1].exit, kept[1].queued), (1, false));
    assert!(kept[1].stderr.starts_with("the gateway is not running; nothing was read."), "{}", kept[1].stderr);
    assert_eq!(
        shim::pending_calls(&rig.rundir()).unwrap(),
        [kept_call(1, "comment t_1 one"), kept_call(2, "comment t_1 two")]
    );

    let gateway = rig.gateway();
    let ok = json!({"exit": 0, "stdout": "ok\n", "stderr": ""});
    let (heard, gateway) = blocking(move || {
        let heard = [answer(&gateway, &ok), answer(&gateway, &ok)];
        (heard, gateway)
    })
    .await;
    assert_eq!((&heard[0]["call"], &heard[0]["argv"][2]), (&json!(1), &json!("one")));
    assert_eq!((&heard[1]["call"], &heard[1]["argv"][2]), (&json!(2), &json!("two")));
    go.write("go").await;
    let last = blocking(move || answer(&gateway, &json!({"exit": 0, "stdout": "completed\n", "stderr": ""}))).await;
    assert_eq!((&last["call"], &last["argv"][0]), (&json!(3), &json!("complete")));
    end(&mut watch).await;
    assert_eq!(shim::pending_calls(&rig.rundir()).unwrap(), []);
}

#[tokio::test]
async fn what_waits_for_the_gateway_has_a_limit_in_bytes_which_the_refusal_names() {
    let mut rig = caller(
        "for n in 1 2 3 4 5; do head -c 15000000 /dev/zero | tr '\\0' x | call_with_stdin comment t_1 -; done\n\
         call comment t_1 small",
    );
    assert_eq!(rig.run().await.code, Some(0));
    let answers = answers(&rig);
    assert_eq!(answers.iter().map(|answer| answer.exit).collect::<Vec<_>>(), [0, 0, 0, 0, 1, 0]);
    assert!(answers[4].stderr.contains("more than 67108864 bytes; this one was not kept"), "{}", answers[4].stderr);
    let kept = shim::pending_calls(&rig.rundir()).unwrap();
    let sizes: Vec<_> = kept.iter().map(|call| (call.call, call.stdin.as_ref().map_or(0, String::len))).collect();
    assert_eq!(sizes, [(1, 15_000_000), (2, 15_000_000), (3, 15_000_000), (4, 15_000_000), (5, 0)]);
}

#[tokio::test]
async fn a_call_without_an_answer_is_sent_again_under_the_same_number() {
    let mut rig = caller("call complete t_1; read go < go");
    let go = Fifo::new(rig.path("go"));
    let gateway = rig.gateway();
    let (mut watch, _) = rig.start().await;
    let (first, second) = blocking(move || {
        // The gateway dies after it has taken the call.
        let (stream, _) = gateway.accept().unwrap();
        let first = line_of(&stream);
        drop(stream);
        (first, answer(&gateway, &json!({"exit": 0, "stdout": "completed\n", "stderr": ""})))
    })
    .await;
    assert_eq!(first, second);
    assert_eq!(first["call"], json!(1));
    go.write("go").await;
    end(&mut watch).await;
    assert!(answers(&rig)[0].queued);
    assert_eq!(shim::pending_calls(&rig.rundir()).unwrap(), []);
}

#[tokio::test]
async fn a_worker_that_ends_without_a_gateway_loses_no_call() {
    let mut rig = caller("call comment t_1 one; call complete t_1; exit 0");
    let exit = rig.run().await;
    assert_eq!(exit.code, Some(0));
    until_dead(rig.shim).await;
    let pending = shim::pending_calls(&rig.rundir()).unwrap();
    assert_eq!(pending, [kept_call(1, "comment t_1 one"), kept_call(2, "complete t_1")]);
    // A line that a power loss cut off was promised to nobody.
    let mut journal = fs::OpenOptions::new().append(true).open(rig.rundir().join("calls.jsonl")).unwrap();
    journal.write_all(b"{\"call\":3,\"argv\":[\"comm").unwrap();
    assert_eq!(shim::pending_calls(&rig.rundir()).unwrap(), pending);
}

#[test]
fn verbs_that_only_read_are_known() {
    for line in ["show t_1", "ls", "list --json", "--json stats", "why t_1", "diag", "--help"] {
        assert!(!shim::changes_the_board(&words(line)), "{line}");
    }
    for line in ["complete t_1", "heartbeat", "--json comment t_1 show", "watch t_1", "", "attach-rm 3"] {
        assert!(shim::changes_the_board(&words(line)), "{line}");
    }
}

#[test]
fn a_long_home_gets_its_sockets_in_a_private_directory() {
    let (home, runtime) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let board: BoardSlug = "default".parse().unwrap();
    let near = shim::socket_path(home.path(), runtime.path(), &board, 3).unwrap();
    assert_eq!(near, home.path().join("run/default-3.sock"));
    let long = home.path().join("x".repeat(120));
    let far = shim::socket_path(&long, runtime.path(), &"b".repeat(64).parse().unwrap(), i64::MAX).unwrap();
    assert!(far.starts_with(runtime.path()) && far.as_os_str().len() <= 100, "{}", far.display());
    UnixListener::bind(&far).unwrap();
    let directory = far.parent().unwrap();
    assert_eq!(fs::metadata(directory).unwrap().permissions().mode() & 0o777, 0o700);
    let other = shim::socket_path(&home.path().join("y".repeat(120)), runtime.path(), &board, 3).unwrap();
    assert_ne!(other.parent(), Some(directory), "two homes share no directory");
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    let error = shim::socket_path(&long, runtime.path(), &board, 3).unwrap_err();
    assert!(error.to_string().contains("chmod 700"), "{error}");
}

#[test]
fn an_identity_is_one_process_and_no_other() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let child_identity = Identity::of(child.id()).unwrap();
    assert!(child_identity.is_alive());
    assert!(!Identity { start_time: child_identity.start_time + 1, ..child_identity.clone() }.is_alive());
    assert!(!Identity { boot_id: "another boot".to_owned(), ..child_identity.clone() }.is_alive());
    assert!(process::descendants(std::process::id()).contains(&child_identity));
    assert!(process::ancestors(child.id()).any(|ancestor| ancestor.pid == std::process::id()));
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(!child_identity.is_alive());
}

/// Not a test of its own: the program that a worker's script runs to make one call, told by its environment.
#[test]
#[expect(clippy::disallowed_methods, reason = "a program that plays a worker is told by its environment")]
fn as_a_worker() {
    let Some(argv) = std::env::var_os("TEST_ARGV") else { return };
    let argv: Vec<String> = argv.to_str().unwrap().split('\n').map(str::to_owned).collect();
    let socket = PathBuf::from(std::env::var_os(shim::SOCKET_VARIABLE).unwrap());
    let stdin = std::env::var_os("TEST_STDIN").map(|_| {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).unwrap();
        text
    });
    let answer = client::call(&socket, &argv, stdin.as_deref()).unwrap();
    let mut answers = fs::OpenOptions::new().append(true).create(true).open("answers").unwrap();
    writeln!(answers, "{}", serde_json::to_string(&answer).unwrap()).unwrap();
}

/// A worker whose script makes calls with `call WORD…`; the words must not hold blanks of their own.
fn caller(script: &str) -> Rig {
    let program = std::env::current_exe().unwrap();
    Rig::script(&format!(
        "call() {{ TEST_ARGV=$(printf '%s\\n' $*) '{0}' --exact as_a_worker >&2; }}\n\
         call_with_stdin() {{ TEST_STDIN=1 call \"$@\"; }}\n{script}",
        program.display()
    ))
}

fn answers(rig: &Rig) -> Vec<Answer> {
    let text = fs::read_to_string(rig.path("answers")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn kept_call(number: u64, line: &str) -> Call {
    Call { call: number, argv: words(line), stdin: None }
}

/// Takes one call as the gateway does and answers it.
fn answer(gateway: &UnixListener, answer: &Value) -> Value {
    let (mut stream, _) = gateway.accept().unwrap();
    let request = line_of(&stream);
    writeln!(stream, "{answer}").unwrap();
    request
}

fn line_of(stream: &std::os::unix::net::UnixStream) -> Value {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

fn living(tree: &[Identity]) -> usize {
    tree.iter().filter(|process| process.is_alive()).count()
}

async fn until_dead(pid: u32) {
    let gone = async {
        while Path::new(&format!("/proc/{pid}")).exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the shim ends and is reaped");
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(work)).await.expect("in time").unwrap()
}

/// A named pipe: a meeting point of test and worker.
struct Fifo(PathBuf);

impl Fifo {
    fn new(path: PathBuf) -> Self {
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        Self(path)
    }

    async fn read(&self) -> String {
        let path = self.0.clone();
        blocking(move || fs::read_to_string(path).unwrap()).await
    }

    async fn write(&self, text: &'static str) {
        let path = self.0.clone();
        blocking(move || fs::write(path, format!("{text}\n")).unwrap()).await;
    }

    /// Reads pids, one a line, until there are `count`, while their processes live.
    async fn identities(&self, count: usize) -> Vec<Identity> {
        let path = self.0.clone();
        blocking(move || {
            // Open for writing as well, so that the pipe does not end between two writers.
            let pipe = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
            let lines = BufReader::new(pipe).lines().take(count);
            lines.map(|line| Identity::of(line.unwrap().parse().unwrap()).unwrap()).collect()
        })
        .await
    }
}
