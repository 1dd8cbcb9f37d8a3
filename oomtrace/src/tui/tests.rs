//! What keys and arrivals do, and what is drawn, on a screen that is none.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};

use super::app::{App, Over, Pane, Source};
use super::inbox::{Inbox, MOST_BESIDE_A_CAPTURE};
use super::keys::{KEYS, Key, Where};
use super::view;
use crate::made_up;
use crate::model::{Episode, Observation, SessionInfo};
use crate::sink::{Sink, Totals};

fn arrive(inbox: &mut Inbox, info: &SessionInfo, episodes: &[Episode]) {
    inbox.start(info).unwrap();
    episodes.iter().for_each(|episode| inbox.episode(episode).unwrap());
    inbox.end(&Totals::default()).unwrap();
}

fn app_of(observations: &[Observation]) -> App {
    let info = made_up::info();
    let mut inbox = Inbox::of(Source::Capture);
    arrive(&mut inbox, &info, &made_up::assemble(&info, observations));
    let mut app = App::new(Source::Recordings);
    app.take(inbox.take());
    app
}

fn draw(app: &mut App, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(app, true, frame)).unwrap();
    terminal
}

fn screen(app: &mut App, width: u16, height: u16) -> String {
    let terminal = draw(app, width, height);
    let buffer = terminal.backend().buffer();
    let rows = buffer.content().chunks(usize::from(width.max(1)));
    rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned() + "\n")
        .collect()
}

fn press(app: &mut App, keys: &str) {
    for c in keys.chars() {
        let key = match c {
            '\n' => Key::Enter,
            '\t' => Key::Tab,
            c => Key::Char(c),
        };
        assert!(app.key(key), "{keys}");
    }
}

/// The number of the episode that is open.
fn open(app: &mut App) -> String {
    let shown = screen(app, 100, 30);
    shown.lines().nth(2).and_then(|line| line.split_whitespace().next()).unwrap_or_default().to_owned()
}

#[test]
fn the_newest_is_followed_until_one_is_chosen() {
    let info = made_up::info();
    let all = made_up::assemble(&info, &made_up::many_kills(5));
    let mut inbox = Inbox::of(Source::Capture);
    let mut app = App::new(Source::Capture);
    assert!(screen(&mut app, 80, 24).contains("No episode yet: it is waiting for the OOM killer."));
    arrive(&mut inbox, &info, &all[..2]);
    app.take(inbox.take());
    assert_eq!((app.place(), app.shown()), (0, (2, false)));
    press(&mut app, "\n");
    assert_eq!(open(&mut app), "#2");
    // Something new does not take the place of what is being read.
    arrive(&mut inbox, &info, &all[2..3]);
    app.take(inbox.take());
    assert_eq!((open(&mut app).as_str(), app.place()), ("#2", 1));
    app.key(Key::Esc);
    arrive(&mut inbox, &info, &all[3..4]);
    app.take(inbox.take());
    assert_eq!(app.place(), 2, "another one than the newest is selected");
    app.key(Key::Home);
    arrive(&mut inbox, &info, &all[4..]);
    app.take(inbox.take());
    press(&mut app, "\n");
    assert_eq!(open(&mut app), "#5");
    press(&mut app, "nn");
    assert_eq!(open(&mut app), "#3");
    press(&mut app, "p");
    assert_eq!(open(&mut app), "#4");
}

#[test]
fn what_comes_late_has_its_place_by_its_time() {
    let info = made_up::info();
    let all = made_up::assemble(&info, &made_up::many_kills(3));
    let mut inbox = Inbox::of(Source::Capture);
    arrive(&mut inbox, &info, &[all[2].clone(), all[0].clone(), all[1].clone()]);
    let mut app = App::new(Source::Recordings);
    app.take(inbox.take());
    let times: Vec<_> = app.rows.iter().map(|row| row.item.row.unix_ns).collect();
    assert!(times.is_sorted() && times.len() == 3, "{times:?}");
}

#[test]
fn what_is_kept_is_bounded_and_what_is_not_is_said() {
    let info = made_up::info();
    let mut large = made_up::assemble(&info, &made_up::global()).remove(0);
    let one = large.candidates[0].clone();
    large.candidates.resize(MOST_BESIDE_A_CAPTURE / 2 - 100, one);
    let mut inbox = Inbox::of(Source::Capture);
    let mut app = App::new(Source::Capture);
    for round in 0_u64..4 {
        large.id = round + 1;
        large.opened_ns = Some(made_up::START + round * made_up::MS);
        arrive(&mut inbox, &info, std::slice::from_ref(&large));
        if round % 2 == 1 {
            app.take(inbox.take());
        }
    }
    let kept: usize = app.rows.iter().map(|row| row.item.weight()).sum();
    assert!(kept <= MOST_BESIDE_A_CAPTURE, "{kept}");
    assert_eq!(app.rows.len(), 4, "the rows stay");
    assert!(app.rows.last().is_some_and(|row| row.item.episode.is_some()), "the newest is there");
    app.key(Key::End);
    press(&mut app, "\n");
    let shown = screen(&mut app, 100, 30);
    assert!(
        shown.contains("is not in memory any more") && shown.contains("oomtrace replay FILE --episode"),
        "{shown}"
    );
    press(&mut app, "2wadj:1=5\n");
    screen(&mut app, 100, 30);

    // And what has not been looked at yet is bounded too.
    for _ in 0..3 {
        arrive(&mut inbox, &info, std::slice::from_ref(&large));
    }
    let waiting: usize = inbox.take().items.iter().map(|item| item.weight()).sum();
    assert!(waiting <= MOST_BESIDE_A_CAPTURE, "{waiting}");
}

