//! What could stand next on the command line, as kubectl asks a plugin for it: through `kubectl_complete-optimize`.

use std::time::Duration;

use clap::{Arg, Command, CommandFactory, Parser};
use kube::{ResourceExt, api::ListParams};

use crate::{connection::Cluster, options::Options};

/// Nobody waits longer for names.
const DEADLINE: Duration = Duration::from_secs(2);
/// Cobra's words for what the shell does with the candidates.
const FILES: &str = ":0";
const NO_FILES: &str = ":4";

/// What could stand at the end of the words.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// One of these.
    Words(Vec<String>),
    /// The name of a rollout.
    Rollout,
    /// A file.
    File,
    /// Something that only the user knows.
    Anything,
}

/// Prints the candidates for the last of the words, one a line, then how to treat them. Errors offer nothing: whoever
/// presses a key wants no sentence.
pub async fn run(words: &[String]) {
    let next = next(words);
    let partial = words.last().map(String::as_str).unwrap_or_default();
    let candidates = match &next {
        Next::Words(candidates) => candidates.clone(),
        Next::Rollout => tokio::time::timeout(DEADLINE, rollouts(words)).await.unwrap_or_default(),
        Next::File | Next::Anything => Vec::new(),
    };
    candidates.iter().filter(|candidate| candidate.starts_with(partial)).for_each(|candidate| println!("{candidate}"));
    println!("{}", if next == Next::File { FILES } else { NO_FILES });
}

async fn rollouts(words: &[String]) -> Vec<String> {
    // The last word is not finished; a whole command line is needed to know the connection.
    let whole = words.split_last().map_or(words, |(_, whole)| whole);
    let flags = whole.iter().map(String::as_str);
    let line = std::iter::once("kubectl-optimize").chain(flags).chain(["--", "x"]);
    let connection = Options::try_parse_from(line)
        .map_or_else(|_| Options::parse_from(["kubectl-optimize", "status"]).connection, |options| options.connection);
    let Ok(cluster) = Cluster::connect(&connection).await else { return Vec::new() };
    let listed = cluster.rollouts().list_metadata(&ListParams::default()).await;
    listed.map(|rollouts| rollouts.items.iter().map(ResourceExt::name_any).collect()).unwrap_or_default()
}

fn next(words: &[String]) -> Next {
    let mut root = Options::command();
    root.build();
    let Some((partial, whole)) = words.split_last() else { return Next::Anything };
    let mut command: Option<&Command> = None;
    let mut positionals = 0;
    let mut open: Option<&Arg> = None;
    for word in whole {
        let within = command.unwrap_or(&root);
        if open.take().is_some() {
            continue;
        }
        if word.starts_with('-') {
            open = flag(within, word).filter(|flag| flag.get_action().takes_values() && !word.contains('='));
        } else if command.is_none() {
            command = root.find_subcommand(word);
        } else {
            positionals += 1;
        }
    }
    let within = command.unwrap_or(&root);
    if let Some(flag) = open {
        return value(flag);
    }
    if partial.starts_with('-') {
        let flags = within.get_arguments().filter(|flag| !flag.is_hide_set());
        return Next::Words(flags.filter_map(Arg::get_long).map(|long| format!("--{long}")).collect());
    }
    if command.is_none() {
        let shown = root.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
        return Next::Words(shown.map(described).collect());
    }
    let mut arguments = within.get_positionals();
    let argument = arguments.nth(positionals).or_else(|| within.get_positionals().last());
    argument.map_or(Next::Anything, |argument| {
        let takes_more = argument.get_num_args().is_some_and(|number| number.max_values() > 1);
        if positionals > 0 && !takes_more { Next::Anything } else { value(argument) }
    })
}

fn flag<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|flag| {
        let long = flag.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long));
        let short = flag.get_short().is_some_and(|short| word.strip_prefix('-') == Some(short.to_string().as_str()));
        long || short
    })
}

fn value(argument: &Arg) -> Next {
    let possible = argument.get_possible_values();
    match argument.get_id().as_str() {
        _ if !possible.is_empty() => Next::Words(possible.iter().map(|value| value.get_name().to_owned()).collect()),
        "name" => Next::Rollout,
        "file" | "files" | "kubeconfig" => Next::File,
        _ => Next::Anything,
    }
}

/// A candidate and, after a tab, what it is.
fn described(command: &Command) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    format!("{}\t{about}", command.get_name())
}

#[cfg(test)]
mod tests;
