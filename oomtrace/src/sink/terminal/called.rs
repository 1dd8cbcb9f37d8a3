//! Containers and pods by their names, where these are known.

use unicode_width::UnicodeWidthStr;

use crate::model::Name;
use crate::model::cgroup_path::{Container, Owner, ids_in};
use crate::model::episode::Episode;

use super::words;

/// What a cgroup is.
enum Is {
    Container { name: String, pod: Option<String> },
    Pod { name: String, whole: String },
}

/// `None` for a cgroup that is neither a container's nor a pod's, or lies in one of these, or whose names are not known.
fn is(episode: &Episode, cgroup: &Name) -> Option<Is> {
    let (Owner { container, pod, .. }, called) = episode.owner(cgroup);
    let last = cgroup.rsplit(|&byte| byte == b'/').next().map(Name::from)?;
    let is = |id: &str| ids_in(&last).any(|found| found == id);
    let in_words = |name: &Name| words::plain(&name.to_string());
    let whole = called.pod_in_namespace().map(|name| words::plain(&name));
    if let Some(container) = container.filter(|container| is(container.id)) {
        let name = called.container.map(in_words);
        let name = name.or_else(|| whole.is_some().then(|| words::plain(container.short_id())))?;
        return Some(Is::Container { name, pod: whole });
    }
    let (name, whole) = called.pod.map(in_words).zip(whole)?;
    pod.filter(|pod| is(&pod.uid())).map(|_| Is::Pod { name, whole })
}

/// `container app of pod shop/checkout-7d9c`, `container web-1`, `pod shop/checkout-7d9c`: what a cgroup of the episode is; `None` for
/// one that is none of these, or lies in one, or whose names are not known.
pub(crate) fn itself(episode: &Episode, cgroup: &Name) -> Option<String> {
    Some(match is(episode, cgroup)? {
        Is::Container { name, pod: Some(pod) } => format!("container {name} of pod {pod}"),
        Is::Container { name, pod: None } => format!("container {name}"),
        Is::Pod { whole, .. } => format!("pod {whole}"),
    })
}

/// The same in so many columns, in a list in which a container's pod is the next line.
pub(super) fn in_columns(episode: &Episode, cgroup: &Name, room: usize) -> Option<String> {
    let forms = match is(episode, cgroup)? {
        Is::Container { name, pod: Some(pod) } => {
            vec![format!("container {name} of pod {pod}"), format!("container {name}"), name]
        }
        Is::Container { name, pod: None } => vec![format!("container {name}"), name],
        Is::Pod { name, whole } => vec![format!("pod {whole}"), format!("pod {name}")],
    };
    let fits = forms.iter().find(|form| form.width() <= room).cloned();
    fits.or_else(|| {
        let last = forms.last()?;
        Some(format!("{}…", words::columns(last, room.saturating_sub(1))))
    })
}

/// The same, or the path in so many columns.
pub(super) fn or_path(episode: &Episode, cgroup: &Name, room: usize) -> String {
    itself(episode, cgroup).unwrap_or_else(|| words::path(&cgroup.to_string(), room))
}

/// Whose somebody in a cgroup is, pod first where names are known, else by ids; nothing for a cgroup that belongs to nobody.
pub(super) fn owners(episode: &Episode, cgroup: &Name) -> Vec<String> {
    let (Owner { container, pod, .. }, called) = episode.owner(cgroup);
    let in_brackets = |what: Option<&str>| what.map_or_else(String::new, |what| format!(" ({what})"));
    let short = |container: &Container<'_>| words::plain(container.short_id());
    let by_name = called.pod_in_namespace().map(|name| words::plain(&name));
    let pod_words = match (&by_name, &pod) {
        (Some(name), pod) => Some(format!("pod {name}{}", in_brackets(pod.and_then(|pod| pod.qos)))),
        (None, Some(pod)) => Some(format!("pod {}{}", pod.short_uid(), in_brackets(pod.qos))),
        (None, None) => None,
    };
    let container_words = container.map(|container| match called.container {
        Some(name) => {
            let runtime = container.runtime.map_or_else(String::new, |runtime| format!("{runtime} "));
            format!("container {} ({runtime}{})", words::plain(&name.to_string()), short(&container))
        }
        None => format!("container {}{}", short(&container), in_brackets(container.runtime)),
    });
    let all = if by_name.is_some() { [pod_words, container_words] } else { [container_words, pod_words] };
    all.into_iter().flatten().collect()
}
