// A test is a function of CHECK()s. A failed one is told and counted; main() returns the count.
#pragma once
#include <stdio.h>
#include <string.h>

extern int checks_failed, checks_done;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        checks_done++;                                                                             \
        if (!(condition)) {                                                                        \
            checks_failed++;                                                                       \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                         \
        }                                                                                          \
    } while (0)
#define CHECK_TEXT(found, wanted)                                                                  \
    do {                                                                                           \
        checks_done++;                                                                             \
        if (strcmp(found, wanted)) {                                                               \
            checks_failed++;                                                                       \
            printf("%s:%d: found %s, wanted %s\n", __FILE__, __LINE__, found, wanted);             \
        }                                                                                          \
    } while (0)

void test_pair(void);
void test_text(void);
void test_job(void);
void test_events(void);
void test_filter(void);
void test_kernel_files(void);
void test_end(void);
