package supabase_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
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

// TestConsole_SignIn runs the browser tests of the console's sign-in with a project that has every way to
// sign in. It is not parallel: it runs before the other tests, so that a browser on a busy machine has time.
func TestConsole_SignIn(t *testing.T) {
	playwright := requireBrowser(t)
	box := newMailbox(t)
	console := "http://localhost:" + lastingPort(t) // passkeys need a name: an address has none (WebAuthn, section 5.1.2)
	p := startProject(t, box.templates(), box.textMessages(), withConsole(console), withOpenID(t), withSAML(t),
		withPasskeys(console), with("GOTRUE_MAILER_AUTOCONFIRM", "false"))
	p.addCompany()
	go box.keep(t.Context(), p.mails.mails)
	cmd := exec.CommandContext(t.Context(), playwright, "test", "--workers=1", "test/supabase")
	cmd.Dir, cmd.SysProcAttr = consoleDir, storetest.DieWithParent()
	cmd.Env = append(os.Environ(), "FIELDGATE_TEST_PROGRAM="+programs.fieldgate, "FIELDGATE_TEST_SUPABASE_CONSOLE="+console,
		"FIELDGATE_TEST_SUPABASE_URL="+p.URL, "FIELDGATE_TEST_SUPABASE_ANON_KEY="+p.publishable,
		"FIELDGATE_TEST_SUPABASE_SECRET_KEY="+p.secret, "FIELDGATE_TEST_SUPABASE_MAILS="+box.URL+"/mails")
	cmd.Env = append(cmd.Env, limitingProjects(t, console)...)
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.NotContains(t, string(output), "skipped")
	t.Logf("%s", output)
}

// lastingPort returns an unused port below the range from which systems choose the ports of clients. The tests
// start one gateway after the other at it, and no connection takes it in between.
func lastingPort(t *testing.T) string {
	t.Helper()
	for port := 20_000 + os.Getpid()%10_000; port < 32_000; port++ {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			require.NoError(t, listener.Close())
			return strconv.Itoa(port)
		}
	}
	require.Fail(t, "no port is unused")
	return ""
}

// limitingProjects starts projects that limit sign-ins, and returns the variables with which the browser tests
// find them. The user bob of each is an approver.
func limitingProjects(t *testing.T, console string) (variables []string) {
	short := with("GOTRUE_JWT_EXP", "8") // seconds
	for name, limits := range map[string][]func(*project){
		"CAPTCHA": {withCaptcha(t), withOpenID(t)},
		"REUSE":   {short, with("GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL", "1")},
		"TIMEBOX": {short, with("GOTRUE_SESSIONS_TIMEBOX", "20s")},
	} {
		p := startProject(t, append(limits, withConsole(console))...)
		p.addMember("bob@example.com", "acme", "approver")
		variables = append(variables, "FIELDGATE_TEST_SUPABASE_"+name+"_URL="+p.URL)
	}
	return append(variables, "FIELDGATE_TEST_SUPABASE_PASSWORD="+password)
}

// withConsole sets the console as the site of a project, to which it redirects and which may call it.
func withConsole(url string) func(*project) {
	return func(p *project) {
		p.settings["GOTRUE_SITE_URL"], p.settings["GOTRUE_CORS_ALLOWED_HEADERS"] = url+"/console", "apikey"
	}
}

// withPasskeys lets users of the console sign in with passkeys, and use security keys as second factors.
func withPasskeys(console string) func(*project) {
	return func(p *project) {
		for name, value := range map[string]string{
			"WEBAUTHN_RP_ID": "localhost", "WEBAUTHN_RP_DISPLAY_NAME": "Fieldgate", "WEBAUTHN_RP_ORIGINS": console,
			"PASSKEY_ENABLED": "true", "MFA_WEB_AUTHN_ENROLL_ENABLED": "true", "MFA_WEB_AUTHN_VERIFY_ENABLED": "true",
		} {
			p.settings["GOTRUE_"+name] = value
		}
	}
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

// mailbox serves mails and text messages to the browser tests, the newest first, and the template of mails to
// the project.
type mailbox struct {
	*httptest.Server
	mu    sync.Mutex
	mails []mailRecord
}

// mailRecord is a mail or a text message in the form that the browser tests read.
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
	mux.HandleFunc("POST /text-messages", b.addTextMessage)
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

// textMessages lets users of a project have a telephone as their second factor. Its messages go to the mailbox.
func (b *mailbox) textMessages() func(*project) {
	return func(p *project) {
		for name, value := range map[string]string{
			"MFA_PHONE_ENROLL_ENABLED": "true", "MFA_PHONE_VERIFY_ENABLED": "true", "MFA_PHONE_MAX_FREQUENCY": "1ms",
			"HOOK_SEND_SMS_ENABLED": "true", "HOOK_SEND_SMS_URI": b.URL + "/text-messages",
			"HOOK_SEND_SMS_SECRETS": "v1,whsec_" + base64.StdEncoding.EncodeToString([]byte("the secret of the hook has 32 bytes or more")),
		} {
			p.settings["GOTRUE_"+name] = value
		}
	}
}

// addTextMessage adds a text message that the project sends through its hook.
func (b *mailbox) addTextMessage(w http.ResponseWriter, r *http.Request) {
	var sent struct {
		SMS struct{ OTP, Phone string }
	}
	if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.add(mailRecord{To: []string{"+" + strings.TrimPrefix(sent.SMS.Phone, "+")}, Code: sent.SMS.OTP})
	sendObject(w, object{})
}

// add adds a mail or a text message.
func (b *mailbox) add(record mailRecord) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mails = append([]mailRecord{record}, b.mails...)
}

// keep adds the mails that arrive until the context ends.
func (b *mailbox) keep(ctx context.Context, arriving <-chan mail) {
	for {
		select {
		case m := <-arriving:
			_, after, _ := strings.Cut(m.text, "Code: ")
			b.add(mailRecord{To: []string{m.to}, Links: m.links, Code: after[:min(len(after), 6)]})
		case <-ctx.Done():
			return
		}
	}
}
