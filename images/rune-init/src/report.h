// The exit report.
#pragma once
#include "artifacts.h"
#include "json.h"
#include "run.h"

void report_write(struct json *json, const struct run *run, const struct artifacts *artifacts);
