/* The rules of a device: what it stores, what it repeats, and for how long. */
#include "fieldgate.h"
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* command is "commands/ID" of the command that is executed. */
static char identity[512], command[128], claim_token[256], result[1 << 18];
static long lease;

static unsigned long long draw(void) {
    unsigned long long number;
    if (getrandom(&number, sizeof number, 0) != sizeof number) err(1, "getrandom");
    return number;
}

/* is_final reports whether the gateway has accepted a request, or refused a result for good. A
 * refusal without a code is that of a proxy. */
static int is_final(const char *path, struct http_response r) {
    if (r.status == 200 || r.status == 201) return r.json != NULL;
    if (r.status == 401 || r.status == 408 || r.status == 415 || r.status == 429) return 0;
    return strstr(path, "/result") && r.status >= 400 && r.status < 500 && *json_text(r.json, "code");
}

/* call repeats a request until its response is final. */
static const cJSON *call(const char *path, const char *body, const char *key) {
    for (int attempt = 0;; attempt += attempt < 7) {
        struct http_response r = http_post(path, body, key, 0);
        if (is_final(path, r)) return r.json;
        warnx("%s was refused: %ld %s", path, r.status, json_text(r.json, "code"));
        if (r.status == 401 && strchr(path, '/')) http_login(json_text(call("auth", identity, ""), "token"));
        if (strstr(path, "/result")) client_extend(lease > 600000 ? lease : 600000);
        poll(NULL, 0, r.retry_after_ms + draw() % (500 << attempt));
    }
}

void client_open(const char *activation_code, long lease_ms) {
    char body[256], saved[320];
    lease = lease_ms;
    if (state_load("identity", identity, sizeof identity)) return;
    snprintf(body, sizeof body, "{\"activationCode\":\"%s\"}", activation_code);
    if (!state_load("registration", saved, sizeof saved) || !strstr(saved, body)) {
        /* The key opens the response again if it is lost. */
        snprintf(saved, sizeof saved, "%016llx%016llx%s", draw(), draw(), body);
        state_save("registration", saved);
    }
    saved[32] = 0;
    const cJSON *registered = call("register", body, saved);
    if (!*json_text(registered, "deviceSecret")) errx(1, "the response to the registration has no identity");
    snprintf(identity, sizeof identity, "{\"deviceId\":\"%s\",\"deviceSecret\":\"%s\"}",
             json_text(registered, "deviceId"), json_text(registered, "deviceSecret"));
    state_save("identity", identity);
}

const cJSON *client_claim(void) {
    char body[128], key[64];
    snprintf(body, sizeof body, "{\"waitMs\":20000,\"visibilityTimeoutMs\":%ld}", lease);
    snprintf(key, sizeof key, "%016llx%016llx", draw(), draw());
    const cJSON *commands = cJSON_GetObjectItemCaseSensitive(call("commands/claim", body, key), "commands");
    const cJSON *claimed = cJSON_GetArrayItem(commands, 0);
    if (!claimed) return NULL;
    snprintf(command, sizeof command, "commands/%s", json_text(claimed, "id"));
    snprintf(claim_token, sizeof claim_token, "%s", json_text(claimed, "claimToken"));
    client_store("failed", "", "interrupted"); /* this is submitted after a restart */
    return claimed;
}

int client_extend(long extension_ms) {
    char path[256], body[512];
    snprintf(path, sizeof path, "%s/extend", command);
    snprintf(body, sizeof body, "{\"claimToken\":\"%s\",\"extensionMs\":%ld}", claim_token, extension_ms);
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(http_post(path, body, "", lease / 6).json, "cancelRequested"));
}

void client_store(const char *status, const char *output, const char *code) {
    cJSON *text = cJSON_CreateString(output);
    char *quoted = cJSON_PrintUnformatted(text);
    snprintf(result, sizeof result, "%s %s {\"claimToken\":\"%s\",\"status\":\"%s\",\"output\":%s,"
             "\"data\":{\"code\":\"%s\"}}", command, claim_token, claim_token, status, quoted, code);
    state_save("result", result);
    cJSON_Delete(text), free(quoted);
}

void client_submit(void) {
    char path[256];
    int start = 0;
    if (!state_load("result", result, sizeof result)) return;
    if (sscanf(result, "%127s %255s %n", command, claim_token, &start) != 2) errx(2, "result is damaged");
    snprintf(path, sizeof path, "%s/result", command);
    call(path, result + start, "");
    unlink("result");
}
