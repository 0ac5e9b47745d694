/* A client for devices of Fieldgate, on libcurl and cJSON. It handles one command at a time. */
#include <cjson/cJSON.h>

/* client_open registers the device at its first start. The current directory keeps its state. */
void client_open(const char *activation_code, long lease_ms);

/* client_claim waits for a command and stores it. The command is valid until the next request. */
const cJSON *client_claim(void);

/* client_extend extends the lease, and reports whether a user has requested the cancellation. It waits
 * for at most a sixth of the lease. */
int client_extend(long extension_ms);

/* client_store stores the result of the command, in place of the one that was stored before. */
void client_store(const char *status, const char *output, const char *code);

/* client_submit submits the stored result, if there is one, until the gateway has answered. */
void client_submit(void);

/* An http_response is the response to a request. Without one, the status is 0. */
struct http_response {
    long status;
    long retry_after_ms;
    cJSON *json; /* NULL if the body is not JSON. Valid until the next request. */
};

/* http_open sets the URL of the gateway. http_login sets the token of the login. */
void http_open(const char *gateway);
void http_login(const char *token);

/* http_post sends a request once. The key may be empty. The time is unlimited if it is 0. */
struct http_response http_post(const char *path, const char *body, const char *idempotency_key, long timeout_ms);

/* json_text returns a string of an object, or "". */
const char *json_text(const cJSON *object, const char *name);

/* state_load reads a file, and reports whether it has content. */
int state_load(const char *name, char *content, size_t size);

/* state_save writes a file. After a power cut, the file has either its old content or the new one. */
void state_save(const char *name, const char *content);
