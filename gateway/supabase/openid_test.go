package supabase_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
)

// keycloakPath is the path of the endpoints of Keycloak, which are those of an OpenID provider.
const keycloakPath = "/protocol/openid-connect"

// openID is an identity provider of a project: an OpenID provider with the endpoints of Keycloak. Its
// page lets users enter any address, and allow or deny the sign-in.
type openID struct {
	*httptest.Server
	callback     string // the only address to which it redirects
	clientSecret string
	mu           sync.Mutex
	grants       map[string]grant // by code and by access token
}

// grant is the consent of a user, with the data that the application may read.
type grant struct {
	email    string
	verified bool
}

const openIDClient = "project"

// newOpenID starts an identity provider of the project whose Auth API is at auth.
func newOpenID(t testing.TB, auth string) *openID {
	t.Helper()
	o := &openID{callback: auth + "/callback", clientSecret: rand.Text(), grants: map[string]grant{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+keycloakPath+"/auth", o.ask)
	mux.HandleFunc("POST "+keycloakPath+"/auth", o.decide)
	mux.HandleFunc("POST "+keycloakPath+"/token", o.exchange)
	mux.HandleFunc("GET "+keycloakPath+"/userinfo", o.describe)
	o.Server = httptest.NewServer(mux)
	t.Cleanup(o.Close)
	return o
}

// withOpenID adds an identity provider to a project.
func withOpenID(t testing.TB) func(*project) {
	return func(p *project) {
		provider := newOpenID(t, p.URL+authPath)
		for name, value := range map[string]string{
			"ENABLED": "true", "URL": provider.URL, "CLIENT_ID": openIDClient,
			"SECRET": provider.clientSecret, "REDIRECT_URI": provider.callback,
		} {
			p.settings["GOTRUE_EXTERNAL_KEYCLOAK_"+name] = value
		}
	}
}

var openIDPage = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><title>Identity provider</title>
<form method="post"><input type="hidden" name="state" value="{{.}}">
<label>Address <input name="email"></label>
<label>Unverified <input type="checkbox" name="unverified"></label>
<button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Deny</button></form>`))

// ask shows the page on which the user decides (OpenID Connect Core 1.0, section 3.1.2.1).
func (o *openID) ask(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if query.Get("client_id") != openIDClient || query.Get("redirect_uri") != o.callback || query.Get("response_type") != "code" {
		http.Error(w, "the client, its address or the type of the response is wrong", http.StatusBadRequest)
		return
	}
	_ = openIDPage.Execute(w, query.Get("state"))
}

// decide returns to the project with a code, or with an error if the user has denied the sign-in.
func (o *openID) decide(w http.ResponseWriter, r *http.Request) {
	response := url.Values{"state": {r.FormValue("state")}}
	if r.FormValue("decision") == "allow" {
		response.Set("code", o.keep(grant{email: r.FormValue("email"), verified: r.FormValue("unverified") == ""}))
	} else {
		response.Set("error", "access_denied")
		response.Set("error_description", "The user denied the request")
	}
	http.Redirect(w, r, o.callback+"?"+response.Encode(), http.StatusSeeOther)
}

// exchange exchanges a code, which is valid once, for an access token.
func (o *openID) exchange(w http.ResponseWriter, r *http.Request) {
	client, secret, isBasic := r.BasicAuth()
	if !isBasic {
		client, secret = r.FormValue("client_id"), r.FormValue("client_secret")
	}
	g, known := o.take(r.FormValue("code"))
	if !known || client != openIDClient || secret != o.clientSecret || r.FormValue("redirect_uri") != o.callback {
		w.WriteHeader(http.StatusBadRequest)
		sendObject(w, object{"error": "invalid_grant"})
		return
	}
	sendObject(w, object{"access_token": o.keep(g), "token_type": "Bearer", "expires_in": 60})
}

// describe returns the user of an access token. It also claims a tenant and a role, which the gateway must
// not believe.
func (o *openID) describe(w http.ResponseWriter, r *http.Request) {
	var token string
	_, _ = fmt.Sscanf(r.Header.Get("Authorization"), "Bearer %s", &token)
	g, known := o.take(token)
	if !known {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	claimed := object{"customer_id": "acme", "role": "admin"}
	sendObject(w, object{
		"sub": g.email, "email": g.email, "email_verified": g.verified,
		"customer_id": "acme", "role": "admin", "app_metadata": claimed, "user_metadata": claimed,
	})
}

// keep stores a grant, and returns the code or the token for it.
func (o *openID) keep(g grant) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	secret := rand.Text()
	o.grants[secret] = g
	return secret
}

// take removes the grant of a code or of a token, and reports whether there was one.
func (o *openID) take(secret string) (grant, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	g, known := o.grants[secret]
	delete(o.grants, secret)
	return g, known
}

// sendObject responds with an object in JSON.
func sendObject(w http.ResponseWriter, body object) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}
