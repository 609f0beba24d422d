/* Walks the tree: lists, pipelines and compound commands. */
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "shell.h"

struct node_task {
    struct task task;
    struct node *node;
    int in, out, other; /* descriptors of a pipeline stage, -1: none */
    int is_async;
};

/* -e: a failure that nobody looks at ends the shell. */
void check_errexit(int status) {
    if (status && (sh.options & OPT_ERREXIT) && !sh.tested && !sh.flow) shell_exit(status);
}

static void move_fd(int from, int onto) {
    if (from < 0 || from == onto) return;
    mr_fd_dup2(from, onto);
    close(from);
}

static void run_node_task(struct task *t) {
    struct node_task *n = (struct node_task *)t;
    if (n->other >= 0) close(n->other);
    move_fd(n->in, 0);
    move_fd(n->out, 1);
    if (n->is_async) {
        ignore_keyboard_signals();
        if (n->in < 0) {
            close(0);
            int fd = open_null();
            move_fd(fd, 0);
        }
    }
    if (n->node->kind == NODE_SUBSHELL) {
        struct node *inner = n->node;
        if (redirect_apply(inner->redirects, NULL) < 0) {
            sh.status = 2;
            return;
        }
        sh.status = run_node(inner->first, RUN_EXIT);
    } else {
        sh.status = run_node(n->node, RUN_EXIT);
    }
}

static int run_subshell(struct node *n, int flags) {
    if ((flags & RUN_EXIT) && !traps_active()) {
        sh.status = redirect_apply(n->redirects, NULL) < 0 ? 2 : run_node(n->first, RUN_EXIT);
        return sh.status;
    }
    struct node_task t = {{run_node_task, 0}, n, -1, -1, -1, 0};
    return wait_pid(task_start(&t.task, 0), 1);
}

static int run_async(struct node *n) {
    struct node_task t = {{run_node_task, 0}, n->first, -1, -1, -1, 1};
    task_start(&t.task, 1);
    return 0;
}

static int run_pipeline(struct node *n) {
    int count = 0, status = 0, failed = 0, in = -1;
    for (struct node *stage = n->first; stage; stage = stage->next) count++;
    struct arena_mark mark = arena_tell(&sh.temp);
    int *pids = arena_alloc(&sh.temp, (size_t)count * sizeof *pids);
    count = 0;
    for (struct node *stage = n->first; stage; stage = stage->next) {
        int fds[2] = {-1, -1};
        if (stage->next && mr_fd_pipe(fds) < 0) fail(2, "Pipe call failed");
        struct node_task t = {{run_node_task, 0}, stage, in, fds[1], fds[0], 0};
        pids[count++] = task_start(&t.task, 0);
        if (in >= 0) close(in);
        if (fds[1] >= 0) close(fds[1]);
        in = fds[0];
    }
    for (int i = 0; i < count; i++) {
        status = wait_pid(pids[i], i == count - 1);
        if (status) failed = status;
    }
    arena_rewind(&sh.temp, mark);
    return sh.options & OPT_PIPEFAIL ? failed : status;
}

static int run_tested(struct node *n) {
    sh.tested++;
    int status = run_node(n, 0);
    sh.tested--;
    return status;
}

static int run_and_or(struct node *n, int flags) {
    int status = run_tested(n->first);
    for (struct node *link = n->second; link && !sh.flow; link = link->next) {
        if ((link->kind == NODE_AND) != (status == 0)) continue;
        status = link->next ? run_tested(link->first) : run_node(link->first, flags);
    }
    return status;
}

static int run_if(struct node *n, int flags) {
    for (; n; n = n->third) {
        if (n->kind != NODE_IF) return run_node(n, flags);
        int status = run_tested(n->first);
        if (sh.flow) return status;
        if (status == 0) return run_node(n->second, flags);
    }
    return 0;
}

/* After a loop's body: 1 to leave the loop. */
static int loop_stops(void) {
    if (sh.flow == FLOW_RETURN) return 1;
    if (sh.flow == FLOW_NONE) return 0;
    if (--sh.flow_levels > 0) return 1;
    int leave = sh.flow == FLOW_BREAK;
    sh.flow = FLOW_NONE;
    return leave;
}

static int run_loop(struct node *n) {
    int status = 0;
    sh.loops++;
    for (;;) {
        int test = run_tested(n->first);
        if (sh.flow) {
            if (sh.flow == FLOW_RETURN) status = test;
            if (loop_stops()) break;
            continue;
        }
        if ((test == 0) != (n->kind == NODE_WHILE)) break;
        status = run_node(n->second, 0);
        if (loop_stops()) break;
    }
    sh.loops--;
    return status;
}

