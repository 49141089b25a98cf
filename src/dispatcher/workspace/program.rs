//! The program git, as the gateway runs it: nothing that a repository names is run with it.
//!
//! A repository is a worker's to write, and a program that its configuration names would act as the gateway, with all that the
//! gateway may do and knows. What the owner's own configuration names, as `git lfs install` puts it there, is the owner's wish.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::Path,
    process::Stdio,
    time::Duration,
};

use tokio::{process::Command, time};

use super::Refusal;

/// How long one git command may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// What is set whatever a repository says: no hook, no watcher of files, no submodule on the way, no signature looked at.
const SETTINGS: [&str; 4] =
    ["core.hooksPath=/dev/null", "core.fsmonitor=false", "submodule.recurse=false", "log.showSignature=false"];

/// A key of git's configuration, and a value for it.
type Setting = (Vec<u8>, Vec<u8>);

/// Runs git in a directory, with a command that neither writes nor compares files, and answers its output without the last
/// line's end.
pub(super) async fn git(directory: &Path, arguments: &[&str]) -> Result<String, Refusal> {
    text(directory, arguments, git_output(directory, arguments, &[]).await?)
}

/// The same for a command that writes files, or compares them: filters that the repository itself names are passed over.
pub(super) async fn git_on_files(directory: &Path, arguments: &[&str]) -> Result<String, Refusal> {
    let listed = git_output(directory, &["config", "--list", "-z", "--show-scope"], &[]).await?;
    text(directory, arguments, git_output(directory, arguments, &without_own_filters(&listed)).await?)
}

/// Runs git in a directory, with settings that come before all others.
pub(super) async fn git_output(directory: &Path, arguments: &[&str], settings: &[Setting]) -> Result<Vec<u8>, Refusal> {
    let shown = || shown(directory, arguments);
    let mut command = Command::new("git");
    let kept = ["PATH", "HOME", "USER", "LANG", "TMPDIR", "XDG_CONFIG_HOME"];
    #[expect(clippy::disallowed_methods, reason = "they are handed on to git, and not read")]
    let kept = std::env::vars_os().filter(|(name, _)| kept.iter().any(|kept| name == kept));
    command.env_clear().envs(kept).args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
    // As variables, since a key may hold what would end it on a command line.
    command.env("GIT_CONFIG_COUNT", settings.len().to_string());
    for (number, (key, value)) in settings.iter().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{number}"), OsStr::from_bytes(key));
        command.env(format!("GIT_CONFIG_VALUE_{number}"), OsStr::from_bytes(value));
    }
    command
        .arg("-C")
        .arg(directory)
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        // What a partial clone lacks would be fetched by whatever program its remote names.
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_ALLOW_PROTOCOL", "")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = time::timeout(DEADLINE, command.output())
        .await
        .map_err(|_| Refusal::new(format!("{} took more than {} s", shown(), DEADLINE.as_secs())))?
        .map_err(|error| {
            Refusal::new(format!("cannot run `git`: {error}; install git, or use `--workspace scratch`"))
        })?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(Refusal::new(format!("{} failed: {}", shown(), error.trim())));
    }
    Ok(output.stdout)
}

/// The settings by which no filter runs that a repository's own configuration names, by the list of all settings with their
/// scopes. One that the owner has named as well is the owner's again.
fn without_own_filters(listed: &[u8]) -> Vec<Setting> {
    let mut of_repository = BTreeSet::new();
    let mut of_owner = BTreeMap::new();
    let mut fields = listed.split(|byte| *byte == 0);
    while let (Some(scope), Some(entry)) = (fields.next(), fields.next()) {
        let mut parts = entry.splitn(2, |byte| *byte == b'\n');
        let (key, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or(b"true"));
        if filter_of(key).is_none() {
            continue;
        }
        match scope {
            b"system" | b"global" => drop(of_owner.insert(key, value)),
            b"command" => {}
            _ => drop(of_repository.insert(key)),
        }
    }
    let mut settings = Vec::new();
    let mut unfiltered = BTreeSet::new();
    for key in of_repository {
        let nothing: &[u8] = if key.ends_with(REQUIRED) { b"false" } else { b"" };
        let value = of_owner.get(key).copied().unwrap_or(nothing);
        if value.is_empty() {
            unfiltered.extend(filter_of(key));
        }
        settings.push((key.to_owned(), value.to_owned()));
    }
    // Git fails where a filter is required that does nothing.
    settings.extend(unfiltered.into_iter().map(|filter| ([filter, REQUIRED].concat(), b"false".to_vec())));
    settings
}

const REQUIRED: &[u8] = b".required";

/// The filter that a key is about, with its section; none if the key is about something else.
fn filter_of(key: &[u8]) -> Option<&[u8]> {
    if !key.starts_with(b"filter.") {
        return None;
    }
    [b".clean".as_slice(), b".smudge", b".process", REQUIRED].into_iter().find_map(|end| key.strip_suffix(end))
}

fn text(directory: &Path, arguments: &[&str], output: Vec<u8>) -> Result<String, Refusal> {
    let output = String::from_utf8(output)
        .map_err(|_| Refusal::new(format!("{} printed no valid UTF-8", shown(directory, arguments))))?;
    Ok(output.trim_end_matches('\n').to_owned())
}

fn shown(directory: &Path, arguments: &[&str]) -> String {
    format!("`git {}` in `{}`", arguments.join(" "), directory.display())
}

#[cfg(test)]
mod tests {
    use super::without_own_filters;

    #[test]
    fn filters_of_the_repository_are_passed_over_and_those_of_the_owner_are_not() {
        let listed = "system\0filter.lfs.smudge\nlfs one\0global\0filter.lfs.smudge\nlfs smudge\0global\0filter.mine.clean\nmine\0\
            global\0filter.lfs.required\ntrue\0local\0core.bare\nfalse\0local\0filter.lfs.smudge\nevil\0\
            local\0filter.lfs.required\ntrue\0local\0filter.a.b=c.process\nevil\nmore\0worktree\0filter.x.clean\nevil\0\
            local\0filter.x.required\0command\0core.fsmonitor\nfalse\0";
        let settings = without_own_filters(listed.as_bytes());
        let settings: Vec<_> = settings
            .iter()
            .map(|(key, value)| (std::str::from_utf8(key).unwrap(), std::str::from_utf8(value).unwrap()))
            .collect();
        assert_eq!(
            settings,
            [
                ("filter.a.b=c.process", ""),
                ("filter.lfs.required", "true"),
                ("filter.lfs.smudge", "lfs smudge"),
                ("filter.x.clean", ""),
                ("filter.x.required", "false"),
                ("filter.a.b=c.required", "false"),
                ("filter.x.required", "false"),
            ]
        );
    }
}
