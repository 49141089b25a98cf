//! Directories that people name and that are swapped under our hands: whatever happens, what is opened lies below the root.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/scale.rs"]
mod scale;

use std::{
    ffi::OsString,
    fs,
    os::{
        fd::{AsFd, AsRawFd},
        unix::{
            ffi::OsStringExt,
            fs::{MetadataExt, symlink},
        },
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use kanban_gateway::dispatcher::workspace::{Closed, Opened, Reach};
use scale::Scale;

/// A root with directories and links in it, and a place beside it that nobody may reach.
struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["root/a/b/c", "root/ü/子", "root/a b", "root/.ssh", "root/home/inner", "outside/b/c", "root2/x"]
        {
            fs::create_dir_all(at(name)).unwrap();
        }
        fs::write(at("root/file"), "").unwrap();
        for (target, link) in [
            ("a", "root/in"),
            ("a/b/../b", "root/dots"),
            ("../outside", "root/out"),
            ("..", "root/a/up"),
            ("../../outside/b", "root/a/far"),
            ("loop2", "root/loop1"),
            ("loop1", "root/loop2"),
            ("nowhere", "root/dangling"),
            ("/", "root/slash"),
            ("/proc/self/root", "root/magic"),
            ("/proc/self/cwd", "root/cwd"),
            ("home", "root/to-home"),
            (".ssh", "root/keys"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        symlink(at("outside"), at("root/out-whole")).unwrap();
        symlink(at("root/a"), at("root/in-whole")).unwrap();
        symlink(at("root/a"), at("outside/back")).unwrap();
        Self { folder }
    }

    fn root(&self) -> PathBuf {
        fs::canonicalize(self.folder.path().join("root")).unwrap()
    }

    fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    fn open(&self, path: &Path) -> Result<Opened, Closed> {
        Opened::open(path, Reach::Below(&[self.root()]), &[self.home()])
    }
}

/// Where an open handle really is, by the system's own word.
fn place_of(opened: &Opened) -> PathBuf {
    fs::read_link(format!("/proc/self/fd/{}", opened.as_fd().as_raw_fd())).unwrap()
}

/// The judge knows nothing of how it was opened: the path by which it is kept must lead, by the standard library, to the
/// very directory that is held, and that must be below the root and in no secret place.
#[track_caller]
fn judge(ground: &Ground, typed: &Path, opened: &Opened) {
    let root = ground.root();
    let true_path = fs::canonicalize(opened.path()).unwrap();
    assert!(true_path.starts_with(&root), "{typed:?} escaped to {true_path:?}");
    assert_eq!(true_path, opened.path(), "{typed:?} is not kept by its true path");
    assert_eq!(place_of(opened), true_path, "{typed:?}");
    let (kept, held) = (fs::metadata(&true_path).unwrap(), fs::metadata(place_of(opened)).unwrap());
    assert!(kept.is_dir() && (kept.dev(), kept.ino()) == (held.dev(), held.ino()), "{typed:?}");
    assert!(!true_path.starts_with(ground.home()) && !true_path.starts_with(root.join(".ssh")), "{typed:?}");
    // By the same path, the standard library comes to the same place.
    assert_eq!(fs::canonicalize(typed).unwrap(), true_path, "{typed:?}");
}

#[test]
fn paths_below_the_root_are_found_and_all_others_refused() {
    let ground = Ground::new();
    let at = |name: &str| ground.root().join(name);
    for (typed, found) in [
        ("", ""),
        ("a/b/c", "a/b/c"),
        ("a//b/./c/", "a/b/c"),
        ("a/b/../../ü/子", "ü/子"),
        ("in/b", "a/b"),
        ("in-whole/b", "a/b"),
        ("dots/c", "a/b/c"),
        ("a b", "a b"),
        ("../outside/back/b", "a/b"),
    ] {
        let opened = ground.open(&at(typed)).unwrap();
        assert_eq!(opened.path(), at(found), "{typed}");
        assert_eq!(opened.root(), ground.root());
        judge(&ground, &at(typed), &opened);
    }
    let refused = |path: &Path| ground.open(path).unwrap_err().to_string();
    let root = ground.root().display().to_string();
    for typed in
        ["..", "../outside", "out", "out/b", "out-whole", "a/up/..", "a/far", "slash", "slash/etc", "../root2/x"]
    {
        let told = refused(&at(typed));
        assert!(
            told.contains(&format!("is outside of the directories open to you; choose one below `{root}`")),
            "{told}"
        );
    }
    // Nothing is told of what lies outside, not even whether it is there.
    let (there, missing) = (refused(Path::new("/etc")), refused(Path::new("/etc-which-is-not-there")));
    assert_eq!(there.replace("/etc", "X"), missing.replace("/etc-which-is-not-there", "X"));
    for typed in [".ssh", "keys", "home", "home/inner", "to-home/inner"] {
        assert!(refused(&at(typed)).contains("secrets or the gateway's own files"), "{typed}");
    }
    for typed in ["magic", "magic/etc", "cwd", "loop1"] {
        assert!(ground.open(&at(typed)).is_err(), "{typed}");
    }
    assert!(refused(&PathBuf::from(format!("/proc/self/root{root}/a"))).contains("is outside"));
    for typed in ["missing", "a/missing/deeper", "file", "file/below"] {
        assert!(matches!(ground.open(&at(typed)), Err(Closed::Gone(_))), "{typed}");
    }
    assert!(refused(Path::new("relative")).contains("not an absolute path"));
    assert!(ground.open(&at(&"x".repeat(300))).is_err());
    assert!(ground.open(&at("a\0b")).is_err());
    assert!(Opened::open(&at("a"), Reach::Below(&[]), &[]).unwrap_err().to_string().contains("no directory is open"));
}

/// Random paths of everything that paths are made of: 0 escapes, and what is plainly inside is found.
#[test]
fn no_path_that_anybody_types_leads_out() {
    let mut scale = Scale::of("here fuzz", 10_000, 1_000_000);
    let ground = Ground::new();
    let root = ground.root();
    let parts: &[&[u8]] = &[
        b"a",
        b"b",
        b"c",
        b"..",
        b".",
        b"",
        b"in",
        b"out",
        b"up",
        b"far",
        b"slash",
        b"magic",
        b"cwd",
        b"dots",
        b"in-whole",
        b"out-whole",
        b"loop1",
        b"dangling",
        b"file",
        b".ssh",
        b".SSH",
        b"home",
        b"to-home",
        b"keys",
        "ü".as_bytes(),
        "子".as_bytes(),
        b"a b",
        b"~",
        b"root",
        b"outside",
        b"root2",
        b"proc",
        b"self",
        b"1",
        b"fd",
        b"etc",
        b"\xff\xfe",
        b"a\0b",
        b"\n",
        b"\\",
        "\u{202e}".as_bytes(),
        "u\u{308}".as_bytes(),
        b"-",
        b"*",
        b"inner",
        b"back",
        b"...",
    ];
    let starts: Vec<Vec<u8>> = [
        root.clone(),
        root.clone(),
        root.clone(),
        root.join("a"),
        root.join("in"),
        root.parent().unwrap().to_owned(),
        root.parent().unwrap().join("outside"),
        "/".into(),
        "/proc/self/root".into(),
        PathBuf::from(format!("/proc/self/root{}", root.display())),
        "/proc/self/cwd".into(),
        PathBuf::from(format!("//{}/.", root.display())),
        "".into(),
    ]
    .into_iter()
    .map(|start: PathBuf| start.into_os_string().into_vec())
    .collect();
    let (mut opened, mut longest) = (0_usize, 0);
    for _ in 0..scale.count {
        let mut path = starts[scale.below(starts.len() as u64) as usize].clone();
        for _ in 0..scale.below(8) {
            path.extend(*b"/");
            match scale.below(60) {
                0 => path.extend(vec![b'x'; scale.below(6_000) as usize]),
                1 => (0..scale.below(6)).for_each(|_| path.extend(b"../")),
                2 => (0..scale.below(12)).for_each(|_| path.push(scale_byte(&mut scale))),
                _ => path.extend(parts[scale.below(parts.len() as u64) as usize]),
            }
        }
        longest = longest.max(path.len());
        let path = PathBuf::from(OsString::from_vec(path));
        match ground.open(&path) {
            Ok(found) => {
                judge(&ground, &path, &found);
                opened += 1;
            }
            Err(refusal) => {
                let told = refusal.to_string();
                assert!(!told.is_empty() && !told.chars().any(char::is_control), "{told:?}");
            }
        }
    }
    assert!(opened * 20 > scale.count, "too few of the paths lead anywhere to mean something: {opened}");
    scale.done(&format!("paths ({opened} opened, the longest of {longest} bytes, 0 escapes)"));
}

fn scale_byte(scale: &mut Scale) -> u8 {
    u8::try_from(scale.below(256)).unwrap()
}

/// While a directory and a link to the outside change places, starts are resolved: what is opened is always inside.
#[test]
fn no_swap_of_a_directory_for_a_link_leads_out() {
    let scale = Scale::of("here swaps", 1_000, 100_000);
    let ground = Ground::new();
    let root = ground.root();
    let outside = fs::canonicalize(ground.folder.path().join("outside")).unwrap();
    let (place, aside) = (root.join("a"), root.join("aside"));
    symlink(&outside, &aside).unwrap();
    let is_over = AtomicBool::new(false);
    // Set when both sides of the race were seen. On one core the exchanges may all be made in one slice of its time.
    let is_race = AtomicBool::new(false);
    let mut counts = [0_usize; 3];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            use rustix::fs::{CWD, RenameFlags, renameat_with};
            for number in 0..scale.count.max(10_000_000) {
                if number >= scale.count && is_race.load(Ordering::Acquire) {
                    break;
                }
                renameat_with(CWD, &place, CWD, &aside, RenameFlags::EXCHANGE).unwrap();
            }
            is_over.store(true, Ordering::Release);
        });
        let held = |opened: &Opened| {
            let real = place_of(opened);
            // The directory itself may stand at either of its two places; the outside never.
            assert!(real.starts_with(&root) && !real.starts_with(&outside), "escaped to {}", real.display());
            let inside = fs::metadata(&real).is_ok_and(|found| found.is_dir());
            assert!(inside || !real.exists(), "{}", real.display());
        };
        while !is_over.load(Ordering::Acquire) {
            // As it is typed, and as it is opened again when a worker starts.
            for opened in [ground.open(&place.join("b")), Opened::below(&root, &place.join("b/c"))] {
                match opened {
                    Ok(opened) => {
                        held(&opened);
                        counts[0] += 1;
                    }
                    Err(Closed::Gone(_)) => counts[1] += 1,
                    Err(Closed::Refused(_)) => counts[2] += 1,
                }
            }
            if counts[0] > 0 && counts[2] > 0 {
                is_race.store(true, Ordering::Release);
            }
        }
    });
    let [opened, gone, refused] = counts;
    assert!(opened > 0 && refused > 0, "the race was no race: {counts:?}");
    scale.done(&format!("swaps ({opened} opened inside, {refused} refused, {gone} found gone, 0 escapes)"));
}
