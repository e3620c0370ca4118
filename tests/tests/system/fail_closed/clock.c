/* A clock that is set back by half a minute as long as the file named in SET_BACK_WHILE is there.
 *
 * Loaded into the executor with LD_PRELOAD. Clocks that only measure how long something takes go
 * on as they are.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *now) {
    int done = (int)syscall(SYS_clock_gettime, clock, now);
    if (!done && clock == CLOCK_REALTIME) {
        const char *back = getenv("SET_BACK_WHILE");
        if (back && !access(back, F_OK)) now->tv_sec -= 30;
    }
    return done;
}
