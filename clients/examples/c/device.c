/* A device that restarts its services: device URL STATE_DIRECTORY PROGRAM
 * PROGRAM SERVICE restarts a service. The first start needs ACTIVATION_CODE in the environment. */
#define _GNU_SOURCE
#include "fieldgate.h"
#include <ctype.h>
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NAME "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.@-"
#define MAX_NAME 100

static int is_name(const char *s) {
    return s[0] && !strchr("-.@", s[0]) && strlen(s) <= MAX_NAME && s[strspn(s, NAME)] == 0;
}

static long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* start starts a program. It returns its process, and the end of the pipe with its output. */
static pid_t start(const char *program, const char *argument, int *output) {
    int pipe[2];
    pid_t process = pipe2(pipe, O_CLOEXEC) == 0 ? fork() : -1;
    if (process < 0) err(1, "starting a program");
    if (process == 0) {
        dup2(open("/dev/null", O_RDONLY), 0);
        dup2(pipe[1], 1);
        dup2(pipe[1], 2);
        execl(program, program, argument, (char *)NULL);
        _exit(127);
    }
    close(pipe[1]);
    *output = pipe[0];
    return process;
}

/* run runs a program and stores its result. It extends the lease when a third of it has passed. */
static void run(const char *program, const char *service, long lease_ms) {
    static char output[65536];
    size_t length = 0;
    int pipe, status = -1, cancelled = 0;
    pid_t process = start(program, service, &pipe);
    for (long extended = now_ms();;) {
        struct pollfd readable = {.fd = pipe, .events = POLLIN};
        char part[4096];
        if (poll(&readable, 1, lease_ms / 6) > 0) {
            ssize_t n = read(pipe, part, sizeof part);
            if (n <= 0) break;
            for (ssize_t i = 0; i < n && length < sizeof output - 1; i++)
                output[length++] = isprint((unsigned char)part[i]) || part[i] == '\n' ? part[i] : '?';
        }
        if (now_ms() - extended < lease_ms / 3) continue;
        extended = now_ms(); /* an extension that gets no response is repeated within the lease */
        if (client_extend(lease_ms) && (cancelled = 1)) kill(process, SIGTERM);
    }
    output[length] = 0;
    close(pipe), waitpid(process, &status, 0);
    const char *failed = status != 0 ? "failed" : "succeeded";
    client_store(cancelled ? "cancelled" : failed, output, status != 0 ? "exit_code" : "");
}

/* execute executes a command. It compares all names exactly, as the approver has read them. */
static void execute(const char *program, const cJSON *command, long lease_ms) {
    const cJSON *parameters = cJSON_GetObjectItemCaseSensitive(command, "parameters");
    const cJSON *parameter = parameters ? parameters->child : NULL;
    const char *value = cJSON_GetStringValue(parameter);
    char service[MAX_NAME + 1];
    if (strcmp(json_text(command, "type"), "remediation.restart_service") != 0) {
        client_store("failed", "", "unsupported");
    } else if (!value || parameter->next || strcmp(parameter->string, "service") != 0 || !is_name(value)) {
        client_store("failed", "", "invalid_parameters");
    } else {
        run(program, strcpy(service, value), lease_ms); /* a request invalidates the command */
    }
}

int main(int count, char **arguments) {
    const char *code = getenv("ACTIVATION_CODE"), *lease = getenv("LEASE_MS");
    if (count != 4) errx(2, "usage: device URL STATE_DIRECTORY PROGRAM");
    char *program = realpath(arguments[3], NULL);
    if (!program || chdir(arguments[2]) != 0) err(2, "%s or %s", arguments[3], arguments[2]);
    long lease_ms = lease ? atol(lease) : 60000;
    http_open(arguments[1]);
    client_open(code ? code : "", lease_ms);
    for (;;) {
        client_submit();
        const cJSON *command = client_claim();
        if (command) execute(program, command, lease_ms);
    }
}
