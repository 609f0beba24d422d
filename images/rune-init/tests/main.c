#include "check.h"

int checks_failed, checks_done;

int main(void)
{
    test_pair();
    test_text();
    test_job();
    test_events();
    test_filter();
    test_kernel_files();
    test_end();
    printf("%d checks, %d failed\n", checks_done, checks_failed);
    return checks_failed != 0;
}
