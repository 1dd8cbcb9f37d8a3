//! Man pages: `oomtrace.1`, and `oomtrace-COMMAND.1` for each command that `--help` shows.
//!
//! Name, synopsis, options and commands are clap's. The rest of a page is made of what the help says below the options ([`notes`])
//! and of what a help has no room for ([`words`]).

mod notes;
mod words;

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use notes::Note;

/// Writes a page for the program and one for each of its commands.
pub(crate) fn write(command: &clap::Command, date: &str, folder: &Path) -> anyhow::Result<()> {
    empty(folder)?;
    // `help` would get pages of its own, one for each command.
    let mut command = command.clone().disable_help_subcommand(true);
    command.build();
    let mut pages = vec![&command];
    pages.extend(command.get_subcommands().filter(|command| !command.is_hide_set()));
    for page in pages {
        let path = folder.join(format!("{}.1", title(page)));
        let text = render(page, date).with_context(|| format!("the page of {}", page.get_name()))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Makes a folder, or removes what is in it: a page of a command that is no more must not stay.
pub(crate) fn empty(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}

/// `oomtrace`, `oomtrace-watch`.
fn title(command: &clap::Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn render(command: &clap::Command, date: &str) -> anyhow::Result<Vec<u8>> {
    let is_program = command.has_subcommands();
    let man = Man::new(command.clone())
        .title(title(command).to_uppercase())
        .date(date)
        .source(concat!("oomtrace ", env!("CARGO_PKG_VERSION")))
        .manual("oomtrace");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    let mut options = Vec::new();
    man.render_options_section(&mut options)?;
    page.extend(without_doubled_breaks(&String::from_utf8(options)?).bytes());
    if is_program {
        man.render_subcommands_section(&mut page)?;
    }
    let mut roff = Roff::new();
    let help = command.get_after_long_help().or_else(|| command.get_after_help());
    let notes = notes::read(&help.map(ToString::to_string).unwrap_or_default());
    // A command that says itself what its exit status is, is not like the others. The program's own line of it is for all of them.
    let is_status = |note: &Note| note.heading.to_lowercase().starts_with("exit ");
    for note in notes.iter().filter(|note| !is_status(note)) {
        section(&mut roff, &note.heading, &note.lines);
    }
    match notes.iter().find(|note| !is_program && is_status(note)) {
        Some(own) => section(&mut roff, "EXIT STATUS", &own.lines),
        None => table(&mut roff, "EXIT STATUS", &words::exit_status()),
    }
    table(&mut roff, "FILES", words::files(command.get_name()));
    examples(&mut roff, words::examples(command.get_name()));
    see_also(&mut roff, command, is_program);
    roff.to_writer(&mut page)?;
    Ok(page)
}

/// The generator breaks the line twice before a list of values, with an empty line between: one empty line is what it means.
fn without_doubled_breaks(options: &str) -> String {
    options.replace("\n.br\n\n.br\n", "\n.sp\n")
}

/// Paragraphs, and between them what is indented as it is.
fn section(roff: &mut Roff, heading: &str, lines: &[notes::Line]) {
    roff.control("SH", [heading.to_uppercase().as_str()]);
    let mut kept = false;
    for (index, line) in lines.iter().enumerate() {
        match line {
            notes::Line::Kept(text) => {
                if !kept {
                    roff.control("RS", ["4"]);
                    roff.control("nf", []);
                }
                kept = true;
                roff.text([roman(text)]);
            }
            notes::Line::Paragraph(text) => {
                if std::mem::take(&mut kept) {
                    roff.control("fi", []);
                    roff.control("RE", []);
                }
                if index > 0 {
                    roff.control("PP", []);
                }
                roff.text([roman(text)]);
            }
        }
    }
    if kept {
        roff.control("fi", []);
        roff.control("RE", []);
    }
}

fn table<T: AsRef<str>>(roff: &mut Roff, heading: &str, rows: &[(T, &str)]) {
    if rows.is_empty() {
        return;
    }
    roff.control("SH", [heading]);
    for (name, meaning) in rows {
        roff.control("TP", []);
        roff.text([bold(name.as_ref())]);
        roff.text([roman(*meaning)]);
    }
}

fn examples(roff: &mut Roff, examples: &[(&str, &str)]) {
    if examples.is_empty() {
        return;
    }
    roff.control("SH", ["EXAMPLES"]);
    for (index, (command, what)) in examples.iter().enumerate() {
        if index > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(*what)]);
        roff.control("RS", ["4"]);
        roff.control("nf", []);
        roff.text([roman(format!("$ {command}"))]);
        roff.control("fi", []);
        roff.control("RE", []);
    }
}

fn see_also(roff: &mut Roff, command: &clap::Command, is_program: bool) {
    roff.control("SH", ["SEE ALSO"]);
    let mut pages = Vec::new();
    if is_program {
        for other in command.get_subcommands().filter(|command| !command.is_hide_set()) {
            pages.push((title(other).to_owned(), "(1)"));
        }
    } else {
        pages.push(("oomtrace".to_owned(), "(1)"));
    }
    pages.push(("proc".to_owned(), "(5)"));
    pages.push(("cgroups".to_owned(), "(7)"));
    let last = pages.len() - 1;
    for (index, (page, volume)) in pages.into_iter().enumerate() {
        roff.text([bold(page), roman(volume), roman(if index == last { "" } else { "," })]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn pages() -> (tempfile::TempDir, BTreeSet<String>) {
        let folder = tempfile::tempdir().expect("a folder");
        write(&crate::command(), "2026-11-23", folder.path()).expect("written");
        let names = fs::read_dir(folder.path()).expect("a list");
        let names = names.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
        let names = names.collect();
        (folder, names)
    }

    #[test]
    fn every_command_that_help_shows_has_a_page_and_no_other() {
        let (_folder, names) = pages();
        let mut expected: BTreeSet<String> = crate::command()
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
            .map(|command| format!("oomtrace-{}.1", command.get_name()))
            .collect();
        expected.insert("oomtrace.1".to_owned());
        assert_eq!(names, expected);
        assert!(names.contains("oomtrace-watch.1") && !names.contains("oomtrace-demo-task.1"));
    }

    #[test]
    fn every_page_has_the_sections_that_are_looked_for() {
        let (folder, names) = pages();
        for name in names {
            let text = fs::read_to_string(folder.path().join(&name)).expect("a page");
            for heading in ["NAME", "SYNOPSIS", "DESCRIPTION", "\"EXIT STATUS\"", "\"SEE ALSO\""] {
                assert!(text.contains(&format!(".SH {heading}\n")), "{name} has no {heading}");
            }
            assert!(text.contains("2026-11-23"), "{name} has no date");
        }
    }

    #[test]
    fn the_exit_status_of_a_job_is_the_jobs() {
        let (folder, _) = pages();
        let run = fs::read_to_string(folder.path().join("oomtrace-run.1")).expect("a page");
        let (_, status) = run.split_once(".SH \"EXIT STATUS\"\n").expect("a section");
        assert!(status.starts_with("The exit code is the command"), "{status}");
        assert!(!run.contains("This machine does not allow it"), "{run}");
    }

    #[test]
    fn what_help_says_below_the_options_is_in_the_page() {
        let (folder, _) = pages();
        let explain = fs::read_to_string(folder.path().join("oomtrace-explain.1")).expect("a page");
        assert!(explain.contains(".SH CHANGES\n"), "{explain}");
        assert!(explain.contains("another oom_score_adj"), "{explain}");
    }
}
