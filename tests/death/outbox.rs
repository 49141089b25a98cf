//! The file road: calls that are dropped into the workspace.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixListener,
    sync::mpsc::{Receiver, channel},
};

use kanban_gateway::shim;
use serde_json::{Value, json};

use crate::{
    scale::Scale,
    support::{self, Rig},
};

/// What a worker needs to drop a call and to wait for its answer.
const ROAD: &str = r#"
    box=.kanban/outbox
    drop() { printf '%s' "$2" > $box/.draft && mv $box/.draft $box/$1.json; }
    answer() { while ! test -e $box/$1.answer.json; do sleep 0.01; done; cat $box/$1.answer.json; echo; }
"#;

fn dropper(script: &str) -> Rig {
    let mut rig = Rig::script(&format!("{ROAD}{script}"));
    rig.spec.outbox = true;
    rig
}

/// A gateway that answers every call with its number, and hands on what it heard.
fn gateway(rig: &Rig) -> Receiver<Value> {
    let listener: UnixListener = rig.gateway();
    let (tell, heard) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            let call: Value = serde_json::from_str(&line).unwrap();
            let answer = json!({"exit": 0, "stdout": format!("answer {}", call["call"]), "stderr": ""});
            // The shim may be gone when the test is over.
            let _ = writeln!(&stream, "{answer}");
            if tell.send(call).is_err() {
                return;
            }
        }
    });
    heard
}

