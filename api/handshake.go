package api

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/schema"
)

// An operation that answers 101 opens a socket. Its handshake is a request like any
// other, but the caller may be a page, and a browser lets a page choose neither the
// headers of a handshake nor who may make one in the user's name. So the credential
// may come in two more ways, and the origin of the page is checked here: CORS does
// not hold for sockets (RFC 6455, section 10.2).

const (
	protocolHeader = "Sec-Websocket-Protocol" // as net/http spells Sec-WebSocket-Protocol
	bearerProtocol = "bearer."                // and the token; the answer never names it
	ticketQuery    = "ticket"
)

// What is wrong with a token in the address, and where it may be instead.
const (
	noTokenHere       = `must not hold a token: send it in the Authorization header, or as a second subprotocol, "bearer." and the token`
	noTokenButATicket = noTokenHere + `, or get a ticket for it and send that as "ticket"`
)

// shakeHands checks the handshake of a socket and gives it the form that all other
// requests have: whoever comes after it finds the one credential, whatever it is, in
// the Authorization header and nowhere else.
func (c *contract) shakeHands(r *http.Request, op *operation) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	switch {
	case err != nil:
		return schema.Invalid(malformedQuery)
	case holdsToken(query):
		return schema.Invalid(op.tokenInQuery())
	case len(r.Header["Origin"]) > 0 && !c.origins.mayOpenSockets(originOf(r), r.Host):
		return fieldgate.Refuse(fieldgate.CodeOriginNotAllowed, "Pages of this origin may not open sockets here.")
	}
	found := op.takeCredentials(r, query)
	if len(found) > 1 {
		return tooMany(found)
	}
	if len(found) == 1 && found[0].token != "" {
		r.Header.Set("Authorization", "Bearer "+found[0].token)
	}
	return nil
}

func (op *operation) tokenInQuery() fieldgate.FieldError {
	wrong := fieldgate.FieldError{Pointer: "/query", Keyword: "token", Reason: noTokenHere}
	if op.takesTicket() {
		wrong.Reason = noTokenButATicket
	}
	return wrong
}

func (op *operation) takesTicket() bool {
	_, takes := op.parameters.query[ticketQuery]
	return takes
}

// credential is one that a handshake carries; without a token where it is in its
// place already.
type credential struct{ pointer, token string }

// takeCredentials finds the credentials and takes them away from where nobody looks
// for one.
func (op *operation) takeCredentials(r *http.Request, query url.Values) (found []credential) {
	if len(r.Header["Authorization"]) > 0 {
		found = append(found, credential{pointer: "/header/Authorization"})
	}
	for _, token := range takeBearers(r.Header) {
		found = append(found, credential{"/header/Sec-WebSocket-Protocol", token})
	}
	if tickets := query[ticketQuery]; op.takesTicket() && len(tickets) > 0 {
		query.Del(ticketQuery)
		r.URL.RawQuery = query.Encode()
		for _, ticket := range tickets {
			found = append(found, credential{"/query/ticket", ticket})
		}
	}
	return found
}

// takeBearers takes the entries that carry tokens out of the subprotocols that a
// client offers. Their name may be in any case, so that no misspelt one stays.
func takeBearers(header http.Header) (tokens []string) {
	lines := header[protocolHeader]
	if len(lines) == 0 {
		return nil
	}
	var others []string
	for entry := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		entry = strings.TrimSpace(entry)
		if n := len(bearerProtocol); len(entry) >= n && strings.EqualFold(entry[:n], bearerProtocol) {
			tokens = append(tokens, entry[n:])
		} else if entry != "" {
			others = append(others, entry)
		}
	}
	header.Del(protocolHeader)
	if len(others) > 0 {
		header.Set(protocolHeader, strings.Join(others, ", "))
	}
	return tokens
}

// tooMany refuses several credentials rather than believe one of them.
func tooMany(found []credential) error {
	var wrong []fieldgate.FieldError
	for _, one := range found {
		wrong = schema.AppendOnce(wrong, fieldgate.FieldError{
			Pointer: one.pointer, Keyword: "repeated", Reason: "must be the only credential",
		})
	}
	return schema.Invalid(wrong...)
}

// tokenNames are what people call a token in a query, in lower case.
var tokenNames = map[string]bool{
	"access_token": true, "token": true, "jwt": true, "apikey": true, "api_key": true, "authorization": true, "bearer": true,
}

// jwtPattern finds a JWT anywhere in a text: the base64url of a JSON object begins
// with ey or ew, and it has two dots at least (RFC 7515, section 7.1).
var jwtPattern = regexp.MustCompile(`e[wy][A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*`)

// holdsToken reports whether somebody put a token into the address, where it ends up
// in the logs of every proxy on the way. A ticket is worth nothing by then.
func holdsToken(query url.Values) bool {
	for name, values := range query {
		if tokenNames[strings.ToLower(name)] || jwtPattern.MatchString(name) {
			return true
		}
		if jwtPattern.MatchString(strings.Join(values, " ")) {
			return true
		}
	}
	return false
}