#[test]
fn what_is_not_known_is_sorted_behind_whatever_is() {
    let mut app = app_of(&made_up::global());
    press(&mut app, "\n2");
    // By points: kernel threads and protected ones have none.
    for keys in [">>", "r"] {
        press(&mut app, keys);
        let shown = screen(&mut app, 120, 40);
        let points = |line: &str| line.get(2..)?.split_whitespace().nth(1).map(str::to_owned);
        let cells: Vec<String> =
            shown.lines().skip(3).take_while(|line| !line.starts_with('─')).filter_map(points).collect();
        let first_without = cells.iter().position(|cell| cell.parse::<i64>().is_err()).unwrap();
        let (with, without) = cells.split_at(first_without);
        assert!(without.iter().all(|cell| cell == "-" || cell == "?"), "{cells:?}");
        let mut numbers: Vec<i64> = with.iter().map(|cell| cell.parse().unwrap()).collect();
        if keys != "r" {
            numbers.reverse();
        }
        assert!(numbers.is_sorted() && numbers.len() > 2, "{cells:?}");
    }
}

#[test]
fn the_selected_line_is_reversed_and_who_died_is_red() {
    let mut app = app_of(&made_up::one_kill());
    press(&mut app, "\n2");
    let terminal = draw(&mut app, 80, 24);
    let cell = |x, y| terminal.backend().buffer()[(x, y)].clone();
    assert_eq!((cell(0, 3).symbol(), cell(0, 3).fg), (">", Color::Red));
    assert!(cell(0, 3).modifier.contains(Modifier::REVERSED | Modifier::BOLD));
    assert!(cell(79, 3).modifier.contains(Modifier::REVERSED), "to the end of the line");
    assert!(!cell(0, 4).modifier.contains(Modifier::REVERSED));
    let colours = terminal.backend().buffer().content().iter().map(|cell| (cell.fg, cell.bg));
    assert!(
        colours.clone().all(|(text, back)| matches!(text, Color::Reset | Color::Red) && back == Color::Reset)
    );
}

#[test]
fn every_key_of_the_help_does_something() {
    for (place, keys, what, _) in &KEYS {
        let mut app = app_of(&made_up::many_kills(40));
        let begun = match place {
            Where::All | Where::List => "",
            Where::Episode => "\n",
            Where::Candidates => "\n2>>",
            Where::WhatIf => "\nwadj:48121=-1000\n",
        };
        press(&mut app, begun);
        let before = screen(&mut app, 80, 12);
        let first = keys.split([' ', ',']).next().unwrap();
        let key = match first {
            "up" => Key::Down,
            "page" => Key::PageDown,
            "home" => Key::End,
            "enter" => Key::Enter,
            "tab" => Key::Tab,
            "esc" => Key::Esc,
            // The loop's, and the end's, are seen in a terminal.
            "ctrl-z" | "q" => continue,
            other => Key::Char(other.chars().next().unwrap()),
        };
        assert!(app.key(key));
        assert_ne!(screen(&mut app, 80, 12), before, "{keys}: {what}");
    }
    let mut app = app_of(&made_up::one_kill());
    assert!(!app.key(Key::Char('q')) && !app.key(Key::Ctrl('c')));
    press(&mut app, "?");
    assert_eq!(app.over, Some(Over::Help));
    assert!(!app.key(Key::Ctrl('c')), "out of the help too");
}

#[test]
fn it_fits_any_screen_whatever_is_typed() {
    let sizes =
        [(1, 1), (2, 2), (10, 3), (59, 9), (60, 10), (61, 11), (80, 24), (149, 30), (150, 30), (200, 60)];
    for (width, height) in sizes.into_iter().chain([(1, 100), (300, 1)]) {
        for observations in [made_up::odd(), made_up::group_kill(), Vec::new()] {
            let mut app = app_of(&observations);
            screen(&mut app, width, height);
            for keys in ["\n", "1", "2>>>r/x", "\n3", "4", "5", "6wx\n", "wadj:1=2\n", "uc?", "m/a\n"] {
                press(&mut app, keys);
                screen(&mut app, width, height);
                for key in [Key::PageDown, Key::End, Key::PageUp, Key::Home, Key::Up, Key::Down, Key::BackTab]
                {
                    app.key(key);
                    screen(&mut app, width, height);
                }
            }
        }
    }
}

#[test]
fn long_lines_are_typed_and_taken_back() {
    let mut app = app_of(&made_up::one_kill());
    press(&mut app, "\nw");
    press(&mut app, &"日本語 adj:x=".repeat(40));
    let shown = screen(&mut app, 80, 24);
    assert!(shown.contains("adj:x="), "the end of it is seen: {shown}");
    app.key(Key::Ctrl('w'));
    app.key(Key::Backspace);
    app.key(Key::Ctrl('u'));
    app.key(Key::Backspace);
    assert!(screen(&mut app, 80, 24).contains("kill:WHO):\n"));
    app.key(Key::Esc);
    assert_eq!(app.pane, Pane::Episode);
}
