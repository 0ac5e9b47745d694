// This library is preloaded into redis-server. It moves the wall clock ahead by the number
// of seconds in the file that FIELDGATE_TEST_CLOCK names, and delays each fsync by
// FIELDGATE_TEST_FSYNC milliseconds.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long offset(void) {
	char text[32] = {0};
	const char *name = getenv("FIELDGATE_TEST_CLOCK");
	int file = name ? open(name, O_RDONLY) : -1;
	if (file < 0) return 0;
	ssize_t n = read(file, text, sizeof text - 1);
	close(file);
	return n > 0 ? atol(text) : 0;
}

int clock_gettime(clockid_t id, struct timespec *t) {
	int failed = syscall(SYS_clock_gettime, id, t);
	if (!failed && id == CLOCK_REALTIME) t->tv_sec += offset();
	return failed;
}

int gettimeofday(struct timeval *t, void *zone) {
	struct timespec now;
	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
	t->tv_sec = now.tv_sec;
	t->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *t) {
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (t) *t = now.tv_sec;
	return now.tv_sec;
}

int fdatasync(int file) {
	const char *ms = getenv("FIELDGATE_TEST_FSYNC");
	if (ms) usleep(atol(ms) * 1000);
	return syscall(SYS_fdatasync, file);
}
