package supabase_test

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

// project is a Supabase project: a database, Supabase Auth and the proxy in front.
type project struct {
	*proxy
	mails    *mailServer
	database string
	addr     string            // of Supabase Auth
	keys     []jwk.Key         // the first signs; none if the project signs with the legacy secret
	settings map[string]string // of Supabase Auth, besides those that all projects have
	process  *exec.Cmd
	t        testing.TB
}

// withKeys sets the signing keys of a project. The first one signs.
func withKeys(keys ...jwk.Key) func(*project) {
	return func(p *project) { p.keys = keys }
}

// with sets a setting of Supabase Auth.
func with(name, value string) func(*project) {
	return func(p *project) { p.settings[name] = value }
}

// startProject starts a project that signs tokens with an ES256 key. Users can sign up and need
// not confirm their address. Each change edits the project.
func startProject(t testing.TB, changes ...func(*project)) *project {
	t.Helper()
	p := &project{
		mails: newMailServer(t), database: database.newDatabase(t), addr: storetest.FreeAddr(t), t: t,
		keys: []jwk.Key{newKey(t, jwa.ES256)}, settings: map[string]string{},
	}
	p.proxy = newProxy(t, p.addr, p.signingKey)
	for _, change := range changes {
		change(p)
	}
	p.startAuth()
	t.Cleanup(p.stopAuth)
	return p
}

// signingKey returns the key that signs tokens.
func (p *project) signingKey() jwk.Key {
	if len(p.keys) == 0 {
		return newKeyWithID(p.t, jwa.HS256, "legacy")
	}
	return p.keys[0]
}

// issuer returns the claim iss of the tokens.
func (p *project) issuer() string { return p.URL + authPath }

// setKeys replaces the signing keys. It restarts Supabase Auth, as a hosted project does.
func (p *project) setKeys(keys ...jwk.Key) {
	p.t.Helper()
	p.stopAuth()
	p.keys = keys
	p.startAuth()
}

// startAuth starts Supabase Auth, and waits until it responds.
func (p *project) startAuth() {
	t := p.t
	t.Helper()
	log := &storetest.Buffer{}
	p.process = exec.Command(programs.auth, "serve")
	p.process.Env = p.environment()
	p.process.Stdout, p.process.Stderr = log, log
	p.process.SysProcAttr = storetest.DieWithParent()
	require.NoError(t, p.process.Start())
	err := await("Supabase Auth responds", func() bool { return statusOf("http://"+p.addr+"/health") == http.StatusOK })
	require.NoError(t, err, "%s", log)
}

func (p *project) stopAuth() {
	_ = p.process.Process.Kill()
	_ = p.process.Wait()
}

// environment returns the environment of Supabase Auth.
func (p *project) environment() []string {
	_, port, err := net.SplitHostPort(p.addr)
	require.NoError(p.t, err)
	all := database.authEnvironment(p.database, p.URL, port)
	add := map[string]string{"GOTRUE_SMTP_PORT": p.mails.port}
	if len(p.keys) > 0 {
		add["GOTRUE_JWT_KEYS"] = keySetting(p.t, p.keys)
	}
	maps.Copy(add, p.settings)
	for _, name := range slices.Sorted(maps.Keys(add)) {
		all = append(all, name+"="+add[name])
	}
	return all
}

// authEnvironment returns the settings of Supabase Auth that all projects have. The limits on
// requests are raised, because the tests send all of them from one address.
func (p *postgres) authEnvironment(name, url, port string) []string {
	return append(os.Environ(),
		"DATABASE_URL="+fmt.Sprintf("postgres://%s@127.0.0.1:%s/%s?sslmode=disable", authRole, p.port, name),
		"GOTRUE_DB_DRIVER=postgres", "DB_NAMESPACE=auth", "GOTRUE_DB_MIGRATIONS_PATH="+programs.authSource+"/migrations",
		"GOTRUE_API_HOST=127.0.0.1", "PORT="+port, "API_EXTERNAL_URL="+url+authPath,
		"GOTRUE_SITE_URL=http://console.example/console", "GOTRUE_JWT_ISSUER="+url+authPath,
		"GOTRUE_JWT_SECRET="+legacySecret, "GOTRUE_JWT_EXP=3600", "GOTRUE_JWT_AUD=authenticated",
		"GOTRUE_JWT_DEFAULT_GROUP_NAME=authenticated", "GOTRUE_JWT_ADMIN_ROLES=service_role",
		"GOTRUE_EXTERNAL_EMAIL_ENABLED=true", "GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED=true",
		"GOTRUE_MAILER_AUTOCONFIRM=true", "GOTRUE_MAILER_URLPATHS_RECOVERY=/auth/v1/verify", "GOTRUE_MAILER_URLPATHS_INVITE=/auth/v1/verify",
		"GOTRUE_SMTP_HOST=127.0.0.1", "GOTRUE_SMTP_ADMIN_EMAIL=project@example.com", "GOTRUE_SMTP_MAX_FREQUENCY=1ms",
		"GOTRUE_MFA_TOTP_ENROLL_ENABLED=true", "GOTRUE_MFA_TOTP_VERIFY_ENABLED=true",
		"GOTRUE_RATE_LIMIT_EMAIL_SENT=10000", "GOTRUE_RATE_LIMIT_HEADER=X-Rate-Limit-By", "GOTRUE_LOG_LEVEL=info",
	)
}

// sql runs SQL in the database of the project, as the SQL editor of a hosted project does.
func (p *project) sql(statements string, arguments ...any) string {
	p.t.Helper()
	rows, err := database.run(p.database, fmt.Sprintf(statements, arguments...))
	require.NoError(p.t, err)
	return rows
}

// statusOf returns the status of a GET, or 0 if there is no response.
func statusOf(url string) int {
	response, err := http.Get(url)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// freePort returns an unused port. Another process may take it before it is used.
func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String()[strings.LastIndex(listener.Addr().String(), ":")+1:], nil
}
