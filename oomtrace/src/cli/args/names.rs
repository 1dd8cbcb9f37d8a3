//! What containers and pods are called: where that is looked for.

use std::path::PathBuf;

/// Where names of containers and pods come from.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Names of containers and pods")]
pub struct NamesArgs {
    /// Look for what the kubelet, Docker, containerd and CRI-O leave on a node below DIR instead of /: var/log/containers and so on
    #[arg(long, value_name = "DIR")]
    pub names_root: Option<PathBuf>,
    /// Do not look for them; ids are read off the cgroup's path all the same
    #[arg(long, conflicts_with = "names_root")]
    pub no_names: bool,
}