fn argv(calls: &[Value]) -> Vec<String> {
    let words = |call: &Value| {
        call["argv"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect::<Vec<_>>().join(" ")
    };
    calls.iter().map(words).collect()
}

#[tokio::test]
async fn calls_are_taken_in_order_and_answered_beside_them() {
    let mut rig = dropper(
        r#"cat .kanban/.gitignore; ls $box
           drop 2 '{"argv": ["show", "t_1"]}'; answer 2
           printf '%s' '{"argv": ["comment", "t_1", "-"], "stdin": "a\nbody"}' > $box/.draft4
           printf '%s' '{"argv": ["comment", "t_1", "first"]}' > $box/.draft3
           mv $box/.draft3 $box/3.json; mv $box/.draft4 $box/4.json
           answer 3; answer 4
           rm -r .kanban
           while ! test -d $box; do sleep 0.01; done
           drop 5 '{"argv": ["heartbeat", "t_1"]}'; answer 5
           ls $box
           drop 7 '{"argv": ["complete", "t_1", "--summary", "two words"]}'
           drop 6 '{"argv": ["comment", "t_1", "last"]}'"#,
    );
    // What an earlier run has left is no call of this one.
    fs::create_dir_all(rig.path(".kanban/outbox")).unwrap();
    fs::write(rig.path(".kanban/outbox/1.json"), r#"{"argv": ["complete", "t_1"]}"#).unwrap();
    fs::write(rig.path(".kanban/outbox/0.answer.json"), "{}").unwrap();
    let heard = gateway(&rig);
    let exit = rig.run().await;
    assert_eq!((exit.code, exit.error), (Some(0), None));
    let answered = |number: u64| format!("{{\"exit\":0,\"stdout\":\"answer {number}\",\"stderr\":\"\"}}\n");
    let expected = ["*\n".to_owned(), answered(1), answered(2), answered(3), answered(4), "5.answer.json\n".to_owned()];
    assert_eq!(rig.output(), expected.concat());
    let calls: Vec<_> = heard.try_iter().collect();
    assert_eq!(argv(&calls)[..4], ["show t_1", "comment t_1 first", "comment t_1 -", "heartbeat t_1"]);
    // Those of the end were dropped in the other order; which one was seen first is open.
    let mut last = argv(&calls)[4..].to_vec();
    last.sort();
    assert_eq!(last, ["comment t_1 last", "complete t_1 --summary two words"]);
    assert_eq!(calls[2]["stdin"], "a\nbody");
    assert!(calls.iter().all(|call| call["token"] == support::SECRET && call["run"] == 7));
    let mut left: Vec<_> =
        fs::read_dir(rig.path(".kanban/outbox")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["5.answer.json", "6.answer.json", "7.answer.json"]);
    assert_eq!(shim::pending_calls(&rig.rundir()).unwrap(), []);
}

#[tokio::test]
async fn calls_are_kept_while_no_gateway_runs() {
    let mut rig = dropper(
        r#"drop 1 '{"argv": ["comment", "t_1", "one"]}'; answer 1
           drop 2 '{"argv": ["complete", "t_1"]}'"#,
    );
    assert_eq!(rig.run().await.code, Some(0));
    let answer: Value = serde_json::from_str(rig.output().trim()).unwrap();
    assert_eq!((&answer["exit"], &answer["queued"]), (&json!(0), &json!(true)), "{answer}");
    let kept: Vec<_> =
        shim::pending_calls(&rig.rundir()).unwrap().into_iter().map(|call| call.argv.join(" ")).collect();
    assert_eq!(kept, ["comment t_1 one", "complete t_1"]);
}

#[tokio::test]
async fn what_is_no_call_is_refused_and_holds_up_nothing() {
    let mut rig = dropper(
        r#"printf '{"argv": ["comm' > $box/1.json
           printf '{"argv": ["comment", "t_1", "behind it"]}' > $box/.draft
           mv $box/.draft $box/2.json
           answer 1; answer 2
           ln -s /etc/passwd $box/3.json; answer 3
           mkfifo $box/4.json; answer 4
           mkdir $box/5.json; answer 5
           truncate -s 2M $box/6.json; answer 6
           drop 7 '{"argv": "complete"}'; answer 7
           drop 8 '[]'; answer 8
           mkdir -p $box/9.answer.json/full $box/.nine/full; mv $box/.nine $box/9.json
           drop 91 '{"argv": ["comment", "t_1", "after all"]}'; answer 91
           printf '{"argv": ["comm' > $box/92.json"#,
    );
    let heard = gateway(&rig);
    assert_eq!(rig.run().await.code, Some(0));
    assert_eq!(argv(&heard.try_iter().collect::<Vec<_>>()), ["comment t_1 behind it", "comment t_1 after all"]);
    let output = rig.output();
    let answers: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let exits: Vec<_> = answers.iter().map(|answer| answer["exit"].as_i64().unwrap()).collect();
    assert_eq!(exits, [2, 0, 2, 2, 2, 2, 2, 2, 0], "{output}");
    for (number, part) in [(0, "is not a call"), (2, "a link"), (3, "no plain file"), (5, "more than 1048576 bytes")] {
        assert!(answers[number]["stderr"].as_str().unwrap().contains(part), "{}", answers[number]);
    }
    assert!(!output.contains("root:"), "{output}");
    let left = fs::read_to_string(rig.path(".kanban/outbox/92.answer.json")).unwrap();
    assert!(left.contains("is not a call"), "{left}");
}

#[tokio::test]
async fn a_link_in_the_place_of_the_outbox_is_refused() {
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir(elsewhere.path().join("outbox")).unwrap();
    fs::write(elsewhere.path().join("outbox/kept"), "").unwrap();
    let mut rig = dropper("true");
    std::os::unix::fs::symlink(elsewhere.path(), rig.path(".kanban")).unwrap();
    let (mut watch, error) = rig.fail().await;
    assert!(error.contains("`.kanban` is in the way"), "{error}");
    support::end(&mut watch).await;
    assert!(elsewhere.path().join("outbox/kept").exists());
}

#[tokio::test]
async fn a_flood_of_calls_is_taken_one_by_one_in_little_memory() {
    let scale = Scale::of("flood of files", 500, 20_000);
    let mut rig = dropper(&format!(
        "n=0; while test $n -lt {0}; do n=$((n + 1)); printf '{{\"argv\": [\"comment\", \"t_1\", \"%d\"]}}' $n > $box/.d; \
         mv $box/.d $box/$(printf %08d $n).json; done; answer $(printf %08d {0}); grep VmHWM /proc/$PPID/status",
        scale.count
    ));
    let heard = gateway(&rig);
    assert_eq!(rig.run().await.code, Some(0));
    let calls = argv(&heard.try_iter().collect::<Vec<_>>());
    let expected: Vec<_> = (1..=scale.count).map(|number| format!("comment t_1 {number}")).collect();
    assert_eq!(calls.len(), expected.len());
    assert!(calls == expected, "the order of the names should be kept");
    let output = rig.output();
    let peak = output.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    scale.done(&format!("calls as files, in order; the shim took {} at most", peak.trim()));
    assert!(peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() < 64 << 10, "{peak}");
}
