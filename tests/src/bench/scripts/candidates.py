#!/usr/bin/python3
# Every candidate of an OOM with its points, and the victims: as a person would write it with bcc.
# candidates.py kfunc: a hook at the return of oom_badness(); candidates.py kprobe: a kprobe and a kretprobe. Both with a ring buffer.
import sys

from bcc import BPF

COMMON = r"""
#include <linux/sched.h>

struct event { u32 kind; u32 pid; long points; char comm[16]; };
BPF_RINGBUF_OUTPUT(events, 64);

TRACEPOINT_PROBE(oom, mark_victim) {
    struct event event = { .kind = 1, .pid = args->pid };
    events.ringbuf_output(&event, sizeof(event), 0);
    return 0;
}

static inline void submit(struct task_struct *p, long points) {
    struct event *event = events.ringbuf_reserve(sizeof(*event));
    if (!event)
        return;
    event->kind = 0;
    bpf_probe_read_kernel(&event->pid, sizeof(event->pid), &p->pid);
    event->points = points;
    bpf_probe_read_kernel(&event->comm, sizeof(event->comm), &p->comm);
    events.ringbuf_submit(event, 0);
}
"""

KFUNC = r"""
KRETFUNC_PROBE(oom_badness, struct task_struct *p, unsigned long totalpages, long points) {
    submit(p, points);
    return 0;
}
"""

KPROBE = r"""
BPF_HASH(scored, u32, struct task_struct *);

int enter(struct pt_regs *ctx, struct task_struct *p) {
    u32 tid = bpf_get_current_pid_tgid();
    scored.update(&tid, &p);
    return 0;
}

int leave(struct pt_regs *ctx) {
    u32 tid = bpf_get_current_pid_tgid();
    struct task_struct **p = scored.lookup(&tid);
    if (!p)
        return 0;
    submit(*p, PT_REGS_RC(ctx));
    scored.delete(&tid);
    return 0;
}
"""

if sys.argv[1] == "kfunc":
    b = BPF(text=COMMON + KFUNC)
else:
    b = BPF(text=COMMON + KPROBE)
    b.attach_kprobe(event="oom_badness", fn_name="enter")
    b.attach_kretprobe(event="oom_badness", fn_name="leave")


def show(cpu, data, size):
    event = b["events"].event(data)
    if event.kind:
        print("V", event.pid)
    else:
        print("C", event.pid, event.comm.decode("utf-8", "replace"), event.points)


b["events"].open_ring_buffer(show)
while True:
    try:
        b.ring_buffer_poll()
        sys.stdout.flush()
    except KeyboardInterrupt:
        break
