package supabase_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// password is the password of all users of the tests.
const password = "correct horse battery staple"

// signIn is a response of Supabase Auth with which a user has signed in.
type signIn struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	User         struct {
		ID    string `json:"id"`
		Email string `json:"email"`
	} `json:"user"`
}

type object = map[string]any

// request is a request to the Auth API of a project.
type request struct {
	method, path string
	apikey       string // default: the publishable key
	bearer       string // a user's token; may be empty
	body         any
}

// send sends a request and returns the status and the body of the response.
func (p *project) send(r request) (status int, body []byte) {
	t := p.t
	t.Helper()
	content, err := json.Marshal(r.body)
	require.NoError(t, err)
	sent, err := http.NewRequestWithContext(t.Context(), r.method, p.URL+authPath+r.path, bytes.NewReader(content))
	require.NoError(t, err)
	sent.Header.Set("Content-Type", "application/json")
	sent.Header.Set("apikey", p.publishable)
	if r.apikey != "" {
		sent.Header.Set("apikey", r.apikey)
	}
	if r.bearer != "" {
		sent.Header.Set("Authorization", "Bearer "+r.bearer)
	}
	response, err := http.DefaultTransport.RoundTrip(sent) // follows no redirect
	require.NoError(t, err)
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	require.NoError(t, err)
	if location := response.Header.Get("Location"); location != "" {
		body = []byte(location)
	}
	return response.StatusCode, body
}

// call sends a request that must succeed, and decodes the response into out, unless out is nil.
func (p *project) call(r request, out any) {
	p.t.Helper()
	status, body := p.send(r)
	require.Less(p.t, status, 400, "%s %s: %s", r.method, r.path, body)
	if out != nil {
		require.NoError(p.t, json.Unmarshal(body, out), "%s", body)
	}
}

// admin calls the Admin API with the secret key.
func (p *project) admin(method, path string, body, out any) {
	p.t.Helper()
	p.call(request{method: method, path: "/admin" + path, apikey: p.secret, body: body}, out)
}

// signUp signs a new user up and in.
func (p *project) signUp(email string) (s signIn) {
	p.t.Helper()
	p.call(request{method: "POST", path: "/signup", body: object{"email": email, "password": password}}, &s)
	return s
}

// signIn signs a user in with the password.
func (p *project) signIn(email string) (s signIn) {
	p.t.Helper()
	p.call(request{method: "POST", path: "/token?grant_type=password", body: object{"email": email, "password": password}}, &s)
	return s
}

// refresh returns new tokens for a user who has signed in.
func (p *project) refresh(s signIn) (renewed signIn) {
	p.t.Helper()
	p.call(request{method: "POST", path: "/token?grant_type=refresh_token", body: object{"refresh_token": s.RefreshToken}}, &renewed)
	return renewed
}

// member creates a user of a tenant, and signs the user in.
func (p *project) member(email, tenant, role string) signIn {
	p.t.Helper()
	p.addMember(email, tenant, role)
	return p.signIn(email)
}

// addMember creates a user of a tenant through the Admin API.
func (p *project) addMember(email, tenant, role string) {
	p.t.Helper()
	p.admin("POST", "/users", object{
		"email": email, "password": password, "email_confirm": true,
		"app_metadata": object{"customer_id": tenant, "role": role},
	}, nil)
}

// enroll enrols and verifies a second factor. It returns the sign-in with that factor.
func (p *project) enroll(s signIn) signIn {
	p.t.Helper()
	var factor struct {
		ID   string
		TOTP struct{ Secret string }
	}
	p.call(request{method: "POST", path: "/factors", bearer: s.AccessToken, body: object{"factor_type": "totp"}}, &factor)
	return p.stepUp(s, factor.ID, oneTimePassword(p.t, factor.TOTP.Secret))
}

// stepUp verifies a second factor. It returns the sign-in with that factor.
func (p *project) stepUp(s signIn, factor, code string) (verified signIn) {
	p.t.Helper()
	var challenge struct{ ID string }
	path := "/factors/" + factor
	p.call(request{method: "POST", path: path + "/challenge", bearer: s.AccessToken}, &challenge)
	p.call(request{method: "POST", path: path + "/verify", bearer: s.AccessToken, body: object{"challenge_id": challenge.ID, "code": code}}, &verified)
	return verified
}

// claimsOf returns the claims of a token, which it does not verify.
func claimsOf(t testing.TB, token string) (claims object) {
	t.Helper()
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &claims))
	return claims
}

// oneTimePassword returns the current code of a second factor (RFC 6238).
func oneTimePassword(t testing.TB, secret string) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	require.NoError(t, err)
	mac := hmac.New(sha1.New, key)
	require.NoError(t, binary.Write(mac, binary.BigEndian, time.Now().Unix()/30))
	sum := mac.Sum(nil)
	code := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&0xf:]) & 0x7fffffff
	return fmt.Sprintf("%06d", code%1_000_000)
}