static int run_for(struct node *n) {
    struct arena_mark mark = arena_tell(&sh.temp);
    struct fields list = {0};
    if (n->has_list) {
        for (struct word *w = n->words; w; w = w->next) expand_word(w, &list);
    } else {
        for (int i = 0; i < sh.param_count; i++)
            field_add(&list, arena_copy(&sh.temp, sh.params[i], strlen(sh.params[i])));
    }
    int status = 0;
    sh.loops++;
    for (int i = 0; i < list.count; i++) {
        sh.line = n->line;
        if (var_set(n->name, list.v[i]) < 0) shell_exit(2);
        status = run_node(n->second, 0);
        if (loop_stops()) break;
    }
    sh.loops--;
    arena_rewind(&sh.temp, mark);
    return status;
}

static int item_matches(const struct case_item *item, const char *subject) {
    for (struct word *w = item->patterns; w; w = w->next) {
        struct arena_mark mark = arena_tell(&sh.temp);
        int matched = pattern_match(expand_pattern(w->parts), subject, strlen(subject));
        arena_rewind(&sh.temp, mark);
        if (matched) return 1;
    }
    return 0;
}

static int run_case(struct node *n, int flags) {
    struct arena_mark mark = arena_tell(&sh.temp);
    sh.line = n->line;
    sh.substituted_status = 0;
    const char *subject = expand_string(n->words);
    struct case_item *item = n->items;
    while (item && !item_matches(item, subject)) item = item->next;
    arena_rewind(&sh.temp, mark);
    int status = 0;
    for (; item; item = item->next) {
        int last = !item->fall;
        status = item->body ? run_node(item->body, last ? flags : 0) : 0;
        if (last || sh.flow) break;
    }
    return status;
}

int run_list(struct node *first, int flags) {
    int status = 0;
    for (struct node *n = first; n; n = n->next) {
        status = run_node(n, n->next ? 0 : flags);
        if (sh.flow) break;
    }
    return status;
}

static int run_compound(struct node *n, int flags) {
    switch (n->kind) {
    case NODE_GROUP: return run_node(n->first, flags);
    case NODE_IF: return run_if(n, flags);
    case NODE_WHILE:
    case NODE_UNTIL: return run_loop(n);
    case NODE_FOR: return run_for(n);
    default: return run_case(n, flags);
    }
}

static int run_redirected(struct node *n, int flags) {
    struct arena_mark mark = arena_tell(&sh.temp);
    struct saved_fds saved;
    sh.line = n->line;
    int status;
    if (redirect_apply(n->redirects, &saved) < 0) {
        redirect_restore(&saved);
        status = 2;
        check_errexit(status);
    } else {
        status = run_compound(n, flags);
        redirect_restore(&saved);
    }
    arena_rewind(&sh.temp, mark);
    return status;
}

static int run_kind(struct node *n, int flags) {
    int status;
    switch (n->kind) {
    case NODE_SIMPLE: return run_simple(n, flags);
    case NODE_SEQUENCE: return run_list(n->first, flags);
    case NODE_ASYNC: return run_async(n);
    case NODE_AND_OR: return run_and_or(n, flags);
    case NODE_NOT:
        status = run_tested(n->first);
        return sh.flow ? status : !status;
    case NODE_PIPELINE:
        status = run_pipeline(n);
        check_errexit(status);
        return status;
    case NODE_SUBSHELL:
        sh.line = n->line;
        status = run_subshell(n, flags);
        check_errexit(status);
        return status;
    case NODE_FUNCTION: function_set(n->name, sh.running, n->first); return 0;
    default: return n->redirects ? run_redirected(n, flags) : run_compound(n, flags);
    }
}

int run_node(struct node *n, int flags) {
    if (!n) return 0;
    if (sh.options & OPT_NOEXEC) return 0;
    depth_enter();
    int status = run_kind(n, flags);
    depth_leave();
    sh.status = status;
    if (traps_active()) {
        int interrupted = traps_run();
        if (interrupted) status = sh.status;
    }
    return status;
}

int run_function(struct function *f, int argc, char **argv) {
    struct arena *arena = f->arena, *running = sh.running;
    struct node *body = f->body;
    arena->references++; /* it may redefine itself */
    sh.running = arena;
    char **params = sh.params;
    int count = sh.param_count, owned = sh.params_owned, loops = sh.loops;
    sh.params = argv + 1;
    sh.param_count = argc - 1;
    sh.params_owned = 0;
    sh.loops = 0;
    sh.calls++;
    int status = run_node(body, 0);
    sh.calls--;
    if (sh.flow == FLOW_RETURN) {
        sh.flow = FLOW_NONE;
        status = sh.status;
    }
    if (sh.params_owned) params_set(0, NULL);
    sh.loops = loops;
    sh.params = params;
    sh.param_count = count;
    sh.params_owned = owned;
    sh.running = running;
    arena_drop(arena);
    return status;
}
