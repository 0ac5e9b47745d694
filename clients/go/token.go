package fieldgate

import "context"

// A TokenSource returns the bearer token of a request. Each request calls it, so it should
// cache the token until that is about to expire. An error from it ends the call, and the
// call returns that error.
type TokenSource func(ctx context.Context) (string, error)

// Bearer returns the source of a token that does not change.
func Bearer(token string) TokenSource {
	return func(context.Context) (string, error) { return token, nil }
}

// credentials returns the bearer token of the next request, or an empty string for none.
// After a 401 it is called again with the token that was refused. When it returns that
// token once more, the 401 is final.
type credentials func(ctx context.Context, refused string) (string, error)

func noCredentials(context.Context, string) (string, error) { return "", nil }

// requestCredentials returns the credentials of HTTP requests. A 401 is final, because the
// source was called right before the request.
func (t TokenSource) requestCredentials(ctx context.Context, refused string) (string, error) {
	if refused != "" {
		return refused, nil
	}
	return t(ctx)
}

// socketCredentials returns the credentials of a socket. It calls the source again after a
// 401, because a socket may hold its token for long.
func (t TokenSource) socketCredentials(ctx context.Context, _ string) (string, error) { return t(ctx) }
