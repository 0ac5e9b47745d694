/* The requests of a device. */
#include "fieldgate.h"
#include <curl/curl.h>
#include <string.h>

static char base[512], login[512] = "X-Login: none", received[1 << 18];
static size_t length; /* of received */
static CURL *curl;
static cJSON *json;

const char *json_text(const cJSON *object, const char *name) {
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return value ? value : "";
}

static size_t receive(char *part, size_t one, size_t size, void *unused) {
    (void)one, (void)unused;
    if (length + size >= sizeof received) return 0;
    memcpy(received + length, part, size);
    length += size;
    return size;
}

void http_open(const char *gateway) {
    snprintf(base, sizeof base, "%s/api/v1/device/", gateway);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
    /* A request may take as long as it makes progress. A claim waits for 20 s. */
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 40L);
}

void http_login(const char *token) {
    snprintf(login, sizeof login, "Authorization: Bearer %s", token);
}

/* parse parses the response. A NUL would end a string early and hide what follows from strcmp. */
static cJSON *parse(void) {
    received[length] = 0;
    for (char *nul = received; (nul = strstr(nul, "\\u0000")) != NULL;) memcpy(nul, "\\ufffd", 6);
    return cJSON_Parse(received);
}

struct http_response http_post(const char *path, const char *body, const char *idempotency_key, long timeout_ms) {
    char url[1024], key[128];
    snprintf(url, sizeof url, "%s%s", base, path);
    snprintf(key, sizeof key, "Idempotency-Key: %s", idempotency_key); /* not sent if it is empty */
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(curl_slist_append(headers, login), key);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    length = 0;
    cJSON_Delete(json);
    json = NULL;
    struct http_response response = {0};
    if (curl_easy_perform(curl) == CURLE_OK) {
        curl_off_t seconds = 0;
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &response.status);
        curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &seconds);
        response.retry_after_ms = 1000 * (seconds < 3600 ? seconds : 3600);
        response.json = json = parse();
    }
    curl_slist_free_all(headers);
    return response;
}
