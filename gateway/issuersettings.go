package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/fieldgate/fieldgate/listen"
)

// setIssuerFromProject derives JWKSURL, Issuers and HealthURL from SupabaseURL. It keeps those
// that are already set.
func (c *Config) setIssuerFromProject() error {
	switch {
	case c.SupabaseURL == "" && c.SupabaseAnonKey != "":
		return errors.New("FIELDGATE_SUPABASE_ANON_KEY is set without FIELDGATE_SUPABASE_URL: set the project of the key too")
	case c.SupabaseURL == "":
		return nil
	}
	if problem := projectURLProblem(c.SupabaseURL); problem != "" {
		return errors.New("FIELDGATE_SUPABASE_URL " + problem + ": set the URL of the project, such as https://abc.supabase.co")
	}
	base := strings.TrimRight(c.SupabaseURL, "/") + authPath
	c.JWKSURL = cmp.Or(c.JWKSURL, base+"/.well-known/jwks.json")
	if len(c.Issuers) == 0 {
		c.Issuers = []string{base}
	}
	c.HealthURL = cmp.Or(c.HealthURL, base+"/health")
	return nil
}

// hostedDomains are the domains of projects that supabase.com hosts.
var hostedDomains = []string{".supabase.co", ".supabase.in"}

// projectRef returns the reference of a hosted project, which is the first label of its host. It returns
// "" for a self-hosted project, and for one with a custom domain.
func projectRef(host string) string {
	for _, domain := range hostedDomains {
		if ref, found := strings.CutSuffix(host, domain); found {
			return ref
		}
	}
	return ""
}

// apiPaths are the paths of the services of a project. The gateway adds that of Auth.
var apiPaths = []string{authPath, "/rest/v1", "/storage/v1", "/realtime/v1", "/functions/v1", "/graphql/v1"}

// projectURLProblem describes what makes a URL unusable as that of a project. It returns "" if the URL
// can be used. The description does not contain the URL, which may contain a password.
func projectURLProblem(raw string) string {
	if !isHTTPURL(raw) {
		return "is not a URL that begins with https:// or http://"
	}
	u, _ := url.Parse(raw) // isHTTPURL has parsed it
	ref := projectRef(u.Hostname())
	switch {
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "contains a password, a query or a fragment"
	case slices.ContainsFunc(apiPaths, func(path string) bool { return strings.Contains(u.Path, path) }):
		return "contains the path of a service, such as " + authPath + ", which the gateway adds"
	case u.Hostname() == "supabase.com" || strings.HasSuffix(u.Hostname(), ".supabase.com"):
		return "is a page of the dashboard"
	case strings.Contains(ref, "."):
		return "is the address of the database or of another service"
	case ref != "" && strings.Trim(u.Path, "/") != "":
		return "has a path, and hosted projects have none"
	case ref != "" && u.Scheme != "https":
		return "begins with http://, and hosted projects redirect that"
	}
	return ""
}

func (c Config) checkIssuer() error {
	if c.JWKSURL == "" && c.JWTSecret == "" {
		return errors.New("none of FIELDGATE_SUPABASE_URL, FIELDGATE_JWKS_URL and FIELDGATE_JWT_SECRET is set: set one, so that users can sign in")
	}
	if len(c.Issuers) > 1 && slices.Contains(c.Issuers, IssuerOff) {
		return errors.New("FIELDGATE_JWT_ISSUER is off and also names an issuer: choose one of them")
	}
	if !isHTTPURL(c.JWKSURL) && c.JWKSURL != "" {
		return errors.New("FIELDGATE_JWKS_URL is not a URL: it must begin with https:// or http://")
	}
	return errors.Join(c.checkIssuerNames(), c.checkAudience(),
		checkClaim("FIELDGATE_TENANT_CLAIM", c.TenantClaim),
		checkClaim("FIELDGATE_ROLE_CLAIM", c.RoleClaim), checkClaim("FIELDGATE_EMAIL_CLAIM", c.EmailClaim))
}

// checkIssuerNames returns an error if an issuer is a hosted project, but not in the form that its
// tokens have. Other issuers may have any name.
func (c Config) checkIssuerNames() error {
	for _, name := range c.Issuers {
		u, err := url.Parse(name)
		if err != nil || projectRef(u.Hostname()) == "" {
			continue
		}
		if want := "https://" + u.Host + authPath; name != want {
			return fmt.Errorf("FIELDGATE_JWT_ISSUER names a hosted project, but its tokens have the issuer %s: set that", want)
		}
	}
	return nil
}

func (c Config) checkAudience() error {
	if strings.ContainsAny(c.Audience, ", []") {
		return errors.New("FIELDGATE_JWT_AUDIENCE is a list: set the one value that the claim aud of each token contains")
	}
	return nil
}

// usesPlainHTTP reports whether the issuer's keys are fetched without TLS from another machine.
func (c Config) usesPlainHTTP() bool {
	u, err := url.Parse(c.JWKSURL)
	return err == nil && u.Scheme == "http" && !listen.IsLoopback(u.Hostname())
}

func checkClaim(setting, path string) error {
	switch first, _, _ := strings.Cut(path, "."); first {
	case "user_metadata":
		return errors.New(setting + " must not be a path into user_metadata, which users can edit: use app_metadata")
	case "raw_app_meta_data", "raw_user_meta_data":
		return errors.New(setting + " is the name of a column, which no token has: the claim is app_metadata")
	}
	return nil
}

func isHTTPURL(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http")
}
