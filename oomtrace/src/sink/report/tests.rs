//! What a report has, whatever is in the recording.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use super::*;
use crate::made_up;
use crate::model::{Name, Observation};
use crate::pipeline::Pipeline;
use crate::sink::FanOut;

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<(Vec<u8>, bool)>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics").0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Target for Memory {
    fn commit(&mut self) -> io::Result<()> {
        self.0.lock().expect("nobody panics").1 = true;
        Ok(())
    }
}

/// The report of episodes, as text.
fn report(form: Form, episodes: &[Episode]) -> String {
    let memory = Memory::default();
    let recording = Recording::default();
    recording.is("/var/lib/some where/it's.oomtrace");
    let mut report = Report::new(Box::new(memory.clone()), form, recording);
    report.start(&made_up::info()).expect("memory does not fail");
    for episode in episodes {
        report.episode(episode).expect("memory does not fail");
    }
    report.end(&Totals::default()).expect("memory does not fail");
    let (bytes, whole) = std::mem::take(&mut *memory.0.lock().expect("nobody panics"));
    assert!(whole);
    String::from_utf8(bytes).expect("it is text")
}

fn episode(observations: &[Observation]) -> Episode {
    made_up::assemble(&made_up::info(), observations).remove(0)
}

#[test]
fn hostile_names_stay_text() {
    let mut episode = episode(&made_up::one_kill());
    let hostile = &b"</script><script>alert(1)</script><!--\"'\xff\x1b\xe2\x80\xae"[..];
    let name = Name::from(hostile);
    for candidate in &mut episode.candidates {
        candidate.task.comm = name.clone();
        candidate.task.cgroup = Some(name.clone());
    }
    for victim in &mut episode.victims {
        victim.task.comm = name.clone();
    }
    for level in &mut episode.memcg {
        level.path = Some(name.clone());
    }
    episode.trigger.as_mut().expect("there is one").comm = name.clone();
    episode.message = Some(name);
    let page = report(Form::Html, &[episode.clone()]);
    let scripts = page.matches("<script").count();
    assert_eq!((scripts, page.matches("</script").count()), (2, 2), "the data and the page's own");
    // The page's own script is behind all of it.
    let before = page.rsplit_once("<script>").expect("there is one").0;
    assert!(!before.contains("alert(1)</") && !before.contains("<!--"), "{before}");
    assert!(before.contains("&lt;/script&gt;&lt;script&gt;alert(1)"));
    assert!(before.contains("\\\\xff"), "bytes are told in the data");
    assert!(!page.contains(['\u{1b}', '\u{202e}']));

    let md = report(Form::Markdown, &[episode]);
    assert!(!md.contains("<script") && md.contains("&lt;/script&gt;"), "{md}");
}

#[test]
fn the_page_loads_nothing() {
    let page = report(Form::Html, &[episode(&made_up::global())]);
    for what in ["http:", "https:", "src=", "@import", "url(", "style=", "onclick"] {
        // Patterns of its own, and a name that is no address.
        let without_references = page.replace("url(#t-", "").replace("http://www.w3.org/2000/svg", "");
        assert!(!without_references.contains(what), "{what}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn what_is_beyond_the_bounds_is_said() {
    let mut pass = episode(&made_up::one_kill());
    let episodes: Vec<Episode> = (0..MOST_SECTIONS as u64 + 3)
        .map(|number| {
            pass.id = number + 1;
            pass.opened_ns = pass.opened_ns.map(|ns| ns + 1_000_000_000);
            pass.clone()
        })
        .collect();
    for form in [Form::Html, Form::Markdown] {
        let text = report(form, &episodes);
        assert!(
            text.contains("The last 200 episodes are told at length; 3 before them are only listed."),
            "{form:?}"
        );
    }
    let page = report(Form::Html, &episodes);
    assert_eq!(page.matches("<article").count(), MOST_SECTIONS);
    assert_eq!(page.matches("(not on this page)").count(), 3);
}

#[test]
fn without_episodes_it_says_so() {
    for form in [Form::Html, Form::Markdown] {
        assert!(report(form, &[]).contains("There is no episode in it."));
    }
}

#[test]
fn a_command_can_be_pasted() {
    let md = report(Form::Markdown, &[episode(&made_up::one_kill())]);
    assert!(md.contains(r"oomtrace explain './it'\''s.oomtrace' "), "{md}");
    for (name, expected) in
        [("a.oomtrace", "a.oomtrace"), ("-x", "'./-x'"), ("stdin", "FILE"), ("$(x)", "'./$(x)'")]
    {
        assert_eq!(quoted(name), expected);
    }
}

#[test]
fn what_could_not_be_written_is_no_report() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Target for Full {
        fn commit(&mut self) -> io::Result<()> {
            panic!("it is not whole")
        }
    }
    let mut sinks = FanOut::default();
    sinks.add("the report", Box::new(Report::new(Box::new(Full), Form::Html, Recording::default())));
    let mut pipeline = Pipeline::new(sinks, crate::filter::Filter::default(), |_| {});
    let _ = pipeline.start(&made_up::info());
    let summary = pipeline.finish(None);
    assert!(summary.failed);
}
