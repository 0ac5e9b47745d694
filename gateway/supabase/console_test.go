package supabase_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

// consoleDir is the directory of the console, with its browser tests.
const consoleDir = "../../clients/console"

// mailTemplate has the link and the code, as the templates of projects have that use codes.
const mailTemplate = `<p><a href="{{ .ConfirmationURL }}">Go on</a></p><p>Code: {{ .Token }}</p>`

// TestConsole_SignIn runs the browser tests of the console's sign-in with a project. It is not parallel:
// it runs before the other tests, so that a browser on a busy machine has time.
func TestConsole_SignIn(t *testing.T) {
	playwright := requireBrowser(t)
	box := newMailbox(t)
	p := startProject(t, box.templates(), with("GOTRUE_URI_ALLOW_LIST", "http://127.0.0.1:*/console"),
		with("GOTRUE_CORS_ALLOWED_HEADERS", "apikey"))
	go box.keep(t.Context(), p.mails.mails)
	cmd := exec.CommandContext(t.Context(), playwright, "test", "--workers=1", "supabase.spec.ts")
	cmd.Dir, cmd.SysProcAttr = consoleDir, storetest.DieWithParent()
	cmd.Env = append(os.Environ(), "FIELDGATE_TEST_PROGRAM="+programs.fieldgate,
		"FIELDGATE_TEST_SUPABASE_URL="+p.URL, "FIELDGATE_TEST_SUPABASE_ANON_KEY="+p.publishable,
		"FIELDGATE_TEST_SUPABASE_SECRET_KEY="+p.secret, "FIELDGATE_TEST_SUPABASE_MAILS="+box.URL+"/mails")
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.NotContains(t, string(output), "skipped")
	t.Logf("%s", output)
}

// requireBrowser returns the program that runs browser tests. It skips the test, with a line, if that or
// the browser is missing.
func requireBrowser(t *testing.T) string {
	t.Helper()
	playwright, missing := "node_modules/.bin/playwright", ""
	chromium := os.Getenv("FIELDGATE_TEST_CHROMIUM")
	if chromium == "" {
		chromium = "/usr/bin/chromium"
	}
	if _, err := os.Stat(consoleDir + "/" + playwright); err != nil {
		missing = "the packages of clients/console: npm ci"
	}
	if _, err := os.Stat(chromium); err != nil {
		missing = "Chromium: name it in FIELDGATE_TEST_CHROMIUM"
	}
	if missing != "" {
		fmt.Fprintln(os.Stderr, "SKIPPED: the sign-in of the console has not run in a browser; it needs "+missing)
		t.Skip("needs " + missing)
	}
	return playwright
}

// mailbox serves mails to the browser tests, the newest first, and the template of mails to the project.
type mailbox struct {
	*httptest.Server
	mu    sync.Mutex
	mails []mailRecord
}

// mailRecord is a mail in the form that the browser tests read.
type mailRecord struct {
	To    []string `json:"to"`
	Links []string `json:"links"`
	Code  string   `json:"code"`
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	b := &mailbox{}
	mux := http.NewServeMux()
	mux.HandleFunc("/template", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, mailTemplate) })
	mux.HandleFunc("/mails", func(w http.ResponseWriter, _ *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		_ = json.NewEncoder(w).Encode(append([]mailRecord{}, b.mails...))
	})
	b.Server = httptest.NewServer(mux)
	t.Cleanup(b.Close)
	return b
}

// templates sets the template of all mails of a project.
func (b *mailbox) templates() func(*project) {
	return func(p *project) {
		for _, kind := range []string{"INVITE", "CONFIRMATION", "RECOVERY", "MAGIC_LINK"} {
			p.settings["GOTRUE_MAILER_TEMPLATES_"+kind] = b.URL + "/template"
		}
	}
}

// keep adds the mails that arrive until the context ends.
func (b *mailbox) keep(ctx context.Context, arriving <-chan mail) {
	for {
		select {
		case m := <-arriving:
			_, after, _ := strings.Cut(m.text, "Code: ")
			b.mu.Lock()
			b.mails = append([]mailRecord{{To: []string{m.to}, Links: m.links, Code: after[:min(len(after), 6)]}}, b.mails...)
			b.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}
