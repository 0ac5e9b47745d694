package api

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/schema"
)

// An operation with a 101 response opens a socket. Its handshake is like any other request, but
// a browser does not let a page set headers in a handshake. The credential can therefore also
// be sent as a subprotocol or as a ticket. CORS does not apply to handshakes, so a browser lets
// pages of any origin open sockets (RFC 6455, section 10.2). The gateway therefore checks the
// origin here.

const (
	protocolHeader = "Sec-Websocket-Protocol" // as net/http spells Sec-WebSocket-Protocol
	bearerProtocol = "bearer."                // prefix of the subprotocol with the token; the response never repeats the token
	ticketQuery    = "ticket"

	protocolPointer = "/header/Sec-WebSocket-Protocol"
)

// These are the reasons for refusing a token in the query. Each reason lists where a token may be
// sent instead.
const (
	tokenInQueryReason           = `must not contain a token: send it in the Authorization header, or as a second subprotocol, "bearer." and the token`
	tokenInQueryReasonWithTicket = tokenInQueryReason + `, or get a ticket for it and send that as "ticket"`
)

// checkHandshake checks the handshake of a socket and converts it to an ordinary request. It
// moves the credential to the Authorization header and removes it from the query and the
// subprotocols.
func (c *contract) checkHandshake(r *http.Request, op *operation) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	switch {
	case err != nil:
		return schema.Invalid(malformedQuery)
	case containsToken(query):
		return schema.Invalid(op.tokenInQueryError())
	case r.ContentLength != 0:
		return schema.Invalid(fieldgate.FieldError{Keyword: "maxLength", Reason: "must be empty: a handshake has no body"})
	case len(r.Header["Origin"]) > 0 && !c.origins.mayOpenSockets(originOf(r), r.Host):
		return fieldgate.Refuse(fieldgate.CodeOriginNotAllowed, "Pages of this origin may not open sockets. The operator of the gateway can allow the origin.")
	}
	found := op.extractCredentials(r, query)
	switch {
	case len(found) > 1:
		return multipleCredentialsError(found)
	case len(found) == 1 && found[0].pointer == protocolPointer && r.Header.Get(protocolHeader) == "":
		return schema.Invalid(fieldgate.FieldError{
			Pointer: protocolPointer, Keyword: "required", Reason: "must offer the subprotocol of the socket beside the token",
		})
	}
	if len(found) == 1 && found[0].token != "" {
		r.Header.Set("Authorization", "Bearer "+found[0].token)
	}
	return nil
}

func (op *operation) tokenInQueryError() fieldgate.FieldError {
	fieldErr := fieldgate.FieldError{Pointer: "/query", Keyword: "token", Reason: tokenInQueryReason}
	if op.acceptsTicket() {
		fieldErr.Reason = tokenInQueryReasonWithTicket
	}
	return fieldErr
}

func (op *operation) acceptsTicket() bool {
	_, accepts := op.parameters.query[ticketQuery]
	return accepts
}

// credential is a credential in a handshake. The token is empty for a credential in the
// Authorization header, because that credential stays where it is.
type credential struct{ pointer, token string }

// extractCredentials returns the credentials of the handshake and removes them from the
// query and the subprotocols.
func (op *operation) extractCredentials(r *http.Request, query url.Values) (found []credential) {
	if len(r.Header["Authorization"]) > 0 {
		found = append(found, credential{pointer: "/header/Authorization"})
	}
	for _, token := range extractBearerTokens(r.Header) {
		found = append(found, credential{protocolPointer, token})
	}
	if tickets := query[ticketQuery]; op.acceptsTicket() && len(tickets) > 0 {
		query.Del(ticketQuery)
		r.URL.RawQuery = query.Encode()
		for _, ticket := range tickets {
			found = append(found, credential{"/query/ticket", ticket})
		}
	}
	return found
}

// extractBearerTokens removes the subprotocols that contain tokens from the header and returns
// the tokens. It ignores the case of the prefix, so that a misspelled entry is removed too.
func extractBearerTokens(header http.Header) (tokens []string) {
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

// multipleCredentialsError returns the refusal of a handshake that has several credentials.
func multipleCredentialsError(found []credential) error {
	var fieldErrs []fieldgate.FieldError
	for _, c := range found {
		fieldErrs = schema.AppendUnique(fieldErrs, fieldgate.FieldError{
			Pointer: c.pointer, Keyword: "repeated", Reason: "must be the only credential",
		})
	}
	return schema.Invalid(fieldErrs...)
}

// tokenNames are common names of query parameters for tokens, in lower case.
var tokenNames = map[string]bool{
	"access_token": true, "token": true, "jwt": true, "apikey": true, "api_key": true, "authorization": true, "bearer": true,
}

// jwtPattern matches a JWT anywhere in a text. In base64url a JSON object begins with ey or ew,
// and a JWT has at least two dots (RFC 7515, section 7.1).
var jwtPattern = regexp.MustCompile(`e[wy][A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*`)

// containsToken reports whether the query contains a token. A token in the query is leaked,
// because proxies log the query. A ticket in the query is harmless, because it can be used only
// once.
func containsToken(query url.Values) bool {
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
