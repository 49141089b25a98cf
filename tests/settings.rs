//! Settings as people write them: layers, refusals, origins, access, profiles, and the page that is generated.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
    time::Duration,
};

use kanban_gateway::{
    secret::Secret,
    settings::{
        Access, Environment, Kind, LogLevel, Origin, Platforms, Prompt, Purpose, Role, Settings, SlackMode,
        TelegramMode, Values, WorkspaceDefault, create_home, discover, home, reference,
    },
};
use kanban_platform::{Author, Capability};
use tempfile::TempDir;

struct Home(TempDir);

impl Home {
    fn with(settings: &str) -> Self {
        let home = Self(TempDir::new().unwrap());
        fs::write(home.0.path().join("kanban.toml"), settings).unwrap();
        home
    }

    fn load(&self, variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
        let environment = variables.iter().copied().collect();
        Settings::load(self.0.path(), &environment).map_err(|refusal| refusal.problems().to_vec())
    }
}

fn load(settings: &str, variables: &[(&str, &str)]) -> Settings {
    Home::with(settings).load(variables).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// The problems, with the home's path written as `HOME`.
fn refusals(settings: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let home = Home::with(settings);
    let place = home.0.path().display().to_string();
    let problems = home.load(variables).expect_err("the settings should be refused");
    problems.into_iter().map(|problem| problem.replace(&place, "HOME")).collect()
}

#[test]
fn without_any_settings_the_defaults_hold() {
    let home = TempDir::new().unwrap();
    let settings = Settings::load(home.path(), &Environment::default()).unwrap();
    let dispatch = &settings.dispatch;
    assert!(dispatch.max_running.get() >= 2);
    assert_eq!(dispatch.max_running_per_profile, None);
    assert_eq!(dispatch.failure_limit.get(), 2);
    assert_eq!(dispatch.backoff_seconds.duration(), Duration::from_secs(10));
    assert_eq!(dispatch.backoff_max_seconds.get(), 600);
    assert_eq!(dispatch.rate_limit_pause_seconds.get(), 300);
    assert_eq!(dispatch.protocol_violation_limit.get(), 3);
    assert_eq!(dispatch.claim_ttl_seconds.get(), 900);
    assert_eq!(dispatch.grace_seconds.get(), 5);
    assert!(!dispatch.paused);
    assert_eq!(dispatch.default_assignee, None);
    assert_eq!(settings.delivery.drain_seconds.get(), 5);
    assert_eq!(settings.logs.level, LogLevel::Info);
    assert_eq!(settings.logs.log_limit_bytes.get(), 64 << 20);
    assert_eq!(settings.profiles.iter().map(|profile| profile.name.to_string()).collect::<Vec<_>>(), ["script"]);
    assert!(settings.roots_of(Role::Owner).is_empty());
    for row in settings.table() {
        let recipe = ["profiles.script.kind", "profiles.script.command", "profiles.script.roles"];
        let expected = if recipe.contains(&row.key.as_str()) { Origin::Recipe } else { Origin::Default };
        assert_eq!(row.origin, expected, "{}", row.key);
    }
}

#[test]
fn the_environment_stands_above_the_file_and_every_origin_is_known() {
    let home = Home::with("[dispatch]\nmax_running = 3\nfailure_limit = 5\n\n[logs]\nlevel = \"debug\"\n");
    let settings = home
        .load(&[
            ("KANBAN__DISPATCH__MAX_RUNNING", "7"),
            ("KANBAN__WORKSPACES__ROOTS", "/srv/a, /srv/b"),
            ("KANBAN_HOME", "/elsewhere"),
            ("KANBAN_TASK", "t_1"),
            ("KANBAN", "x"),
        ])
        .unwrap();
    assert_eq!(settings.dispatch.max_running.get(), 7);
    assert_eq!(settings.dispatch.failure_limit.get(), 5);
    let row = |key: &str| {
        let row = settings.table().iter().find(|row| row.key == key).unwrap();
        row.to_string().replace(&home.0.path().display().to_string(), "HOME")
    };
    assert_eq!(row("dispatch.max_running"), "dispatch.max_running = 7  # KANBAN__DISPATCH__MAX_RUNNING");
    assert_eq!(row("dispatch.failure_limit"), "dispatch.failure_limit = 5  # HOME/kanban.toml");
    assert_eq!(row("dispatch.grace_seconds"), "dispatch.grace_seconds = 5  # default");
    assert_eq!(row("dispatch.default_assignee"), "dispatch.default_assignee = none  # default");
    assert_eq!(row("logs.level"), "logs.level = \"debug\"  # HOME/kanban.toml");
    assert_eq!(row("workspaces.roots"), "workspaces.roots = [\"/srv/a\", \"/srv/b\"]  # KANBAN__WORKSPACES__ROOTS");
    let json = serde_json::to_value(&settings.table()[0]).unwrap();
    assert_eq!(
        json,
        serde_json::json!({"key": "dispatch.max_running", "value": 7, "origin": "KANBAN__DISPATCH__MAX_RUNNING"})
    );
}

#[test]
fn the_environment_can_take_back_a_value_and_set_every_form() {
    let settings = load(
        "[dispatch]\ndefault_assignee = \"script\"\nmax_running_per_board = 2\n",
        &[
            ("KANBAN__DISPATCH__DEFAULT_ASSIGNEE", "none"),
            ("KANBAN__DISPATCH__MAX_RUNNING_PER_BOARD", "none"),
            ("KANBAN__DISPATCH__PAUSED", "true"),
            ("KANBAN__PROFILES__FAKE__COMMAND", r#"["fake", "--flag=a,b", "{task}"]"#),
            ("KANBAN__PROFILES__FAKE__SET__My__Var", "x=1"),
            ("KANBAN__ACCESS__ROLES__GUEST", "discord:*"),
        ],
    );
    assert_eq!(settings.dispatch.default_assignee, None);
    assert_eq!(settings.dispatch.max_running_per_board, None);
    assert!(settings.dispatch.paused);
    let fake = settings.profiles.find(&"fake".parse().unwrap()).unwrap();
    assert_eq!(fake.argv(Purpose::Task, &VALUES), ["fake", "--flag=a,b", "t_1"]);
    assert_eq!(fake.environment(&Environment::default())["My__Var"], "x=1");
    assert_eq!(role_of(&settings.access, &author("discord", "1")), Some(Role::Guest));
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_one_and_their_place() {
    let problems = refusals(
        "max_running = 4\nzebra = 1\n\n[dispach]\npaused = true\n\n[dispatch]\nmax-running = 3\n\n\
         [roles.onwer]\nroots = []\n\n[profiles.bot]\ncomand = [\"bot\"]\n\n[access.roles]\nmembers = []\n",
        &[
            ("KANBAN__DISPATCH__MAX_RUNING", "3"),
            ("KANBAN__LOGS", "x"),
            ("KANBAN__PAUSED", "true"),
            ("KANBAN__QUUX__QUUX", "x"),
        ],
    );
    assert_eq!(
        problems,
        [
            "`KANBAN__DISPATCH__MAX_RUNING` is not a setting; did you mean `KANBAN__DISPATCH__MAX_RUNNING`?",
            "`KANBAN__LOGS` is not a setting; `kanban settings show` lists the keys",
            "`KANBAN__PAUSED` is not a setting; did you mean `KANBAN__DISPATCH__PAUSED`?",
            "`KANBAN__QUUX__QUUX` is not a setting; `kanban settings show` lists the keys",
            "`access.roles.members` (HOME/kanban.toml) is not a setting; did you mean `access.roles.member`?",
            "`dispach` (HOME/kanban.toml) is not a setting; did you mean `dispatch`?",
            "`dispatch.max-running` (HOME/kanban.toml) is not a setting; did you mean `dispatch.max_running`?",
            "`max_running` (HOME/kanban.toml) is not a setting; did you mean `dispatch.max_running`?",
            "`profiles.bot.comand` (HOME/kanban.toml) is not a setting; did you mean `profiles.bot.command`?",
            "`zebra` (HOME/kanban.toml) is not a setting; `kanban settings show` lists the keys",
            "`roles.onwer`: got `onwer`, expected `\"guest\"`, `\"member\"`, `\"operator\"`, `\"owner\"`; did you mean `owner`?",
            "`profiles.bot.command` (default): got none, expected the program to start, as in `command = [\"my-agent\", \"--task\", \"{task}\"]`",
        ]
    );
}

#[test]
fn wrong_values_name_the_key_what_was_got_what_was_expected_and_where() {
    for (settings, problem) in [
        (
            "[dispatch]\nmax_running = \"many\"",
            "`dispatch.max_running` (HOME/kanban.toml): got the text `many`, expected a whole number from 1",
        ),
        (
            "[dispatch]\nmax_running = 0",
            "`dispatch.max_running` (HOME/kanban.toml): got `0`, expected a whole number from 1",
        ),
        (
            "[dispatch]\nmax_running = 1.5",
            "`dispatch.max_running` (HOME/kanban.toml): got `1.5`, expected a whole number from 1",
        ),
        (
            "[dispatch]\nmax_running = 4294967296",
            "`dispatch.max_running` (HOME/kanban.toml): got `4294967296`, expected a whole number from 1",
        ),
        (
            "[dispatch]\ngrace_seconds = -1",
            "`dispatch.grace_seconds` (HOME/kanban.toml): got `-1`, expected whole seconds from 0 to 31536000",
        ),
        (
            "[dispatch]\nclaim_ttl_seconds = 0",
            "`dispatch.claim_ttl_seconds` (HOME/kanban.toml): got `0`, expected whole seconds from 1 to 31536000",
        ),
        (
            "[dispatch]\npaused = \"yes\"",
            "`dispatch.paused` (HOME/kanban.toml): got the text `yes`, expected `true` or `false`",
        ),
        ("dispatch = 5", "`dispatch` (HOME/kanban.toml): got a number, expected a section, as in `[dispatch]`"),
        (
            "[[dispatch]]\npaused = true",
            "`dispatch` (HOME/kanban.toml): got a list, expected a section, as in `[dispatch]`",
        ),
        (
            "[dispatch]\nbackoff_seconds = 900",
            "`dispatch.backoff_max_seconds` (default): got less than `dispatch.backoff_seconds`, expected at least as much",
        ),
        (
            "[dispatch]\ndefault_assignee = \"scirpt\"",
            "`dispatch.default_assignee` (HOME/kanban.toml): there is no profile `scirpt`; did you mean `script`?",
        ),
        (
            "[dispatch]\norchestrator = \"scirpt\"",
            "`dispatch.orchestrator` (HOME/kanban.toml): there is no profile `scirpt`; did you mean `script`?",
        ),
        (
            "[workspaces]\nroots = [\"work\"]",
            "`workspaces.roots` (HOME/kanban.toml): got `work`, expected an absolute path without `~` and `..`, as in `\"/srv/work\"`",
        ),
        (
            "[workspaces]\nroots = [\"/srv/../etc\"]",
            "`workspaces.roots` (HOME/kanban.toml): got `/srv/../etc`, expected an absolute path without `~` and `..`, as in `\"/srv/work\"`",
        ),
        (
            "[logs]\nlevel = \"debgu\"",
            "`logs.level` (HOME/kanban.toml): got `debgu`, expected `\"error\"`, `\"warn\"`, `\"info\"`, `\"debug\"`, `\"trace\"`; did you mean `debug`?",
        ),
        (
            "[access]\nowners = [\"ann\"]",
            "`access.owners` (HOME/kanban.toml): got `ann`, expected `\"platform:id\"`, as in `\"console:you\"`",
        ),
        (
            "[access]\nowners = [\"discord:*\"]",
            "`access.owners` (HOME/kanban.toml): got `discord:*`, but everybody can only be `guest`; name people, as in `discord:you`",
        ),
    ] {
        assert_eq!(refusals(settings, &[]), [problem]);
    }
    assert_eq!(
        refusals("", &[("KANBAN__DISPATCH__MAX_RUNNING", "many")]),
        ["`dispatch.max_running` (KANBAN__DISPATCH__MAX_RUNNING): got the text `many`, expected a whole number from 1"]
    );
}

#[test]
fn a_damaged_file_is_refused_without_quoting_its_lines() {
    let problems = refusals("[profiles.bot.set]\nTOKEN = hunter2\n", &[]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("`HOME/kanban.toml` is not well-formed: ") && problems[0].contains("line 2"));
    assert!(!problems[0].contains("hunter2"), "{problems:?}");

    let home = TempDir::new().unwrap();
    fs::create_dir(home.path().join("kanban.toml")).unwrap();
    let refusal = Settings::load(home.path(), &Environment::default()).unwrap_err();
    assert!(refusal.to_string().contains("cannot be read"), "{refusal}");

    let environment: Environment = [("KANBAN__LOGS__LEVEL", OsStr::from_bytes(b"\xff"))].into_iter().collect();
    let refusal = Settings::load(TempDir::new().unwrap().path(), &environment).unwrap_err();
    assert_eq!(refusal.to_string(), "`KANBAN__LOGS__LEVEL` is not UTF-8");
}

#[test]
fn secrets_are_shown_nowhere() {
    let settings = load(
        "[profiles.bot]\ncommand = [\"bot\"]\nset = { API_KEY = \"hunter2\" }\n",
        &[("KANBAN__PROFILES__BOT__SET__OTHER_KEY", "hunter2")],
    );
    let row = settings.table().iter().find(|row| row.key == "profiles.bot.set").unwrap();
    assert!(matches!(row.origin, Origin::Variable(_)), "{row}");
    assert_eq!(row.value, serde_json::json!({"API_KEY": "(set)", "OTHER_KEY": "(set)"}));
    assert!(!format!("{settings:?}").contains("hunter2"));
    for set in
        ["\"hunter2\"", "{ API_KEY = [\"hunter2\"] }", "{ \"A B\" = \"hunter2\" }", "{ KANBAN_TOKEN = \"hunter2\" }"]
    {
        let problems = refusals(&format!("[profiles.bot]\ncommand = [\"bot\"]\nset = {set}\n"), &[]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(!problems[0].contains("hunter2"), "{problems:?}");
    }
}

/// The role that the settings give to a person everywhere.
fn role_of(access: &Access, author: &Author) -> Option<Role> {
    access.standing(author, None, &[]).everywhere()
}

fn author(platform: &str, id: &str) -> Author {
    Author { platform: platform.to_owned(), id: id.to_owned(), name: "Ann".to_owned(), groups: Vec::new() }
}

#[test]
fn people_who_are_not_listed_may_do_nothing() {
    let access = load(
        "[access]\nowners = [\"discord:1\"]\n\n[access.roles]\noperator = [\"discord:2\", \"slack:U1:x\"]\n\
         member = [\"discord:3\", \"discord:2\"]\nguest = [\"telegram:*\", \"discord:1\"]\n",
        &[],
    )
    .access;
    for (platform, id, role) in [
        ("discord", "1", Some(Role::Owner)),
        ("discord", "2", Some(Role::Operator)),
        ("discord", "3", Some(Role::Member)),
        ("discord", "4", None),
        ("discord", "*", None),
        ("telegram", "1", Some(Role::Guest)),
        ("slack", "U1:x", Some(Role::Operator)),
        ("slack", "1", None),
        // Nothing names a console user, so the person at this machine is the owner.
        ("console", "you", Some(Role::Owner)),
        ("console", "ann", Some(Role::Owner)),
    ] {
        assert_eq!(role_of(&access, &author(platform, id)), role, "{platform}:{id}");
    }
}

#[test]
fn a_console_user_is_an_owner_unless_given_another_role() {
    let access = load("[access.roles]\nmember = [\"console:bob\"]\nguest = [\"console:*\"]\n", &[]).access;
    assert_eq!(role_of(&access, &author("console", "bob")), Some(Role::Member));
    assert_eq!(role_of(&access, &author("console", "you")), Some(Role::Guest));
    let access = load("[access.roles]\nmember = [\"console:bob\"]\n", &[]).access;
    assert_eq!(role_of(&access, &author("console", "bob")), Some(Role::Member));
    assert_eq!(role_of(&access, &author("console", "you")), Some(Role::Owner));
}

#[test]
fn grants_with_places_are_read_and_those_that_give_nothing_sensible_are_refused() {
    let settings = load(
        "[[access.grants]]\nwho = \"discord:role/99\"\nrole = \"member\"\nboard = \"shop\"\ntenant = \"acme\"\n\
         [[access.grants]]\nwho = \"slack:*\"\nrole = \"guest\"\nspace = \"T1\"\n",
        &[],
    );
    let grants: Vec<String> = settings.access.grants().iter().map(ToString::to_string).collect();
    assert_eq!(grants, ["discord:role/99 member board=shop tenant=acme", "slack:* guest space=T1"]);
    assert_eq!(role_of(&settings.access, &author("slack", "T1/U1")), None);
    for (table, expected) in [
        ("who = \"discord:1\"", "without `who` or `role`"),
        ("who = \"discord:*\"\nrole = \"member\"", "everybody can only be `guest`"),
        ("who = \"discord\"\nrole = \"member\"", "expected `\"platform:id\"`"),
        ("who = \"discord:1\"\nrole = \"boss\"", "got `boss`"),
        ("who = \"discord:1\"\nrole = \"guest\"\nchanel = \"5\"", "got `chanel`, expected one of platform, space"),
        ("who = \"discord:1\"\nrole = \"guest\"\nboard = \"No Board\"", "access.grants"),
        ("who = \"discord:1\"\nrole = \"guest\"\ntenant = \" \"", "got an empty `tenant`"),
    ] {
        let refusal = refusals(&format!("[[access.grants]]\n{table}\n"), &[]).join("\n");
        assert!(refusal.contains(expected), "{table}: {refusal}");
    }
}

#[test]
fn each_role_has_the_capabilities_of_those_below_it() {
    use Capability::{Operate, Own, Read, Write};
    let table = [
        (Role::Guest, [true, false, false, false]),
        (Role::Member, [true, true, false, false]),
        (Role::Operator, [true, true, true, false]),
        (Role::Owner, [true, true, true, true]),
    ];
    for (role, allowed) in table {
        assert_eq!([Read, Write, Operate, Own].map(|capability| role.may(capability)), allowed, "{role}");
    }
}

#[test]
fn a_role_has_its_own_roots_or_those_of_all() {
    let settings = load(
        "[workspaces]\nroots = [\"/srv\"]\n\n[roles.guest]\nroots = []\n\n[roles.owner]\nroots = [\"/home/ann\"]\n",
        &[],
    );
    let roots = |role| settings.roots_of(role).iter().map(AsRef::<Path>::as_ref).collect::<Vec<_>>();
    assert_eq!(roots(Role::Owner), [Path::new("/home/ann")]);
    assert_eq!(roots(Role::Member), [Path::new("/srv")]);
    assert!(roots(Role::Guest).is_empty());
}

const VALUES: Values<'_> = Values {
    task: "t_1",
    run: 7,
    title: "a \"title\"; rm -rf ~ {run}\n--flag $(x)\0",
    workspace: "/srv/w",
    prompt_file: "/run/prompt",
    prompt: "--do\nit",
    session: "5f0c",
    mcp_file: None,
    kanban: "/bin/kanban",
};

#[test]
fn one_item_of_a_template_becomes_one_argument_whatever_the_text() {
    let settings = load(
        "[profiles.bot]\ncommand = [\"bot\", \"{task}/{run}\", \"{title}\", \"in {workspace}\", \"{{{session}}}\", \"\"]\n",
        &[],
    );
    let bot = settings.profiles.find(&"bot".parse().unwrap()).unwrap();
    let title = "a \"title\"; rm -rf ~ {run}\n--flag $(x)";
    assert_eq!(bot.argv(Purpose::Task, &VALUES), ["bot", "t_1/7", title, "in /srv/w", "{5f0c}", ""]);
    assert_eq!(bot.prompt, Prompt::Stdin);
}

#[test]
fn templates_that_cannot_work_or_are_not_safe_are_refused() {
    for (command, part) in [
        (r#"["bot", "{titel}"]"#, "did you mean `{title}`?"),
        (r#"["bot", "{}"]"#, "got the placeholder `{}`"),
        (r#"["bot", "{task"]"#, "has a single `{`; write `{{`"),
        (r#"["bot", "task}"]"#, "has a single `}`; write `}}`"),
        (r#"["bot", "a\u0000b"]"#, "has a zero byte"),
        (r#"["{title}"]"#, "expected one without a placeholder"),
        (r#"[""]"#, "got no program"),
        ("[]", "got no program"),
        (r#"["bot", 5]"#, "got `5`, expected a list of arguments"),
        (r#""bot --flag""#, "got the text `bot --flag`, expected a list of arguments"),
        (r#"["/bin/sh", "-c", "echo {title}"]"#, "where a shell reads program text"),
        (r#"["env", "X=1", "bash", "-lc", "echo {title}"]"#, "where a shell reads program text"),
    ] {
        let problems = refusals(&format!("[profiles.bot]\ncommand = {command}\n"), &[]);
        assert!(problems[0].contains(part), "{command}: {problems:?}");
    }
    load("[profiles.bot]\ncommand = [\"sh\", \"-c\", \"echo \\\"$1\\\" {task}\", \"sh\", \"{title}\"]\n", &[]);
    let problems = refusals("", &[("KANBAN__PROFILES__BOT__COMMAND", "bot --flag")]);
    assert!(problems[0].contains("got the text `bot --flag`"), "{problems:?}");
}

#[test]
fn the_prompt_comes_by_the_road_that_the_template_takes() {
    let prompt = |lines: &str| {
        let settings = load(&format!("[profiles.bot]\n{lines}\n"), &[]);
        settings.profiles.find(&"bot".parse().unwrap()).unwrap().prompt
    };
    assert_eq!(prompt("command = [\"bot\"]"), Prompt::Stdin);
    assert_eq!(prompt("command = [\"bot\", \"{prompt_file}\"]"), Prompt::File);
    assert_eq!(prompt("command = [\"bot\", \"--\", \"{prompt}\"]"), Prompt::Argument);
    for lines in
        ["command = [\"bot\"]\nprompt = \"file\"", "command = [\"bot\", \"{prompt_file}\"]\nprompt = \"stdin\""]
    {
        let problems = refusals(&format!("[profiles.bot]\n{lines}\n"), &[]);
        assert!(problems[0].contains("{prompt_file}"), "{problems:?}");
    }
}

#[test]
fn a_profile_has_all_that_the_settings_say() {
    let settings = load(
        "[profiles.Reviewer]\ncommand = [\"bot\"]\nworkspace = \"dir:/srv/repo\"\nmax_running = 1\nmax_runtime = \"1h30m\"\n\
         paused = true\nroles = [\"operator\"]\nenv = [\"API_KEY\"]\nset = { TZ = \"UTC\", EXTRA = \"a=b\" }\n",
        &[],
    );
    let reviewer = settings.profiles.find(&"reviewer".parse().unwrap()).unwrap();
    assert_eq!(reviewer.kind, Kind::Agent);
    assert_eq!(reviewer.workspace, WorkspaceDefault::Dir("/srv/repo".parse().unwrap()));
    assert_eq!(reviewer.max_running.unwrap().get(), 1);
    assert_eq!(reviewer.max_runtime.unwrap().duration(), Duration::from_secs(5400));
    assert!(reviewer.paused);
    assert!(reviewer.allows(Role::Owner) && reviewer.allows(Role::Operator) && !reviewer.allows(Role::Member));
    let ours = [
        ("PATH", "/bin"),
        ("HOME", "/home/ann"),
        ("LC_TIME", "C"),
        ("TZ", "CET"),
        ("API_KEY", "k"),
        ("OTHER_KEY", "secret"),
        ("LD_PRELOAD", "x"),
        ("KANBAN_TOKEN", "t"),
    ];
    let environment = reviewer.environment(&ours.into_iter().collect());
    let expected =
        [("API_KEY", "k"), ("EXTRA", "a=b"), ("HOME", "/home/ann"), ("LC_TIME", "C"), ("PATH", "/bin"), ("TZ", "UTC")];
    assert_eq!(environment.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), expected);

    let refusal = settings.profiles.find(&"reviwer".parse().unwrap()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "there is no profile `reviwer`; there are `reviewer`, `script`; did you mean `reviewer`?"
    );
}

#[test]
fn what_workers_get_from_the_environment_is_taken_out_of_texts() {
    let settings = load(
        "[profiles.bot]\ncommand = [\"bot\"]\nenv = [\"API_KEY\", \"MODE\", \"HOME\"]\n",
        &[("API_KEY", "blue-whale-77"), ("MODE", "fast"), ("HOME", "/home/ann"), ("OTHER", "not-passed-on")],
    );
    let text = "blue-whale-77 fast /home/ann not-passed-on";
    assert_eq!(settings.redactor.clean(text), "[redacted] fast /home/ann not-passed-on");
}

#[test]
fn profile_names_are_checked_and_known_once() {
    let problems = refusals("[profiles.Bot]\ncommand = [\"a\"]\n\n[profiles.bot]\ncommand = [\"b\"]\n", &[]);
    assert_eq!(problems, ["`profiles.bot` is there twice, once with capitals; expected one"]);
    let problems = refusals("[profiles.\"a b\"]\ncommand = [\"a\"]\n", &[]);
    assert!(problems[0].starts_with("`profiles.a b`: `a b` is not a profile name"), "{problems:?}");
    let settings = load("[profiles.\"claude.big\"]\ncommand = [\"claude\"]\n", &[]);
    assert!(settings.profiles.get(&"claude.big".parse().unwrap()).is_some());
}

#[test]
fn periods_are_read_as_people_write_them() {
    let runtime = |text: &str| {
        let home = Home::with(&format!("[profiles.bot]\ncommand = [\"bot\"]\nmax_runtime = {text}\n"));
        let settings = home.load(&[])?;
        let period = settings.profiles.find(&"bot".parse().unwrap()).unwrap().max_runtime;
        Ok::<_, Vec<String>>(period.map(|period| period.duration().as_secs()))
    };
    for (text, seconds) in
        [("\"90\"", 90), ("90", 90), ("\"90s\"", 90), ("\"45m\"", 2700), ("\"2h\"", 7200), ("\"1d\"", 86_400)]
    {
        assert_eq!(runtime(text), Ok(Some(seconds)), "{text}");
    }
    for text in
        ["\"\"", "\"0\"", "0", "-5", "\"2 h\"", "\"h\"", "\"2x\"", "\"99999999999999999999d\"", "\"400d\"", "true"]
    {
        let problems = runtime(text).expect_err(text);
        assert!(problems[0].contains("expected a time such as"), "{problems:?}");
    }
}

#[test]
fn script_is_there_for_owners_alone() {
    let script = |settings: &str| load(settings, &[]).profiles.find(&"script".parse().unwrap()).unwrap().clone();
    let plain = script("");
    assert_eq!((plain.kind, plain.prompt), (Kind::Script, Prompt::File));
    assert_eq!(plain.argv(Purpose::Task, &VALUES), ["/bin/sh", "/run/prompt"]);
    assert!(plain.allows(Role::Owner) && !plain.allows(Role::Operator));
    let other = script("[profiles.script]\ncommand = [\"bash\"]\nmax_running = 1\n");
    assert_eq!((other.kind, other.prompt), (Kind::Script, Prompt::Stdin));
    assert!(!other.allows(Role::Operator));
    let problems = refusals("[profiles.script]\nroles = [\"member\"]\n", &[]);
    assert!(problems[0].contains("expected `[\"owner\"]`"), "{problems:?}");
}

fn program(folder: &Path, name: &str, mode: u32) {
    let file = folder.join(name);
    fs::write(&file, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn agents_on_path_become_profiles_when_none_is_configured() {
    let folder = TempDir::new().unwrap();
    program(folder.path(), "claude", 0o755);
    program(folder.path(), "hermes", 0o755);
    program(folder.path(), "codex", 0o644);
    fs::create_dir(folder.path().join("gemini")).unwrap();
    let path = format!(":relative:{}:/nowhere", folder.path().display());

    let found = discover(OsStr::new(&path));
    assert_eq!(found.iter().map(|found| found.name).collect::<Vec<_>>(), ["claude", "hermes"]);
    assert_eq!(found[0].program, folder.path().join("claude"));

    let names = |settings: &Settings| settings.profiles.iter().map(|p| p.name.to_string()).collect::<Vec<_>>();
    let settings = load("", &[("PATH", &path)]);
    assert_eq!(names(&settings), ["claude", "hermes", "script"]);
    let claude = settings.profiles.find(&"claude".parse().unwrap()).unwrap();
    assert_eq!(claude.prompt, Prompt::Stdin);
    assert_eq!(claude.argv(Purpose::Task, &VALUES)[..4], ["claude", "-p", "--session-id", "5f0c"]);
    assert!(claude.allows(Role::Member) && !claude.allows(Role::Guest));
    assert_eq!(settings.profiles.find(&"hermes".parse().unwrap()).unwrap().prompt, Prompt::File);

    let settings = load("[profiles.bot]\ncommand = [\"bot\"]\n", &[("PATH", &path)]);
    assert_eq!(names(&settings), ["bot", "script"]);
    assert_eq!(settings.found, []);
}

#[test]
fn a_known_name_needs_no_command_and_an_own_command_replaces_the_recipe() {
    let settings = load(
        "[profiles.codex]\nmax_running = 1\n\n[profiles.claude]\ncommand = [\"my-claude\", \"{prompt_file}\"]\n",
        &[],
    );
    let codex = settings.profiles.find(&"codex".parse().unwrap()).unwrap();
    assert_eq!(codex.argv(Purpose::Task, &VALUES)[..2], ["codex", "exec"]);
    assert_eq!(codex.max_running.unwrap().get(), 1);
    let claude = settings.profiles.find(&"claude".parse().unwrap()).unwrap();
    assert_eq!(claude.argv(Purpose::Task, &VALUES), ["my-claude", "/run/prompt"]);
    assert_eq!(claude.prompt, Prompt::File);
}

#[test]
fn every_recipe_is_good() {
    for name in ["script", "claude", "codex", "gemini", "opencode", "hermes"] {
        let settings = load(&format!("[profiles.{name}]\npaused = false\n"), &[]);
        let profile = settings.profiles.find(&name.parse().unwrap()).unwrap();
        let program = if name == "script" { "/bin/sh" } else { name };
        for purpose in [Purpose::Task, Purpose::TaskAgain, Purpose::Talk, Purpose::TalkAgain] {
            assert_eq!(profile.argv(purpose, &VALUES)[0], program);
        }
        assert_eq!(profile.can_go_on(), name != "script", "{name}");
    }
}

/// The folders of a home with one more recipe in it.
fn home_with_recipe(file: &str, text: &str, settings: &str) -> Home {
    let home = Home::with(settings);
    fs::create_dir_all(home.0.path().join("profiles")).unwrap();
    fs::write(home.0.path().join("profiles").join(file), text).unwrap();
    home
}

#[test]
fn a_new_command_line_needs_a_file_and_no_settings() {
    let recipe = "command = [\"bot\", \"--new\"]\nresume = [\"bot\", \"--on\", \"{session}\"]\n\
                  session_pattern = \"session (\\\\S+)\"\nlimit_exit = [7, 8]\ninstall = \"apt install bot\"\n";
    let settings = home_with_recipe("bot.toml", recipe, "").load(&[]).unwrap();
    let bot = settings.profiles.find(&"bot".parse().unwrap()).unwrap();
    assert_eq!(bot.argv(Purpose::Task, &VALUES), ["bot", "--new"]);
    assert_eq!(bot.argv(Purpose::TaskAgain, &VALUES), ["bot", "--on", "5f0c"]);
    assert_eq!(bot.session_pattern.as_ref().unwrap().capture("session x-1 is new").as_deref(), Some("x-1"));
    assert!(bot.signs.limit_exit.iter().any(|status| status.is(8)));
    assert_eq!(bot.probes.install.as_ref().unwrap().as_str(), "apt install bot");

    // Settings stand above the file, key by key, and the file above the program's own recipe.
    let home = home_with_recipe(
        "claude.toml",
        "max_running = 3\nmax_runtime = \"1h\"\n",
        "[profiles.claude]\nmax_running = 5\n",
    );
    let settings = home.load(&[]).unwrap();
    let claude = settings.profiles.find(&"claude".parse().unwrap()).unwrap();
    assert_eq!(claude.argv(Purpose::Task, &VALUES)[..2], ["claude", "-p"]);
    assert_eq!((claude.max_running.unwrap().get(), claude.max_runtime.unwrap().duration().as_secs()), (5, 3600));
    let row = settings.table().iter().find(|row| row.key == "profiles.claude.max_runtime").unwrap();
    assert_eq!(row.origin, Origin::File(home.0.path().join("profiles/claude.toml")));

    // A command of one's own takes nothing that belongs to another one's.
    let settings = home_with_recipe("bot.toml", recipe, "[profiles.bot]\ncommand = [\"robot\"]\n").load(&[]).unwrap();
    let bot = settings.profiles.find(&"bot".parse().unwrap()).unwrap();
    assert!(!bot.can_go_on() && bot.session_pattern.is_none() && bot.probes.install.is_some());
}

#[test]
fn recipes_of_the_home_that_cannot_work_are_refused_with_their_file() {
    for (file, text, expected) in [
        ("Bot.toml", "command = [\"bot\"]", "expected small letters alone, as in `bot.toml`"),
        ("my bot.toml", "command = [\"bot\"]", "the file is named after its profile"),
        ("bot.toml", "command = [", "is not well-formed"),
        ("bot.toml", "comand = [\"bot\"]", "did you mean `profiles.bot.command`?"),
        ("bot.toml", "max_running = 2", "expected the program to start"),
        (
            "bot.toml",
            "command = [\"bot\"]\nsession_pattern = \"id\"\nresume = [\"bot\", \"{session}\"]",
            "got no group",
        ),
        ("bot.toml", "command = [\"bot\"]\nuntil_pattern = [\"at\"]", "got no group"),
        ("bot.toml", "command = [\"bot\"]\nlimit_pattern = [\"(\"]", "is no regular expression"),
        ("bot.toml", "command = [\"bot\"]\nlimit_exit = [0]", "expected an exit status from 1 to 255"),
        ("bot.toml", "command = [\"bot\", \"{session}\"]\nsession_pattern = \"(.)\"", "either chosen by us or found"),
        ("bot.toml", "command = [\"bot\", \"{prompt}\"]", "as the last item and behind `--`"),
        ("bot.toml", "command = [\"bot\", \"--\", \"x{prompt}\"]", "as the last item and behind `--`"),
        ("bot.toml", "command = [\"bot\", \"{mcp_file}\"]", "it belongs into `mcp`"),
        ("bot.toml", "command = [\"bot\"]\nmcp = [\"{mcp_file}\"]", "expected the table that the file is made of"),
        ("bot.toml", "command = [\"bot\"]\nmcp = [\"{title}\"]", "expected no text of a task"),
        (
            "bot.toml",
            "command = [\"bot\"]\nresume = [\"bot\", \"{session}\", \"{prompt_file}\"]",
            "got another way to hand over",
        ),
    ] {
        let refusal = home_with_recipe(file, text, "").load(&[]).unwrap_err().join("\n");
        assert!(refusal.contains(expected), "{file} {text}: {refusal}");
        // What nobody has written is in no file.
        assert!(refusal.contains(file) || refusal.contains("(default)"), "{file}: {refusal}");
    }
}

#[test]
fn our_server_is_handed_over_only_where_the_road_is_open() {
    let settings = load(
        "[profiles.claude]\n[profiles.gemini]\n[profiles.opencode]\n[profiles.codex]\n[profiles.bot]\ncommand = [\"bot\", \"--\", \"{title}\"]\nmcp = [\"--mcp\", \"{kanban}\"]\n",
        &[],
    );
    let profile = |name: &str| settings.profiles.find(&name.parse().unwrap()).unwrap();
    let open = Values { mcp_file: Some("/run/mcp.json"), ..VALUES };
    let claude = profile("claude");
    let argv = claude.argv(Purpose::TaskAgain, &open);
    assert_eq!(argv[argv.len() - 3..], ["--mcp-config", "/run/mcp.json", "--strict-mcp-config"]);
    assert!(!claude.argv(Purpose::Task, &VALUES).contains(&"--strict-mcp-config".to_owned()));
    assert_eq!(claude.mcp_file(&open).unwrap()["mcpServers"]["kanban"]["command"], "/bin/kanban");
    assert_eq!(profile("opencode").placed(&open), [("OPENCODE_CONFIG".to_owned(), "/run/mcp.json".to_owned())]);
    assert!(profile("opencode").placed(&VALUES).is_empty());
    let gemini = profile("gemini").mcp_file(&open).unwrap();
    assert_eq!(gemini["mcpServers"]["kanban"]["env"]["KANBAN_TOKEN"], "$KANBAN_TOKEN");
    assert_eq!(gemini["mcpServers"]["kanban"]["trust"], true);
    let codex = profile("codex").argv(Purpose::Task, &open);
    assert!(
        codex.last().unwrap().starts_with("mcp_servers.kanban={ command = \"/bin/kanban\", args = [\"mcp\"]"),
        "{codex:?}"
    );
    let title = VALUES.title.replace('\0', "");
    assert_eq!(profile("bot").argv(Purpose::Task, &open), ["bot", "--mcp", "/bin/kanban", "--", &title]);
}

#[test]
fn the_home_is_chosen_by_flag_then_variable_then_data_directory() {
    let all = [("KANBAN_HOME", "/k"), ("XDG_DATA_HOME", "/x"), ("HOME", "/h")];
    let chosen = |flag: Option<&str>, variables: &[(&str, &str)]| {
        home(flag.map(Path::new), &variables.iter().copied().collect()).map(|home| home.display().to_string())
    };
    assert_eq!(chosen(Some("/f"), &all).unwrap(), "/f");
    assert_eq!(chosen(None, &all).unwrap(), "/k");
    assert_eq!(chosen(None, &all[1..]).unwrap(), "/x/kanban");
    let below_home =
        if cfg!(target_os = "macos") { "/h/Library/Application Support/kanban" } else { "/h/.local/share/kanban" };
    assert_eq!(chosen(None, &all[2..]).unwrap(), below_home);
    assert_eq!(
        chosen(None, &[("KANBAN_HOME", ""), ("XDG_DATA_HOME", "relative"), ("HOME", "/h")]).unwrap(),
        below_home
    );
    assert!(Path::new(&chosen(Some("relative"), &[]).unwrap()).is_absolute());
    assert!(chosen(None, &[]).unwrap_err().to_string().contains("--home DIR"));
}

#[test]
fn the_home_is_created_for_its_owner_alone() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("a/b");
    create_home(&home).unwrap();
    assert_eq!(fs::metadata(&home).unwrap().permissions().mode() & 0o777, 0o700);
    create_home(&home).unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(create_home(&file).unwrap_err().to_string().contains("got a file, expected a directory"));
}

#[test]
fn each_platform_is_an_account_and_may_have_further_ones() {
    let settings = load(
        "[platforms.discord]\ntoken = \"d1\"\nguilds = [\"123\"]\n[platforms.discord.second]\ntoken = \" d2\\n\"\n\
         [platforms.telegram]\ntoken = \"t1\"\nmode = \"webhook\"\nlisten = \"127.0.0.1:8443\"\n\
         webhook_url = \"https://bot.example.org/telegram/\"\nwebhook_secret = \"w1\"\n\
         [platforms.slack.acme-2]\nbot_token = \"xoxb-1\"\nmode = \"http\"\nsigning_secret = \"s1\"\nlisten = \"[::1]:3000\"\n\
         [platforms.slack.b]\nbot_token = \"xoxb-2\"\napp_token = \"xapp-2\"\napi_base = \"http://localhost:1/\"\n",
        &[],
    );
    let Platforms { discord, telegram, slack } = &settings.platforms;
    assert_eq!(settings.platforms.kinds(), ["discord", "telegram", "slack"]);
    let secret = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
    let names: Vec<_> =
        discord.iter().map(|account| (account.name.as_str(), secret(&account.settings.token))).collect();
    assert_eq!(names, [("discord", Some("d1".to_owned())), ("discord.second", Some("d2".to_owned()))]);
    let guilds = &discord[0].settings.guilds;
    assert_eq!((guilds.len(), guilds[0].as_str()), (1, "123"));
    let account = &telegram[0];
    assert_eq!((account.name.as_str(), account.settings.mode), ("telegram", TelegramMode::Webhook));
    assert_eq!(account.settings.webhook_url.as_ref().unwrap().as_str(), "https://bot.example.org/telegram");
    assert_eq!(secret(&account.settings.webhook_secret).unwrap(), "w1");
    // Without keys of its own, the table above the accounts is none.
    assert_eq!(slack.iter().map(|account| account.name.as_str()).collect::<Vec<_>>(), ["slack.acme-2", "slack.b"]);
    assert_eq!((slack[0].settings.mode, slack[1].settings.mode), (SlackMode::Http, SlackMode::Socket));
    assert_eq!(secret(&slack[0].settings.signing_secret).unwrap(), "s1");
    assert_eq!(slack[0].settings.listen.unwrap().to_string(), "[::1]:3000");
    assert_eq!(slack[1].settings.api_base.as_ref().unwrap().as_str(), "http://localhost:1");
    assert_eq!(load("", &[]).platforms, Platforms::default());
}

#[test]
fn what_a_platform_lacks_is_named_with_what_to_write() {
    let here = "expected it here, in";
    for (settings, expected) in [
        ("[platforms.discord]\n", vec![format!("`platforms.discord.token` (default): is missing, {here} `token_file`, or in the environment")]),
        (
            "[platforms.discord]\nmessage_content = true\n",
            vec![format!("`platforms.discord.token` (default): is missing, {here} `token_file`, or in the environment")],
        ),
        (
            "[platforms.discord.second]\n",
            vec![format!("`platforms.discord.second.token` (default): is missing, {here} `token_file`, or in the environment")],
        ),
        (
            "[platforms.telegram]\nmode = \"webhook\"\n",
            vec![
                format!("`platforms.telegram.token` (default): is missing, {here} `token_file`, or in the environment"),
                format!("`platforms.telegram.webhook_secret` (default): is missing, {here} `webhook_secret_file`, or in the environment"),
                "`platforms.telegram.listen` (default): is missing, expected the address for webhook requests, as in `\"127.0.0.1:8443\"`".to_owned(),
                "`platforms.telegram.webhook_url` (default): is missing, expected the public address of `listen`, as in `\"https://bot.example.org/telegram\"`".to_owned(),
            ],
        ),
        (
            "[platforms.slack.acme]\nmode = \"socket\"\n",
            vec![
                format!("`platforms.slack.acme.bot_token` (default): is missing, {here} `bot_token_file`, or in the environment"),
                format!("`platforms.slack.acme.app_token` (default): is missing, {here} `app_token_file`, or in the environment"),
            ],
        ),
        (
            "[platforms.slack]\nbot_token = \"xoxb-1\"\nmode = \"http\"\n",
            vec![
                format!("`platforms.slack.signing_secret` (default): is missing, {here} `signing_secret_file`, or in the environment"),
                "`platforms.slack.listen` (default): is missing, expected the address for signed requests, as in `\"127.0.0.1:3000\"`".to_owned(),
            ],
        ),
    ] {
        assert_eq!(refusals(settings, &[]), expected, "{settings}");
    }
}

#[test]
fn a_secret_may_lie_in_a_file_of_its_own() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).display().to_string()
    };
    let (token, empty) = (file("token", "hunter2\n"), file("empty", " \n\n"));
    let discord = |file: &str| format!("[platforms.discord]\ntoken_file = \"{file}\"\n");
    let settings = load(&discord(&token), &[]);
    assert_eq!(settings.platforms.discord[0].settings.token.as_ref().unwrap().expose(), "hunter2");
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert!(settings.table().iter().all(|row| !row.to_string().contains("hunter2")));

    let nowhere = folder.path().join("nowhere").display().to_string();
    let key = "`platforms.discord.token_file` (HOME/kanban.toml)";
    assert_eq!(
        refusals(&discord(&nowhere), &[]),
        [format!("{key}: `{nowhere}` cannot be read: No such file or directory (os error 2)")]
    );
    assert_eq!(
        refusals(&discord(&empty), &[]),
        [format!("{key}: `{empty}` is empty, expected the secret on its first line")]
    );
    let directory = folder.path().display().to_string();
    assert!(refusals(&discord(&directory), &[])[0].starts_with(&format!("{key}: `{directory}` cannot be read: ")));
    assert_eq!(
        refusals(&format!("{}token = \"hunter2\"\n", discord(&token)), &[]),
        ["`platforms.discord.token` (HOME/kanban.toml): is given, and so is `token_file`, expected one of them"]
    );
    // A variable stands above the file of settings, but which of the two secrets is meant is not guessed.
    assert_eq!(
        refusals(&discord(&token), &[("KANBAN__PLATFORMS__DISCORD__TOKEN", "hunter3")]),
        [
            "`platforms.discord.token` (KANBAN__PLATFORMS__DISCORD__TOKEN): is given, and so is `token_file`, expected one of them"
        ]
    );
    // Whoever writes the secret itself there does not find it in the log.
    for given in ["hunter2", "./hunter2"] {
        let problems = refusals(&discord(given), &[]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(&format!("{key}: ")) && problems[0].contains("/run/secrets/"), "{problems:?}");
        assert!(!problems[0].contains("hunter2"), "{problems:?}");
    }
}

#[test]
fn accounts_come_from_the_environment_too() {
    let variables = [
        ("KANBAN__PLATFORMS__SLACK__ACME__BOT_TOKEN", "xoxb-hunter2"),
        ("KANBAN__PLATFORMS__SLACK__ACME__APP_TOKEN", "xapp-hunter2"),
        ("KANBAN__PLATFORMS__DISCORD__TOKEN", "hunter2"),
        ("KANBAN__PLATFORMS__DISCORD__GUILDS", "12, 34"),
        ("KANBAN__PLATFORMS__DISCORD__MESSAGE_CONTENT", "true"),
    ];
    let settings = load("[platforms.slack.acme]\napp_token = \"xapp-of-the-file\"\n", &variables);
    let slack = &settings.platforms.slack;
    assert_eq!((slack.len(), slack[0].name.as_str()), (1, "slack.acme"));
    assert_eq!(slack[0].settings.bot_token.as_ref().unwrap().expose(), "xoxb-hunter2");
    assert_eq!(slack[0].settings.app_token.as_ref().unwrap().expose(), "xapp-hunter2");
    let discord = &settings.platforms.discord[0];
    assert_eq!((discord.settings.guilds.len(), discord.settings.message_content), (2, true));
    let row = |key: &str| settings.table().iter().find(|row| row.key == key).unwrap().to_string();
    let name = "KANBAN__PLATFORMS__SLACK__ACME__BOT_TOKEN";
    assert_eq!(row("platforms.slack.acme.bot_token"), format!("platforms.slack.acme.bot_token = \"(set)\"  # {name}"));
    assert_eq!(row("platforms.slack.acme.signing_secret"), "platforms.slack.acme.signing_secret = none  # default");
    assert!(!settings.table().iter().any(|row| row.to_string().contains("hunter2")));
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert_eq!(
        refusals("", &[("KANBAN__PLATFORMS__SLACK__ACME__BOT_TOKN", "hunter2")]),
        [
            "`KANBAN__PLATFORMS__SLACK__ACME__BOT_TOKN` is not a setting; did you mean `KANBAN__PLATFORMS__SLACK__ACME__BOT_TOKEN`?"
        ]
    );
}

#[test]
fn mistakes_in_a_platform_are_named_without_its_secrets() {
    let whole = "token = \"hunter2\"\n";
    for (settings, expected) in [
        (
            format!("[platforms.discord]\n{whole}tokn = \"hunter2\"\n"),
            "`platforms.discord.tokn` (HOME/kanban.toml) is not a setting; did you mean `platforms.discord.token`?",
        ),
        (
            format!("[platforms.discord.second]\n{whole}message_contents = true\n"),
            "`platforms.discord.second.message_contents` (HOME/kanban.toml) is not a setting; did you mean `platforms.discord.second.message_content`?",
        ),
        (
            format!("[platforms.discrod]\n{whole}"),
            "`platforms.discrod` (HOME/kanban.toml) is not a setting; did you mean `platforms.discord`?",
        ),
        (
            "[platforms]\ndiscord = \"hunter2\"\n".to_owned(),
            "`platforms.discord` (HOME/kanban.toml): got a text, expected a section, as in `[platforms.discord]`",
        ),
        (
            "[platforms.discord]\ntoken = 5\n".to_owned(),
            "`platforms.discord.token` (HOME/kanban.toml): got something else, expected a secret text",
        ),
        (
            "[platforms.discord]\ntoken = [\"hunter2\"]\n".to_owned(),
            "`platforms.discord.token` (HOME/kanban.toml): got something else, expected a secret text",
        ),
        (
            format!("[platforms.discord]\n{whole}guilds = [\"my server\"]\n"),
            "`platforms.discord.guilds` (HOME/kanban.toml): got the text `my server`, expected an id, as in `\"1234567890\"`",
        ),
        (
            format!("[platforms.telegram]\n{whole}api_base = \"example.org\"\n"),
            "`platforms.telegram.api_base` (HOME/kanban.toml): got the text `example.org`, expected an address, as in `\"https://chat.example.org\"`",
        ),
        (
            format!("[platforms.telegram]\n{whole}mode = \"pull\"\n"),
            "`platforms.telegram.mode` (HOME/kanban.toml): got `pull`, expected `\"polling\"`, `\"webhook\"`",
        ),
        (
            format!("[platforms.telegram]\n{whole}listen = \"8443\"\n"),
            "`platforms.telegram.listen` (HOME/kanban.toml): got the text `8443`, expected an address and a port, as in `\"127.0.0.1:8443\"`",
        ),
        (
            "[platforms.slack.\"Acme Corp\"]\nbot_token = \"hunter2\"\napp_token = \"hunter2\"\n".to_owned(),
            "`platforms.slack.Acme Corp` (HOME/kanban.toml): a name of an account has small letters, digits and `-`, as in `acme-2`",
        ),
        (
            "[platforms.slack.\"\"]\nbot_token = \"hunter2\"\napp_token = \"hunter2\"\n".to_owned(),
            "`platforms.slack.` (HOME/kanban.toml): a name of an account has small letters, digits and `-`, as in `acme-2`",
        ),
    ] {
        let problems = refusals(&settings, &[]);
        assert!(problems.contains(&expected.to_owned()), "{settings}{problems:#?}");
        assert!(!problems.iter().any(|problem| problem.contains("hunter2")), "{problems:?}");
    }
    // One mistake is told once, and what follows from it not at all.
    for settings in [
        format!("[platforms.discord]\n{whole}tokn = \"hunter2\"\n"),
        "[platforms]\ndiscord = \"hunter2\"\n".to_owned(),
        "[platforms.discord]\ntoken = 5\n".to_owned(),
        "[platforms.slack.\"Acme\"]\nbot_token = \"hunter2\"\n".to_owned(),
    ] {
        assert_eq!(refusals(&settings, &[]).len(), 1, "{:?}", refusals(&settings, &[]));
    }
}

#[test]
fn the_page_on_settings_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let page = reference();
    if Environment::capture().get("KANBAN_BLESS").is_some() {
        fs::write(&file, &page).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(written, page, "docs/configuration.md is not current; run `KANBAN_BLESS=1 cargo test --test settings`");
}
