// How a run ends: who ordered it, and what died of it.
#pragma once
#include "run.h"

// Kills all. The reason is that of the first order: which limit ended the job is what init saw
// when it gave the order, whatever the exit looks like later. A job that has ended by itself
// before is asked for first: then the end is its own. Only REASON_OUTPUT is one either way: how
// much was written does not hang on who was faster.
void end_order(struct run *run, enum reason reason);
// Takes what has died.
void end_reap(struct run *run);
// The host has gone: nobody wants to know any more.
__attribute__((noreturn)) void end_abandon(void);
