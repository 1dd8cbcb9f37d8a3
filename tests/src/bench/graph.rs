//! How long functions of the kernel take, by the kernel's own function_graph tracer, filtered to just those functions.
//!
//! The clock is the processor's counter: under QEMU's instruction counting one tick is one guest instruction.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

const TRACING: &str = "/sys/kernel/tracing";

/// All of an OOM, and the selection pass of a memcg OOM. In a global one the pass is part of the first (the compiler merges it).
const FUNCTIONS: [&str; 2] = ["out_of_memory", "mem_cgroup_scan_tasks"];

/// The tracer, switched on. Dropping it switches it off.
pub(super) struct Graph(());

/// One call of `out_of_memory()`, in thousands of clock ticks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Call {
    /// The selection pass, the first call of `mem_cgroup_scan_tasks()`; a second one is the kernel's table of tasks.
    pub(super) scan: Option<f64>,
    pub(super) total: f64,
}

impl Graph {
    /// Switches it on.
    pub(super) fn on() -> Result<Self> {
        write("current_tracer", "nop")?;
        write("trace_clock", "x86-tsc")?;
        let names = FUNCTIONS.join("\n");
        write("set_ftrace_filter", &names)?;
        write("set_graph_function", &names)?;
        write("options/funcgraph-tail", "1")?;
        write("options/funcgraph-overhead", "0")?;
        write("current_tracer", "function_graph")?;
        write("tracing_on", "1")?;
        Ok(Self(()))
    }

    /// Forgets what was traced so far.
    pub(super) fn clear(&self) -> Result<()> {
        write("trace", "")
    }

    /// The calls of `out_of_memory()` since then.
    pub(super) fn calls(&self) -> Result<Vec<Call>> {
        let file = Path::new(TRACING).join("trace");
        let text = fs::read_to_string(&file).with_context(|| format!("failed to read {}", file.display()))?;
        Ok(parse(&text))
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        if let Err(error) = write("current_tracer", "nop").and_then(|()| write("set_ftrace_filter", "")) {
            eprintln!("{error:#}");
        }
    }
}

/// Writes a file of tracefs.
pub(super) fn write(file: &str, text: &str) -> Result<()> {
    let path = Path::new(TRACING).join(file);
    fs::write(&path, text).with_context(|| format!("failed to write {text:?} to {}", path.display()))
}

/// Reads lines such as ` 0)   293.123 us  |    mem_cgroup_scan_tasks();` and ` 0)   676.000 us  |  } /* out_of_memory */`.
fn parse(text: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut scan = None;
    for line in text.lines() {
        let Some((before, after)) = line.split_once('|') else { continue };
        let words: Vec<&str> = before.split_whitespace().collect();
        let Some(at) = words.iter().position(|word| *word == "us") else { continue };
        let Some(ticks) = at.checked_sub(1).and_then(|at| words[at].parse::<f64>().ok()) else { continue };
        if after.contains(FUNCTIONS[1]) {
            scan.get_or_insert(ticks);
        } else if after.contains(FUNCTIONS[0]) {
            calls.push(Call { scan: scan.take(), total: ticks });
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::{Call, parse};

    #[test]
    fn calls_are_read_with_their_first_scan() {
        let text = "# tracer: function_graph\n\
                    \x20 0)               |  out_of_memory() {\n\
                    \x20 0)   293.123 us  |    mem_cgroup_scan_tasks();\n\
                    \x20 0)   9000.0 us   |    mem_cgroup_scan_tasks();\n\
                    \x20 0)   676.000 us  |  } /* out_of_memory */\n\
                    \x20 0)   7.000 us    |  out_of_memory();\n";
        let first = Call { scan: Some(293.123), total: 676.0 };
        assert_eq!(parse(text), [first, Call { scan: None, total: 7.0 }]);
    }
}
