package fieldgate

import "context"

// A TokenSource returns the bearer token for a request. It is called for every request, so it
// should cache the token until shortly before the expiry. If it returns an error, the call
// returns that error.
type TokenSource func(ctx context.Context) (string, error)

// Bearer returns a TokenSource that always returns token.
func Bearer(token string) TokenSource {
	return func(context.Context) (string, error) { return token, nil }
}

// credentials returns the bearer token for a request, or "" for no token. After a 401, it is
// called again with the refused token. If it returns the same token again, the 401 is final.
type credentials func(ctx context.Context, refused string) (string, error)

func noCredentials(context.Context, string) (string, error) { return "", nil }

// requestCredentials is the credentials function for HTTP requests. It treats a 401 as final,
// because the source was called just before the request.
func (t TokenSource) requestCredentials(ctx context.Context, refused string) (string, error) {
	if refused != "" {
		return refused, nil
	}
	return t(ctx)
}

// socketCredentials is the credentials function for sockets. After a 401 it calls the source
// again, because the token of a socket may have expired since the source returned it.
func (t TokenSource) socketCredentials(ctx context.Context, _ string) (string, error) { return t(ctx) }
