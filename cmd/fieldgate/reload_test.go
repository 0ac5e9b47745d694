package main_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer/customertest"
)

const (
	firstAdmin   = "the-first-token-of-the-operator-in-this-test"
	secondAdmin  = "the-second-token-of-the-operator-in-this-test"
	firstSecret  = "the-first-secret-of-the-issuer-has-40-letters"
	secondSecret = "the-second-secret-of-the-issuer-has-40-letters"
)

// reloading is a gateway with files of settings that can change while it runs.
type reloading struct {
	*process
	dir, url, admin string
	issuer          *customertest.Issuer
}

func serveReloading(t *testing.T) *reloading {
	t.Helper()
	r := &reloading{dir: t.TempDir(), issuer: customertest.NewIssuer(t)}
	r.write(t, "level", "info")
	r.write(t, "admin", firstAdmin)
	r.write(t, "secret", firstSecret)
	r.process, r.url = serve(t, "FIELDGATE_SUPABASE_URL="+r.issuer.URL(), "FIELDGATE_LOG_DELAY=0s", "FIELDGATE_ADMIN_ADDR=127.0.0.1:0", "FIELDGATE_LOG_LEVEL_FILE="+r.file("level"),
		"FIELDGATE_ADMIN_TOKEN_FILE="+r.file("admin"), "FIELDGATE_JWT_SECRET_FILE="+r.file("secret"))
	r.admin = "http://" + r.logged("serving", "admin")
	return r
}

func (r *reloading) file(name string) string { return filepath.Join(r.dir, name) }

func (r *reloading) write(t *testing.T, name, value string) {
	t.Helper()
	require.NoError(t, os.WriteFile(r.file(name), []byte(value+"\n"), 0o600))
}

// hangUp sends SIGHUP and waits for a number of lines with the message.
func (r *reloading) hangUp(t *testing.T, message string, count int) {
	t.Helper()
	require.NoError(t, r.cmd.Process.Signal(syscall.SIGHUP))
	eventually(t, func() bool { return strings.Count(r.log.String(), `"`+message+`"`) == count }, "SIGHUP has no effect")
}

// level asks for the level of the log.
func (r *reloading) level(t *testing.T, token string) (status int, body string) {
	t.Helper()
	return r.send(t, http.MethodGet, r.admin+"/log-level", token, "")
}

// me calls the API as a user whose token is signed with the secret, and returns the status.
func (r *reloading) me(t *testing.T, secret string) (status int) {
	t.Helper()
	token := wrongSetting{secret: secret}.signed(r.issuer)
	status, _ = r.send(t, http.MethodGet, r.url+"/api/v1/customer/me", token, "")
	return status
}

func (r *reloading) send(t *testing.T, method, url, token, body string) (status int, response string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	reply, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer reply.Body.Close()
	content, err := io.ReadAll(reply.Body)
	require.NoError(t, err)
	return reply.StatusCode, string(content)
}

func TestHangup_AppliesFilesAgain(t *testing.T) {
	t.Parallel()
	r := serveReloading(t)
	r.write(t, "level", "debug")
	r.write(t, "admin", secondAdmin)
	status, body := r.level(t, firstAdmin)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"level":"info"}`, body)
	r.hangUp(t, "reloaded the settings", 1)
	status, _ = r.level(t, firstAdmin)
	require.Equal(t, http.StatusUnauthorized, status)
	status, body = r.level(t, secondAdmin)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"level":"debug"}`, body)
}

// TestHangup_EndsLevelOfAdmin changes the level over the admin listener. SIGHUP returns to the setting.
func TestHangup_EndsLevelOfAdmin(t *testing.T) {
	t.Parallel()
	r := serveReloading(t)
	status, _ := r.send(t, http.MethodPut, r.admin+"/log-level", firstAdmin, `{"level":"debug"}`)
	require.Equal(t, http.StatusOK, status)
	_ = r.me(t, firstSecret)
	r.hangUp(t, "reloaded the settings", 1)
	_, body := r.level(t, firstAdmin)
	require.JSONEq(t, `{"level":"info"}`, body)
}

// TestHangup_ReplacesSecretOfIssuer replaces the secret with which the tokens of users are signed. A
// token that was accepted before is refused, although it has not expired.
func TestHangup_ReplacesSecretOfIssuer(t *testing.T) {
	t.Parallel()
	r := serveReloading(t)
	require.NotEqual(t, http.StatusUnauthorized, r.me(t, firstSecret))
	require.Equal(t, http.StatusUnauthorized, r.me(t, secondSecret))
	r.write(t, "secret", secondSecret)
	r.hangUp(t, "reloaded the settings", 1)
	require.Equal(t, http.StatusUnauthorized, r.me(t, firstSecret))
	require.NotEqual(t, http.StatusUnauthorized, r.me(t, secondSecret))
}

// TestHangup_UnusableFileChangesNothing empties and breaks one file at a time. None of the other files
// is applied either.
func TestHangup_UnusableFileChangesNothing(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{"level": "loud", "admin": "", "secret": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := serveReloading(t)
			r.write(t, "level", "warn")
			r.write(t, "admin", secondAdmin)
			r.write(t, name, value)
			r.hangUp(t, "reloading the settings failed", 1)
			status, body := r.level(t, firstAdmin)
			require.Equal(t, http.StatusOK, status)
			require.JSONEq(t, `{"level":"info"}`, body)
			status, _ = r.level(t, "")
			require.Equal(t, http.StatusUnauthorized, status)
			require.NotEqual(t, http.StatusUnauthorized, r.me(t, firstSecret))
		})
	}
	t.Run("missing", func(t *testing.T) {
		t.Parallel()
		r := serveReloading(t)
		require.NoError(t, os.Remove(r.file("admin")))
		r.hangUp(t, "reloading the settings failed", 1)
		status, _ := r.level(t, firstAdmin)
		require.Equal(t, http.StatusOK, status)
	})
}
